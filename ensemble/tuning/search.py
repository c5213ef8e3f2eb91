"""Search for better settings of members and stack, on training rows only.

The best of many trials was also lucky: its score is above what it will reach on new recordings.
`tune` says so, and with ``nested=True`` it measures by how much: the whole search is run again
without each fold, and what it chooses is scored on that fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from ensemble.tuning.clock import Clock, Progress
from ensemble.tuning.file import STUDY_FILE, StudyFile, import_optuna
from ensemble.tuning.found import Tuning
from ensemble.tuning.nested import NESTED_TRIALS, nested_scores
from ensemble.tuning.parts import STACK_TRIALS, Search
from ensemble.tuning.rows import SearchRows, take_training_rows
from ensemble.tuning.scores import get_metric
from ensemble.tuning.spaces import STACK, space_of
from features.table import FeatureTable

DEFAULT_TUNED = ("svm", "xgb")


def tune(
    table: FeatureTable,
    directory: str | PathLike[str],
    *,
    members: Sequence[str] = DEFAULT_TUNED,
    metric: str = "macro_f1",
    n_trials: int = 50,
    minutes: float | None = None,
    folds: int | str = 5,
    task: str | None = None,
    nested: bool = False,
    seed: int = 0,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Search for better settings of members, then of the stack over the best of each.

    Parameters
    ----------
    table : FeatureTable
        Features, with the clip table they were made from. Rows of split ``validation`` and
        ``test`` are never looked at.
    directory : str or path-like
        Gets ``study.db``, which a later call with the same table goes on with, ``trials.csv`` and
        ``best.yaml``. Several processes may work on one at the same time.
    members : sequence of str
        Ready-made members that have a search space.
    metric : str
        What is maximised: one of `reports.metrics.named.METRICS` of which more is better.
    n_trials : int
        Trials of each member in all, those of earlier calls included. The first tries the
        ready-made settings. The stack has `STACK_TRIALS` at most.
    minutes : float or None
        Ceiling, shared by the parts of the search; no trial begins after it, but each part has
        one. None means none; with a ceiling, numbers depend on the machine.
    folds : int or "group"
        Number of grouped folds, or each group a fold of its own. Folds in the clip table come
        first.
    task : {"single-label", "multi-label"} or None
        None decides by the labels.
    nested : bool
        Whether to measure what the choice is worth, by smaller searches without each fold.
    seed : int
        Of folds, members and trials.
    n_jobs : int or None
        Threads over classes; the numbers don't depend on it.
    progress : callable or None
        Called as `progress(done, total, text)`.

    Returns
    -------
    Tuning
        What was found; written to the directory, too.

    Raises
    ------
    ValueError
        If a member has no search space, the metric is unknown, a number is out of range, the table
        has nothing to learn from, or the directory holds another search.
    FileExistsError
        If the directory is a file, or holds something that is no search.
    ImportError
        If Optuna is not installed.

    Warns
    -----
    UserWarning
        Once for each thing that an estimator warns of.

    Notes
    -----
    Tree-structured Parzen estimators choose the trials, and one that lies below the median of
    the earlier ones after some folds is given up. Out-of-fold probabilities of all folds are scored
    together, as in a report.

    References
    ----------
    J. Bergstra, R. Bardenet, Y. Bengio, B. Kegl, Algorithms for hyper-parameter optimization,
    NIPS 2011.
    T. Akiba, S. Sano, T. Yanase, T. Ohta, M. Koyama, Optuna: a next-generation hyperparameter
    optimization framework, KDD 2019.
    G. Cawley, N. Talbot, On over-fitting in model selection and subsequent selection bias in
    performance evaluation, JMLR 11, 2010: why the best score is no estimate.
    """
    members = list(members)
    _check(members, metric, n_trials, minutes)
    import_optuna()
    directory = _check_directory(directory)
    rows = take_training_rows(table, folds=folds, task=task, seed=seed)
    clock = _clock(members, rows, n_trials, minutes, nested, progress)
    with StudyFile(directory) as file:
        search = Search(file, members, metric, seed, clock, n_jobs)
        outcome = search.run(rows, n_trials=n_trials, explain=True)
        found = Tuning(rows, metric, seed, outcome, search.score_ready_made(rows))
        # What took longest is there already, should the rest be broken off.
        found.write(directory)
        if nested:
            found = replace(found, nested=nested_scores(search, rows, found.ready_made))
            found.write(directory)
    return found


def _clock(
    members: Sequence[str], rows: SearchRows, n_trials: int, minutes: float | None, nested: bool,
    progress: Progress | None,
) -> Clock:  # fmt: skip
    has_stack = len(members) > 1
    n_searches = 1 + (len(np.unique(rows.folds)) if nested else 0)

    def count(trials: int) -> int:
        return len(members) * trials + has_stack * min(trials, STACK_TRIALS)

    return Clock(
        total=count(n_trials) + (n_searches - 1) * count(NESTED_TRIALS),
        minutes=minutes,
        progress=progress,
        parts_left=n_searches * (len(members) + has_stack),
    )


def _check(members: list[str], metric: str, n_trials: int, minutes: float | None) -> None:
    if not members or len(set(members)) < len(members):
        raise ValueError(f"members must be named once each, at least one, got {members}")
    for name in members:
        space_of(name)
    if STACK in members:
        raise ValueError("the stack is tuned by itself wherever there are two members or more")
    get_metric(metric)
    if n_trials < 1:
        raise ValueError(f"n_trials must be at least 1, got {n_trials}")
    if minutes is not None and minutes <= 0:
        raise ValueError(f"minutes must be positive, got {minutes}")


def _check_directory(directory: str | PathLike[str]) -> Path:
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise FileExistsError(f"{directory} is a file: name a directory")
    # A search killed as it began leaves a hidden lock behind, no more.
    is_used = directory.is_dir() and any(not p.name.startswith(".") for p in directory.iterdir())
    if is_used and not (directory / STUDY_FILE).is_file():
        raise FileExistsError(
            f"{directory} is not empty and has no {STUDY_FILE}, so it is no search to go on with: "
            "name another directory, or empty this one"
        )
    return directory
