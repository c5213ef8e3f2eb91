"""Our SVM and boosted trees, five grouped folds and the stack, beside the naive way.

    python benchmarks/bench_ensemble.py [--rows 6705] [--features 967] [--classes 11] [--jobs 2]
    python benchmarks/bench_ensemble.py --growth [--plot growth.png]     time by rows and by classes

Ours is what `fit-ensemble --members svm,xgb` does once features are there: members `svm` and `xgb`
on every fold's other rows and on all rows, calibrated on inner folds of whole groups, and the final
estimator. Naive is what a hurried user writes: scikit-learn's `OneVsRestClassifier` of
`SVC(probability=True)` after a `StandardScaler`, and `XGBClassifier`, both with their defaults, on
the same folds and on all rows, averaged. Both get the same number of processes or threads.

Rows are made up: clips in groups of three that share most of what they have, a few dozen directions
that tell classes apart, many that do not, features that are long-tailed mixtures of both. Macro F1
is out of fold. Times are processor time with one job, else wall-clock time. On one BLAS thread.
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
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ensemble.recipes import MemberSettings, create_member
from ensemble.stacking import StackingEnsembleClassifier
from features.folds import GroupedStratifiedKFold

N_FOLDS = 5
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


def fit_naively(X: pd.DataFrame, y: np.ndarray, folds: np.ndarray, jobs: int) -> dict:
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
        for fold in range(N_FOLDS):
            test = folds == fold
            fitted = make().fit(values[~test], codes[~test])
            scores[name][test] = fitted.predict_proba(values[test])
        make().fit(values, codes)
    return {**scores, "average": (scores["svm"] + scores["xgb"]) / 2}


def compare(n_rows: int, n_features: int, n_classes: int, jobs: int) -> dict[str, float]:
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
        naive, naive_scores = timed(lambda: fit_naively(X, y, folds, jobs), jobs)

    def f1(scores: np.ndarray) -> float:
        return f1_score(codes, scores.argmax(axis=1), average="macro")

    found = {"rows": n_rows, "classes": n_classes, "ours_s": ours, "naive_s": naive}
    found |= {f"our {name}": f1(scores) for name, scores in our_scores.items()}
    found |= {f"naive {name}": f1(scores) for name, scores in naive_scores.items()}
    return found


def tell(found: dict[str, float]) -> None:
    ratio = found["naive_s"] / found["ours_s"]
    print(f"{found['rows']} rows, {found['classes']} classes: ours {found['ours_s']:.1f} s, "
          f"naive {found['naive_s']:.1f} s, {ratio:.1f} times as long")  # fmt: skip
    names = [name for name in found if name.startswith(("our ", "naive "))]
    print("  macro F1: " + ", ".join(f"{name} {found[name]:.3f}" for name in names), flush=True)


def plot_growth(by_rows: list[dict], by_classes: list[dict], path: Path) -> None:
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    pairs = zip(axes, (by_rows, by_classes), ("rows", "classes"), strict=True)
    for ax, found, what in pairs:
        other = "classes" if what == "rows" else "rows"
        for key, label, style in (("naive_s", "naive", "o--"), ("ours_s", "ours", "s-")):
            ax.plot([f[what] for f in found], [f[key] for f in found], style, label=label)
        ax.set(xscale="log", yscale="log", xlabel=f"number of {what}")
        ax.set_xticks([f[what] for f in found], [str(f[what]) for f in found])
        ax.set_title(f"{found[0][other]} {other}", fontsize="medium")
        ax.minorticks_off()
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.grid(alpha=0.3)
    axes[0].set_ylabel("time of five folds and the final fit (s)")
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
    parser.add_argument("--plot", type=Path, help="draw the growth into this PNG")
    args = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {args.jobs} jobs")
    if not (args.growth or args.plot):
        tell(compare(args.rows, args.features, args.classes, args.jobs))
        return
    found: list[list[dict]] = [[], []]
    for n_rows in [args.rows // part for part in (8, 4, 2, 1)]:
        found[0].append(compare(n_rows, args.features, args.classes, args.jobs))
        tell(found[0][-1])
    for n_classes in sorted({3, args.classes, 3 * args.classes}):
        found[1].append(compare(args.rows // 4, args.features, n_classes, args.jobs))
        tell(found[1][-1])
    if args.plot:
        plot_growth(found[0], found[1], args.plot)


if __name__ == "__main__":
    main()
