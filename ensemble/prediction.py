"""Labels and probabilities for sounds, from a bundle."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from ensemble.bundle import Bundle
from ensemble.clip_scores import gather_scores, score_clips
from ensemble.thresholds import decide
from features.audio import Clip


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


def predict_clips(
    bundle: Bundle,
    clips: Sequence[Clip | str | PathLike[str]],
    *,
    clip_ids: Sequence[str] | None = None,
    parents: Sequence[str] | None = None,
    columns: pd.DataFrame | None = None,
    n_jobs: int | None = None,
    tta: int = 0,
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
    columns : pd.DataFrame of shape (n_clips, n_columns), or None
        Rows of a manifest, for bundles that look at some of its columns.
    n_jobs : int or None
        Worker processes for the features.
    tta : int
        Small variations of each clip that are asked about too: see `ensemble.variations`.

    Yields
    ------
    Prediction
        In the order of `clips`.

    Raises
    ------
    ValueError
        If columns that the bundle looks at are not there.
    """
    listed = [clip if isinstance(clip, Clip) else Clip(os.fspath(clip)) for clip in clips]
    thresholds = bundle.stack.thresholds_
    cut = None if thresholds is None else thresholds["stack"]
    settings: dict[str, Any] = {
        "n_jobs": n_jobs,
        "tta": tta,
        "clip_ids": clip_ids,
        "columns": columns,
    }
    chunks: Iterable[tuple[range, dict[str, np.ndarray], dict[int, str]]]
    if parents is None or len(set(parents)) == len(parents):
        chunks, parents = score_clips(bundle, listed, **settings), None
    else:
        # Windows of one parent need not be neighbours, so all of them are waited for.
        chunks = [(range(len(listed)), *gather_scores(bundle, listed, **settings))]
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
