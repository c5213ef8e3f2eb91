"""Our SVM and boosted trees, five grouped folds and the stack, beside the naive way.

    python benchmarks/bench_ensemble.py [--rows 6705] [--features 967] [--classes 11] [--jobs 2]
    python benchmarks/bench_ensemble.py --growth [--plot growth.png]     time by rows and by classes
    python benchmarks/bench_ensemble.py --naive-folds 5                  all of the naive side, too

Ours is what `fit-ensemble --members svm,xgb` does once features are there: members `svm` and `xgb`
on every fold's other rows and on all rows, calibrated on inner folds of whole groups, and the final
estimator. Naive is what a hurried user writes: scikit-learn's `OneVsRestClassifier` of
`SVC(probability=True)` after a `StandardScaler`, and `XGBClassifier`, both with their defaults, on
the same folds and on all rows, averaged. Both get the same number of processes or threads.

The naive side takes so long that it is run for one fold and its time multiplied: a fold is one of
six fits, of which the last, on all rows, is dearer than the others but counted like them.
`--naive-folds 5` runs all six. Ours always runs whole. Macro F1 is compared on the folds that both
sides scored.

Rows are made up: clips in groups of three that share most of what they have, a few dozen directions
that tell classes apart, many that do not, features that are long-tailed mixtures of both. Times are
processor time with one job, else wall-clock time. On one BLAS thread.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ensemble.recipes import MemberSettings, create_member
from ensemble.stacking import StackingEnsembleClassifier
from features.folds import GroupedStratifiedKFold
from reports.plots.style import ACCENT, MUTED, new_figure, tidy

N_FOLDS = 5
N_FITS = N_FOLDS + 1  # and one on all rows
CLIPS_A_GROUP = 3
N_TELLING, N_OTHER = 30, 100


def make_rows(
    n_rows: int, n_features: int, n_classes: int, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Make features, classes and groups."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n_rows) // CLIPS_A_GROUP
    y = rng.integers(n_classes, size=groups[-1] + 1)[groups]
    # Two ways to sound for each class, so that no straight line will do.
    ways = 0.9 * rng.normal(size=(n_classes, 2, N_TELLING))
    of_groups = rng.normal(size=(groups[-1] + 1, N_TELLING + N_OTHER))[groups]
    latent = 0.8 * of_groups + 0.6 * rng.normal(size=(n_rows, N_TELLING + N_OTHER))
    latent[:, :N_TELLING] += ways[y, rng.integers(2, size=groups[-1] + 1)[groups]]
    mixing = rng.normal(size=(N_TELLING + N_OTHER, n_features)) / np.sqrt(N_TELLING + N_OTHER)
    mixed = latent @ mixing + 0.3 * rng.normal(size=(n_rows, n_features))
    values = np.sinh(1.5 * mixed).astype(np.float32)
    names = [f"feature_{i:04d}" for i in range(n_features)]
    return pd.DataFrame(values, columns=names), np.array([f"c{k:03d}" for k in y]), groups


def timed(run: Callable[[], dict[str, np.ndarray]], jobs: int) -> tuple[float, dict]:
    clock = time.process_time if jobs == 1 else time.perf_counter
    begun = clock()
    scores = run()
    return clock() - begun, scores


def fit_ours(
    X: pd.DataFrame, y: np.ndarray, groups: np.ndarray, folds: np.ndarray, jobs: int
) -> dict:
    settings = MemberSettings(feature_names=list(X.columns), n_samples=len(X))
    members = [create_member(name, settings) for name in ("svm", "xgb")]
    stack = StackingEnsembleClassifier(members, cv=folds, n_jobs=jobs)
    stack.fit(X, y, groups=groups)
    return {name: stack.oof_scores_[name] for name in ("svm", "xgb", "average", "stack")}


def fit_naively(X: pd.DataFrame, y: np.ndarray, folds: np.ndarray, jobs: int, n_folds: int) -> dict:
    """Fit and score the first folds, and fit all rows if that makes it whole."""
    from xgboost import XGBClassifier

    values, codes = X.to_numpy(), np.unique(y, return_inverse=True)[1]
    models = {
        "svm": lambda: make_pipeline(
            StandardScaler(), OneVsRestClassifier(SVC(probability=True), n_jobs=jobs)
        ),
        "xgb": lambda: XGBClassifier(n_jobs=jobs),
    }
    scores = {name: np.zeros((len(y), codes.max() + 1)) for name in models}
    for name, make in models.items():
        for fold in range(n_folds):
            test = folds == fold
            fitted = make().fit(values[~test], codes[~test])
            scores[name][test] = fitted.predict_proba(values[test])
        if n_folds == N_FOLDS:
            make().fit(values, codes)
    return {**scores, "average": (scores["svm"] + scores["xgb"]) / 2}


def compare(
    n_rows: int, n_features: int, n_classes: int, jobs: int, naive_folds: int
) -> dict[str, float]:
    X, y, groups = make_rows(n_rows, n_features, n_classes)
    codes = np.unique(y, return_inverse=True)[1]
    folds = np.empty(n_rows, dtype=int)
    splitter = GroupedStratifiedKFold(N_FOLDS, random_state=0)
    for fold, (_, rows) in enumerate(splitter.split(X, codes, groups)):
        folds[rows] = fold
    ours, our_scores = timed(lambda: fit_ours(X, y, groups, folds, jobs), jobs)
    with warnings.catch_warnings():
        # The naive way is deprecated, and says so for every class.
        warnings.simplefilter("ignore", FutureWarning)
        naive, naive_scores = timed(lambda: fit_naively(X, y, folds, jobs, naive_folds), jobs)
    part = naive_folds / N_FITS if naive_folds < N_FOLDS else 1.0
    scored = folds < naive_folds

    def f1(scores: np.ndarray) -> float:
        return f1_score(codes[scored], scores[scored].argmax(axis=1), average="macro")

    found = {"rows": n_rows, "classes": n_classes, "ours_s": ours, "naive_s": naive / part}
    found |= {"naive_part": part, "scored": int(scored.sum())}
    found |= {f"our {name}": f1(scores) for name, scores in our_scores.items()}
    found |= {f"naive {name}": f1(scores) for name, scores in naive_scores.items()}
    return found


def tell(found: dict[str, float]) -> None:
    ratio, part = found["naive_s"] / found["ours_s"], found["naive_part"]
    naive = f"naive {found['naive_s']:.1f} s"
    if part < 1:
        run = round(part * N_FITS)
        naive += f" ({found['naive_s'] * part:.1f} s for {run} of {N_FITS} fits, multiplied)"
    size = f"{found['rows']} rows, {found['classes']} classes"
    print(f"{size}: ours {found['ours_s']:.1f} s, {naive}, {ratio:.1f} times as long")
    names = [name for name in found if name.startswith(("our ", "naive "))]
    scores = ", ".join(f"{name} {found[name]:.3f}" for name in names)
    print(f"  macro F1 of {found['scored']} rows: {scores}", flush=True)


def plot_growth(by_rows: list[dict], by_classes: list[dict], path: Path) -> None:
    figure = new_figure(width=9, height=3.8)
    axes = figure.subplots(1, 2, sharey=True)
    part = by_rows[0]["naive_part"]
    naive = "naive" if part == 1 else f"naive ({round(part * N_FITS)} of {N_FITS} fits, multiplied)"
    sides = (("naive_s", naive, "o--", MUTED), ("ours_s", "ours", "s-", ACCENT))
    for ax, found, what, other in (
        (axes[0], by_rows, "rows", "classes"),
        (axes[1], by_classes, "classes", "rows"),
    ):
        for key, label, style, colour in sides:
            times = [f[key] for f in found]
            ax.plot([f[what] for f in found], times, style, color=colour, label=label)
        ax.set(xscale="log", yscale="log", xlabel=f"number of {what}")
        ax.set_xticks([f[what] for f in found], [f"{f[what]:,}" for f in found])
        ax.minorticks_off()
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:,g}")
        ax.set_title(f"{found[0][other]:,} {other}")
        tidy(ax, grid="both")
    axes[0].set_ylabel("five folds and the final fit (s)")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=6705)
    parser.add_argument("--features", type=int, default=967)
    parser.add_argument("--classes", type=int, default=11)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--growth", action="store_true", help="rows / 8, / 4, ... and 3 to 33 classes"
    )
    parser.add_argument(
        "--naive-folds",
        type=int,
        default=1,
        choices=range(1, N_FOLDS + 1),
        help="folds that the naive side runs; fewer than all are multiplied",
    )
    parser.add_argument("--plot", type=Path, help="draw the growth into this PNG")
    args = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {args.jobs} jobs")
    if not (args.growth or args.plot):
        tell(compare(args.rows, args.features, args.classes, args.jobs, args.naive_folds))
        return
    # Workers start and loops are compiled before the clock does.
    compare(90, args.features, 3, args.jobs, 1)
    found: list[list[dict]] = [[], []]
    for n_rows in [args.rows // part for part in (8, 4, 2, 1)]:
        found[0].append(compare(n_rows, args.features, args.classes, args.jobs, args.naive_folds))
        tell(found[0][-1])
    for n_classes in sorted({3, args.classes, 3 * args.classes}):
        found[1].append(
            compare(args.rows // 4, args.features, n_classes, args.jobs, args.naive_folds)
        )
        tell(found[1][-1])
    if args.plot:
        plot_growth(found[0], found[1], args.plot)


if __name__ == "__main__":
    main()
