"""Labels and probabilities for sounds, from a bundle."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from ensemble.bundle import CLIP, Bundle
from ensemble.thresholds import decide
from features.audio import Clip
from features.extraction import extract_rows
from features.feature_set_cards import feature_set_from_card
from features.named_sets import AnyFeatureSet

# Clips scored at a time: bounds the memory, and gives a progress bar something to show.
CHUNK = 64


@dataclass(frozen=True)
class Prediction:
    """What a bundle says of one clip.

    Parameters
    ----------
    clip_id, path : str
        Which clip.
    start_s, end_s : float or None
        Its part of the file; None means from the beginning, to the end.
    labels : list of str
        Labels decided present.
    probabilities : dict
        Label -> probability.
    error : str
        Why there is no prediction; empty if there is.
    """

    clip_id: str
    path: str
    start_s: float | None
    end_s: float | None
    labels: list[str]
    probabilities: dict[str, float]
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON form.

        Returns
        -------
        dict
            With `labels` and `probabilities`, or with `error`.
        """
        place = {
            "clip_id": self.clip_id,
            "path": self.path,
            "start_s": self.start_s,
            "end_s": self.end_s,
        }
        if self.error:
            return {**place, "error": self.error}
        return {**place, "labels": self.labels, "probabilities": self.probabilities}


def bundle_features(bundle: Bundle) -> AnyFeatureSet:
    """Give the feature set that a bundle was made with.

    Parameters
    ----------
    bundle : Bundle
        An opened bundle.

    Returns
    -------
    FeatureSet or OpenSmileSet
        With the same definition, whatever sets have names by now.

    Raises
    ------
    ValueError
        If this version computes it otherwise.
    """
    made_with = bundle.card.get("versions", {}).get("timbrestack")
    return feature_set_from_card(bundle.feature_set, made_with=made_with)


def score_clips(
    bundle: Bundle, clips: Sequence[Clip], *, n_jobs: int | None = None
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

    Yields
    ------
    positions : range
        Which clips these are.
    scores : dict
        Model -> (len(positions), n_labels), as of `StackingEnsembleClassifier.score_rows`; rows
        of failed clips are NaN, and there are none where all failed.
    failures : dict
        Position -> reason.
    """
    features = bundle_features(bundle)
    for start in range(0, len(clips), CHUNK):
        positions = range(start, min(start + CHUNK, len(clips)))
        chunk = [clips[position] for position in positions]
        rows = extract_rows(chunk, features, n_jobs=n_jobs)
        failures = {
            position: row.reason
            for position, row in zip(positions, rows, strict=True)
            if row.values is None
        }
        if n_silent := sum(row.silent for row in rows):
            first = next(c.path for c, row in zip(chunk, rows, strict=True) if row.silent)
            warnings.warn(
                f"{n_silent} clips are silent, such as {first}; what is said of them means nothing",
                stacklevel=2,
            )
        good = np.array([row.values is not None for row in rows])
        scores: dict[str, np.ndarray] = {}
        if good.any():
            X = pd.DataFrame(
                np.array([row.values for row in rows if row.values is not None]),
                columns=features.feature_names,
            )
            X[CLIP] = pd.Series([c for c, ok in zip(chunk, good, strict=True) if ok], dtype=object)
            for name, values in bundle.stack.score_rows(X).items():
                scores[name] = np.full((len(chunk), values.shape[1]), np.nan)
                scores[name][good] = values
        yield positions, scores, failures


def gather_scores(
    bundle: Bundle,
    clips: Sequence[Clip],
    *,
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, np.ndarray], dict[int, str]]:
    """Score clips with every model, all in one.

    Parameters
    ----------
    bundle : Bundle
        An opened bundle.
    clips : sequence of Clip
        What to score.
    n_jobs : int or None
        Worker processes for the features.
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
    for positions, scores, failed in score_clips(bundle, clips, n_jobs=n_jobs):
        failures |= failed
        for name, values in scores.items():
            whole = gathered.setdefault(name, np.full((len(clips), values.shape[1]), np.nan))
            whole[positions.start : positions.stop] = values
        if progress is not None:
            progress(positions.stop, len(clips))
    return gathered, failures


def predict_clips(
    bundle: Bundle,
    clips: Sequence[Clip | str | PathLike[str]],
    *,
    clip_ids: Sequence[str] | None = None,
    parents: Sequence[str] | None = None,
    n_jobs: int | None = None,
) -> Iterator[Prediction]:
    """Predict clips one by one; one that cannot be read gives an error and the rest goes on.

    Parameters
    ----------
    bundle : Bundle
        An opened bundle.
    clips : sequence of Clip, str or path-like
        What to predict: excerpts or whole files.
    clip_ids : sequence of str or None
        Their names; None takes the paths.
    parents : sequence of str or None
        What each is a window of; windows of one parent get one answer, from the mean of their
        scores. None means that clips are whole.
    n_jobs : int or None
        Worker processes for the features.

    Yields
    ------
    Prediction
        In the order of `clips`.
    """
    listed = [clip if isinstance(clip, Clip) else Clip(os.fspath(clip)) for clip in clips]
    thresholds = bundle.stack.thresholds_
    cut = None if thresholds is None else thresholds["stack"]
    chunks: Iterable[tuple[range, dict[str, np.ndarray], dict[int, str]]]
    if parents is None or len(set(parents)) == len(parents):
        chunks, parents = score_clips(bundle, listed, n_jobs=n_jobs), None
    else:
        # Windows of one parent need not be neighbours, so all of them are waited for.
        chunks = [(range(len(listed)), *gather_scores(bundle, listed, n_jobs=n_jobs))]
    for positions, raw, failures in chunks:
        good = np.array([position not in failures for position in positions])
        scores = _pool(bundle, raw, good, parents)
        for row, position in enumerate(positions):
            clip = listed[position]
            name = clip.path if clip_ids is None else clip_ids[position]
            place = (name, clip.path, clip.start_s, clip.end_s)
            if position in failures:
                yield Prediction(*place, [], {}, failures[position])
                continue
            probabilities = scores[row]
            present = decide(probabilities[None], cut)[0]
            labels = [label for label, p in zip(bundle.classes, present, strict=True) if p]
            named = zip(bundle.classes, probabilities.tolist(), strict=True)
            yield Prediction(*place, labels, dict(named))


def _pool(
    bundle: Bundle,
    scores: dict[str, np.ndarray],
    good: np.ndarray,
    parents: Sequence[str] | None,
) -> np.ndarray:
    """Give the stack's final scores; those of failed clips stay NaN and touch no other's."""
    pooled = np.full((len(good), len(bundle.classes)), np.nan)
    if good.any():
        owners = None if parents is None else np.array(parents, dtype=object)[good]
        pooled[good] = bundle.stack.pool_scores({"stack": scores["stack"][good]}, owners)["stack"]
    return pooled
