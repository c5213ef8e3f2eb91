"""Every member on every fold's other rows: out-of-fold scores, and the models that are kept.

Conventions: one *fit* is one member on all rows but those of some folds. Each held-out row is
scored by a model that saw nothing of its fold; a fit with nothing held out gives the model for use.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, TypeAlias

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ensemble.finished_fits import FinishedFits, FitResult, Warned
from ensemble.members import (
    Member,
    fit_member,
    is_trained,
    keeps_folds,
    score_member,
    select_columns,
    take_rows,
)
from ensemble.probabilities import from_logits
from ensemble.training_rows import TrainingRows

Progress: TypeAlias = Callable[[int, int, str], None]


@dataclass(frozen=True)
class MemberFits:
    """What fitting all members gave.

    Parameters
    ----------
    scores : dict of str to np.ndarray of shape (n_samples, n_labels)
        Out-of-fold probabilities of every member.
    models : dict of str to list
        Member -> fitted models: one, or one a fold.
    without : dict of int to dict of str to np.ndarray of shape (n_samples, n_labels)
        Fold -> out-of-fold probabilities of the other folds' rows, from models that did not see
        that fold either; empty unless asked for.
    """

    scores: dict[str, np.ndarray]
    models: dict[str, list[Any]]
    without: dict[int, dict[str, np.ndarray]]


def fit_members(
    members: Sequence[Member],
    data: TrainingRows,
    *,
    nested: bool = False,
    n_jobs: int | None = None,
    finished: FinishedFits | None = None,
    progress: Progress | None = None,
) -> MemberFits:
    """Fit every member on every fold's other rows, and in the end on all.

    Parameters
    ----------
    members : sequence of Member
        Checked.
    data : TrainingRows
        What on.
    nested : bool
        Whether to fit on the rows outside each pair of folds too: K (K - 1) / 2 more fits a member.
    n_jobs : int or None
        Worker processes over the fits.
    finished : FinishedFits or None
        Where fits are kept as soon as they are done, and found again.
    progress : callable or None
        Called as `progress(done, total, text)` after each fit.

    Returns
    -------
    MemberFits
        Scores and models.

    Raises
    ------
    ValueError
        If a member that is trained already does not fit the rows, or is to be nested.

    Warns
    -----
    UserWarning, RuntimeWarning
        What members warn of, each once.
    """
    folds = np.unique(data.folds).tolist()
    fits = [
        (member, held_out)
        for member in members
        for held_out in list_held_out(member, folds, nested=nested)
    ]
    shape = (len(data.folds), len(data.classes))
    scores = {member.name: np.empty(shape) for member in members}
    models: dict[str, list[Any]] = {name: [] for name in scores}
    without: dict[int, dict[str, np.ndarray]] = {}
    if nested:
        without = {fold: {name: np.full(shape, np.nan) for name in scores} for fold in folds}
    for member in filter(lambda member: is_trained(member.estimator), members):
        scores[member.name], models[member.name] = _take_trained(member, data, nested=nested)
    told: set[Warned] = set()
    results = _run(fits, data, n_jobs, finished)
    for done, ((member, held_out), result) in enumerate(zip(fits, results, strict=True), start=1):
        name = member.name
        if len(held_out) == 1:
            scores[name][data.folds == held_out[0]] = result.scores
        for fold, other in zip(held_out, reversed(held_out), strict=True):
            # Of a pair of folds, each is scored for the sake of the other.
            if fold != other:
                in_pair = np.isin(data.folds, held_out)
                part = result.scores[data.folds[in_pair] == fold]
                without[other][name][data.folds == fold] = part
        if result.model is not None:
            models[name].append(result.model)
        for message, category in sorted(result.warned - told, key=str):
            warnings.warn(message, category, stacklevel=4)
        told |= result.warned
        if progress is not None:
            progress(done, len(fits), f"{name}, {_describe(held_out, len(folds))}")
    return MemberFits(scores, models, without)


def _take_trained(
    member: Member, data: TrainingRows, *, nested: bool
) -> tuple[np.ndarray, list[Any]]:
    if nested:
        raise ValueError(
            f"{member.name} was trained once for each fold, and the strict score needs networks "
            "that saw neither of two folds: leave the run out, or do without nested"
        )
    if not isinstance(data.X, pd.DataFrame):
        raise ValueError(f"{member.name} knows its rows by name: X must be a DataFrame of clip_id")
    scores = member.estimator.out_of_fold(data.X.index, data.folds)
    if scores.shape[1] != len(data.classes):
        raise ValueError(
            f"{member.name} has {scores.shape[1]} classes, the others have {len(data.classes)}"
        )
    return scores, member.estimator.networks(data.X.index, data.folds)


def list_held_out(
    member: Member, folds: Sequence[int], *, nested: bool = False
) -> list[tuple[int, ...]]:
    """List the fits of a member by the folds that they leave out.

    Parameters
    ----------
    member : Member
        Whose models of the folds may be those for use.
    folds : sequence of int
        All folds.
    nested : bool
        Whether pairs of folds are left out too.

    Returns
    -------
    list of tuple of int
        Each fold; each pair; none, unless the models of the folds are kept. Nothing for a member
        that is trained already.
    """
    if is_trained(member.estimator):
        return []
    each = [(fold,) for fold in folds]
    pairs = list(combinations(folds, 2)) if nested else []
    return [*each, *pairs, *([] if keeps_folds(member.estimator) else [()])]


def _describe(held_out: tuple[int, ...], n_folds: int) -> str:
    if not held_out:
        return "all rows"
    folds = " and ".join(str(fold + 1) for fold in held_out)
    return f"{'fold' if len(held_out) == 1 else 'folds'} {folds} of {n_folds}"


def _run(
    fits: Sequence[tuple[Member, tuple[int, ...]]],
    data: TrainingRows,
    n_jobs: int | None,
    finished: FinishedFits | None,
) -> Iterator[FitResult]:
    """Give the results in the order of the fits: what was kept, or else fitted now."""
    places: list[Path | None] = [None] * len(fits)
    if finished is not None:
        places = finished.find_places(fits, data)
    kept = [None if place is None else FinishedFits.read(place) for place in places]
    missing = [number for number, result in enumerate(kept) if result is None]
    # One BLAS thread in this process too: with two, sums round otherwise than in a worker.
    with (
        threadpool_limits(limits=1),
        joblib.parallel_config(backend="loky", inner_max_num_threads=1),
    ):
        fitted = joblib.Parallel(n_jobs=n_jobs or 1, return_as="generator")(
            joblib.delayed(_fit_and_keep)(
                fits[number][0]._replace(columns=None),
                data._replace(X=select_columns(data.X, fits[number][0].columns)),
                np.isin(data.folds, fits[number][1]),
                places[number],
                for_use=is_for_use(*fits[number]),
            )
            for number in missing
        )
        for result in kept:
            yield next(fitted) if result is None else result
        # Joblib clears up behind itself when it is asked for more than there is.
        next(fitted, None)


def is_for_use(member: Member, held_out: tuple[int, ...]) -> bool:
    """Whether a fit gives a model that the ensemble answers with.

    Parameters
    ----------
    member : Member
        Whose fit it is.
    held_out : tuple of int
        The folds left out.

    Returns
    -------
    bool
        True for the fit on all rows; for those of one fold if the member keeps its folds.
    """
    return len(held_out) == (1 if keeps_folds(member.estimator) else 0)


def _fit_and_keep(
    member: Member, data: TrainingRows, held_out: np.ndarray, place: Path | None, *, for_use: bool
) -> FitResult:
    """Fit, and note what was warned of, which a worker cannot tell."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, scores = _fit_and_score(member, data, held_out)
    wanted = (UserWarning, RuntimeWarning)
    told: set[Warned] = set()
    told |= {(str(w.message), w.category) for w in caught if issubclass(w.category, wanted)}
    result = FitResult(model if for_use else None, scores, told)
    if place is not None:
        FinishedFits.write(result, place)
    return result


def _fit_and_score(
    member: Member, data: TrainingRows, held_out: np.ndarray
) -> tuple[Any, np.ndarray]:
    """Fit on the rows not held out and score those held out."""
    try:
        model = fit_member(member, data.X, data.y, data.groups, np.flatnonzero(~held_out))
        if not held_out.any():
            return model, np.empty((0, len(data.classes)))
        rows = take_rows(data.X, np.flatnonzero(held_out))
        scores = score_member(model, member, rows, data.classes, multilabel=data.multilabel)
    except Exception as exc:
        exc.add_note(f"while fitting member {member.name!r}")
        raise
    if keeps_folds(member.estimator):
        scores = from_logits(scores, multilabel=data.multilabel)
    return model, scores
