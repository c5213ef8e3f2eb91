"""What self-supervised pre-training is worth, by the number of labelled clips.

    python benchmarks/bench_pretraining.py PHILHARMONIA [--seeds 3] [--jobs 2] [--csv rows.csv]
    python benchmarks/bench_pretraining.py PHILHARMONIA --seeds 2 --effort 0.3     a look, no result

For each seed one fold of notes (groups: instrument and note) is held out for the test. A CRNN
learns from the sound of all other notes, no label looked at, by each pretext task; then it is
trained on 5, 20 and 100 labelled clips per class of those notes, all weights, beside one that
starts from random weights and is trained exactly alike. Where a class has fewer clips, all are
taken. `frozen` is a logistic regression on embeddings of the untouched backbone, whose frontend is
standardised alike.

Macro F1 on the held-out notes, mean over seeds. The gain is that over random weights with the same
seed, which decides notes, labelled clips, weights and batches; its interval is Student's, over
seeds. Rows of one seed are one run each, so three seeds make wide intervals. Pre-training costs
time that the random start does not have; the seconds of both are shown.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deep.classifier import AudioBackboneClassifier
from deep.pretraining import (
    PretrainedBackbone,
    PretrainingSettings,
    find_clips,
    list_tasks,
    pretrain_backbone,
)
from deep.pretraining.pretrained import create_headless
from features.corpora.philharmonia import read
from features.folds import make_folds
from features.manifest import Manifest

N_FOLDS = 5
RANDOM = "random"
SR = 22050
MAX_SECONDS = 1.0
PRETRAINING_EPOCHS = 12
# Passes by labelled clips per class: as many steps as a random start needs to level out.
EPOCHS = {5: 60, 20: 30, 100: 12}


def pretrain(task: str, manifest: Manifest, seed: int, effort: float, cache: str) -> tuple:
    """Give a backbone, how well it answered beside chance, and seconds."""
    begun = time.perf_counter()
    epochs = 1 if task == RANDOM else max(1, round(effort * PRETRAINING_EPOCHS))
    settings = PretrainingSettings(
        task="masked" if task == RANDOM else task,
        sr=SR,
        max_seconds=MAX_SECONDS,
        epochs=epochs,
        seed=seed,
    )
    backbone = pretrain_backbone(find_clips(manifest), settings=settings, cache_dir=cache)
    if task == RANDOM:
        # The statistics of the frontend alone are kept.
        torch.manual_seed(seed)
        network = create_headless("crnn", {}, sr=SR)
        network.frontend.load_state_dict(backbone.network.frontend.state_dict())
        return PretrainedBackbone(network.eval(), backbone.card), np.nan, np.nan, 0.0
    best = backbone.card["history"][backbone.card["best_epoch"] - 1]
    seconds = time.perf_counter() - begun
    return backbone, best["pretext_score"], best["pretext_chance"], seconds


def draw_labelled(y: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, per_class])
    drawn = [rng.permutation(np.flatnonzero(y == name))[:per_class] for name in np.unique(y)]
    return np.sort(np.concatenate(drawn))


def compare(task: str, seed: int, manifest: Manifest, effort: float, cache: str) -> list[dict]:
    """Pre-train once, then train on few, more and most labels."""
    folds = make_folds(
        manifest.label_matrix(manifest.classes),
        manifest.clips["group"],
        n_folds=N_FOLDS,
        random_state=seed // N_FOLDS,
    )
    tested = folds == seed % N_FOLDS
    train, test = manifest.select(~tested), manifest.select(tested)
    backbone, score, chance, seconds = pretrain(task, train, seed, effort, cache)
    y, truth = train.clips["labels"].to_numpy(), test.clips["labels"].to_numpy()
    clips, test_clips = train.audio_clips(), test.audio_clips()
    embedded, test_embedded = (
        backbone.embed(each, cache_dir=cache) for each in (clips, test_clips)
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        backbone.save(folder)
        for per_class, epochs in EPOCHS.items():
            labelled = draw_labelled(y, per_class, seed)
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
            probe.fit(embedded[labelled], y[labelled])
            begun = time.perf_counter()
            classifier = AudioBackboneClassifier(
                pretrained=None if task == RANDOM else folder,
                sr=SR,
                max_seconds=MAX_SECONDS,
                epochs=max(1, round(effort * epochs)),
                patience=None,
                batch_size=16,
                validation_fraction=0.0,
                keep="last",
                cache_dir=cache,
                device="cpu",
                random_state=seed,
            ).fit([clips[row] for row in labelled], y[labelled])
            fit_s = time.perf_counter() - begun
            found = {"task": task, "seed": seed, "per_class": per_class, "clips": len(labelled)}
            found |= {"pretext": score, "chance": chance, "pretrain_s": seconds, "fit_s": fit_s}
            found["trained"] = f1_score(truth, classifier.predict(test_clips), average="macro")
            found["frozen"] = f1_score(truth, probe.predict(test_embedded), average="macro")
            rows.append(found)
    return rows


def summarise(rows: pd.DataFrame, way: str) -> pd.DataFrame:
    """Give the mean score by task and labels, and the gain over random weights."""
    scores = rows.pivot(index=["per_class", "seed"], columns="task", values=way)
    lines = []
    for per_class, of_seeds in scores.groupby("per_class"):
        line = {"labelled per class": per_class, RANDOM: f"{of_seeds[RANDOM].mean():.3f}"}
        for task in of_seeds.columns.drop(RANDOM):
            gains = of_seeds[task] - of_seeds[RANDOM]
            line[task] = f"{of_seeds[task].mean():.3f} ({gains.mean():+.3f}{interval(gains)})"
        lines.append(line)
    return pd.DataFrame(lines).set_index("labelled per class")


def interval(gains: pd.Series) -> str:
    if len(gains) < 2:
        return ", one seed"
    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    return f", {gains.mean() - half:+.3f} to {gains.mean() + half:+.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder of the Philharmonia notes")
    parser.add_argument("--seeds", type=int, default=3, help="runs, each with other test notes")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--effort", type=float, default=1.0, help="share of all epochs")
    parser.add_argument("--csv", type=Path, help="where all rows are written")
    given = parser.parse_args()
    manifest, begun = read(given.root), time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        work = [(task, seed) for seed in range(given.seeds) for task in [RANDOM, *list_tasks()]]
        found = Parallel(n_jobs=given.jobs)(
            delayed(compare)(task, seed, manifest, given.effort, cache) for task, seed in work
        )
    rows = pd.DataFrame([row for each in found for row in each])
    if given.csv:
        rows.to_csv(given.csv, index=False)
    print(f"{given.seeds} seeds, effort {given.effort:g}, {time.perf_counter() - begun:.0f} s")
    answered = rows.drop_duplicates(["task", "seed"]).groupby("task")
    print(
        "\npretext, held-out clips\n", answered[["pretext", "chance", "pretrain_s"]].mean().round(3)
    )
    print("\nseconds of training\n", rows.pivot_table("fit_s", "per_class", "task").round(0))
    for way, words in (("trained", "all weights trained"), ("frozen", "logistic regression")):
        print(f"\nmacro F1, {words}: mean (gain, 95 % interval)")
        print(summarise(rows, way).to_string())


if __name__ == "__main__":
    main()
