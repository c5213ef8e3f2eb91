"""What every model of a bundle says of sounds: clips to features to scores."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ensemble.bundle import Bundle
from ensemble.clip_columns import ClipColumns, compute_columns, list_feature_sets
from ensemble.manifest_columns import find_columns_card, take_columns
from ensemble.variations import mean_of_logits, write_variations
from features.audio import Clip
from features.named_sets import AnyFeatureSet

# Clips scored at a time: bounds the memory, and gives a progress bar something to show.
CHUNK = 64


def score_clips(
    bundle: Bundle,
    clips: Sequence[Clip],
    *,
    n_jobs: int | None = None,
    tta: int = 0,
    clip_ids: Sequence[str] | None = None,
    columns: pd.DataFrame | None = None,
) -> Iterator[tuple[range, dict[str, np.ndarray], dict[int, str]]]:
    """Score clips with every model, some at a time.

    Parameters
    ----------
    bundle : Bundle
        An opened bundle.
    clips : sequence of Clip
        What to score.
    n_jobs : int or None
        Worker processes for the features.
    tta : int
        Test-time augmentation: small variations of each clip whose mean is taken, see
        `ensemble.variations`. 0 asks about the clip alone.
    clip_ids : sequence of str or None
        Names of the clips, which decide on their variations; None takes paths and places.
    columns : pd.DataFrame of shape (n_clips, n_columns), or None
        What a manifest says of each clip, for bundles that look at some of it; others are left out.

    Yields
    ------
    positions : range
        Which clips these are.
    scores : dict
        Model -> (len(positions), n_labels), as of `StackingEnsembleClassifier.score_rows`; rows
        of failed clips are NaN, and there are none where all failed.
    failures : dict
        Position -> reason.

    Raises
    ------
    ValueError
        If `tta` is negative, or columns that the bundle looks at are not there.
    """
    if tta < 0:
        raise ValueError(f"tta must be 0 or more variations of each clip, got {tta}")
    feature_sets = list_feature_sets(bundle)
    known, unfit = _take_known(bundle, columns)
    for start in range(0, len(clips), CHUNK):
        positions = range(start, min(start + CHUNK, len(clips)))
        chunk = [clips[position] for position in positions]
        told = None if known is None else known.iloc[positions.start : positions.stop]
        found = compute_columns(chunk, feature_sets, known=told, n_jobs=n_jobs)
        failures = {positions[k]: reason for k, reason in found.failures.items()}
        failures |= {k: unfit[k] for k in positions if k in unfit}
        if found.silent:
            first = chunk[found.silent[0]].path
            warnings.warn(
                f"silent clips: {len(found.silent)}, such as {first}; what is said of them means "
                "nothing",
                stacklevel=2,
            )
        scores = _score_columns(bundle, found, len(chunk))
        if tta and scores:
            names = [_name(c) if clip_ids is None else clip_ids[k]
                     for k, c in zip(positions, chunk, strict=True)]  # fmt: skip
            good = [k for k in range(len(chunk)) if k not in found.failures]
            varied = _score_variations(
                bundle, feature_sets, [(chunk[k], names[k]) for k in good],
                known=None if told is None else told.iloc[good], n=tta, n_jobs=n_jobs,
            )  # fmt: skip
            multilabel = bundle.task == "multi-label"
            for model, values in scores.items():
                together = [values[good], *(scored[model] for scored in varied)]
                values[good] = mean_of_logits(together, multilabel=multilabel)
        for values in scores.values():
            values[[position - start for position in failures]] = np.nan
        yield positions, scores, failures


def _take_known(
    bundle: Bundle, columns: pd.DataFrame | None
) -> tuple[pd.DataFrame | None, dict[int, str]]:
    """Give what the bundle looks at besides sound, and which clips it is unfit for."""
    card = find_columns_card(bundle.card)
    return (None, {}) if card is None else take_columns(columns, card)


def _score_columns(bundle: Bundle, columns: ClipColumns, n_clips: int) -> dict[str, np.ndarray]:
    """Score the clips that could be read; the others' rows are NaN."""
    if len(columns.X) == 0:
        return {}
    good = [position for position in range(n_clips) if position not in columns.failures]
    scores = {}
    for name, values in bundle.stack.score_rows(columns.X).items():
        scores[name] = np.full((n_clips, values.shape[1]), np.nan)
        scores[name][good] = values
    return scores


def _score_variations(
    bundle: Bundle,
    feature_sets: Sequence[tuple[str, AnyFeatureSet]],
    named: Sequence[tuple[Clip, str]],
    *,
    known: pd.DataFrame | None,
    n: int,
    n_jobs: int | None,
) -> list[dict[str, np.ndarray]]:
    """Give the scores of each clip's first variation, second, and so on."""
    with tempfile.TemporaryDirectory(prefix="timbrestack-") as folder:
        by_clip = [write_variations(clip, name, Path(folder), n=n) for clip, name in named]
        listed = [clips[number] for number in range(n) for clips in by_clip]
        told = None if known is None else pd.concat([known] * n)
        columns = compute_columns(listed, feature_sets, known=told, n_jobs=n_jobs)
        scores = _score_columns(bundle, columns, len(listed))
    parts = {name: np.split(values, n) for name, values in scores.items()}
    return [{name: part[number] for name, part in parts.items()} for number in range(n)]


def _name(clip: Clip) -> str:
    return f"{clip.path}#{clip.start_s}-{clip.end_s}"


def gather_scores(
    bundle: Bundle,
    clips: Sequence[Clip],
    *,
    n_jobs: int | None = None,
    tta: int = 0,
    clip_ids: Sequence[str] | None = None,
    columns: pd.DataFrame | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, np.ndarray], dict[int, str]]:
    """Score clips with every model, all in one.

    Parameters
    ----------
    bundle : Bundle
        An opened bundle.
    clips : sequence of Clip
        What to score.
    n_jobs, tta, clip_ids, columns : object
        See `score_clips`.
    progress : callable or None
        Called with (clips done, clips in all).

    Returns
    -------
    scores : dict
        Model -> (len(clips), n_labels), as of `score_clips`.
    failures : dict
        Position -> reason.
    """
    gathered: dict[str, np.ndarray] = {}
    failures: dict[int, str] = {}
    for positions, scores, failed in score_clips(
        bundle, clips, n_jobs=n_jobs, tta=tta, clip_ids=clip_ids, columns=columns
    ):
        failures |= failed
        for name, values in scores.items():
            whole = gathered.setdefault(name, np.full((len(clips), values.shape[1]), np.nan))
            whole[positions.start : positions.stop] = values
        if progress is not None:
            progress(positions.stop, len(clips))
    return gathered, failures
