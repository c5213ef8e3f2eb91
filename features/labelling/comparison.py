"""Two labelings of the same clips: how far they agree, and which labels they argue over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.manifest import MAX_SHOWN, Manifest


@dataclass(frozen=True)
class LabelComparison:
    """How far two labelings agree.

    Parameters
    ----------
    n_clips : int
        Clips that both know.
    n_only_first, n_only_second : int
        Clips that only one of them lists.
    exact_match : float
        Share of clips with exactly the same labels.
    at_least_one : float or None
        Share of clips, of those where both give labels, with at least one label in common.
    hamming : float
        Share of cells (clip and label) that agree.
    labels : pd.DataFrame
        Index: label. Columns ``both``, ``only_first``, ``only_second``, ``neither`` (clips),
        ``agreement`` (share) and ``kappa`` (Cohen's, which chance alone leaves at 0; NaN where
        either labeling knows one answer only).
    clips : pd.DataFrame
        Clips that differ: ``clip_id``, ``first``, ``second``, each as labels joined by ``;``.

    Notes
    -----
    Cells that either labeling calls unknown count nowhere.
    """

    n_clips: int
    n_only_first: int
    n_only_second: int
    exact_match: float
    at_least_one: float | None
    hamming: float
    labels: pd.DataFrame
    clips: pd.DataFrame

    def as_dict(self) -> dict[str, object]:
        """Give the numbers for JSON.

        Returns
        -------
        dict
            All but the table of differing clips; undefined is null.
        """
        labels = self.labels.astype(object).where(self.labels.notna(), None)
        return {
            "n_clips": self.n_clips,
            "n_only_first": self.n_only_first,
            "n_only_second": self.n_only_second,
            "exact_match": self.exact_match,
            "at_least_one": self.at_least_one,
            "hamming": self.hamming,
            "labels": labels.to_dict(orient="index"),
        }


def compare_labelings(first: Manifest, second: Manifest) -> LabelComparison:
    """Compare two labelings of the same clips.

    Parameters
    ----------
    first, second : Manifest
        Joined on `clip_id`; clips that only one lists are counted.

    Returns
    -------
    LabelComparison
        Shares of clips and cells, and the same for each label.

    Raises
    ------
    ValueError
        If they have no clip in common, or neither knows any label.

    References
    ----------
    J. Cohen. A coefficient of agreement for nominal scales. Educational and Psychological
    Measurement 20(1), 1960.
    """
    shared = pd.Index(first.clips["clip_id"]).intersection(second.clips["clip_id"], sort=False)
    if shared.empty:
        one = ", ".join(first.clips["clip_id"][:MAX_SHOWN]) or "no clips"
        other = ", ".join(second.clips["clip_id"][:MAX_SHOWN]) or "no clips"
        raise ValueError(
            "the two labelings must share clips, by their clip_id; they share none: "
            f"{one} against {other}"
        )
    classes = sorted({*first.classes, *second.classes})
    if not classes:
        raise ValueError("at least one of the labelings must give labels, neither does")
    a, b = (_truth_of(manifest, shared, classes) for manifest in (first, second))
    known = (a >= 0) & (b >= 0)
    same = (a == b) | ~known
    given = ((a == 1) & known).any(axis=1) & ((b == 1) & known).any(axis=1)
    common = ((a == 1) & (b == 1)).any(axis=1)
    differs = ~same.all(axis=1)
    return LabelComparison(
        n_clips=len(shared),
        n_only_first=len(first) - len(shared),
        n_only_second=len(second) - len(shared),
        exact_match=float(1.0 - differs.mean()),
        at_least_one=float(common[given].mean()) if given.any() else None,
        hamming=float(same[known].mean()) if known.any() else 1.0,
        labels=pd.DataFrame(
            [_compare_cells(a[rows, i], b[rows, i]) for i, rows in enumerate(known.T)],
            index=pd.Index(classes, name="label"),
        ),
        clips=pd.DataFrame(
            {
                "clip_id": shared[differs],
                "first": _write_labels(a[differs], classes),
                "second": _write_labels(b[differs], classes),
            }
        ),
    )


def _truth_of(manifest: Manifest, clip_ids: pd.Index, classes: list[str]) -> np.ndarray:
    rows = pd.Index(manifest.clips["clip_id"]).get_indexer(clip_ids)
    return manifest.label_matrix(classes)[rows]


def _compare_cells(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Compare two columns of 0 and 1."""
    both, only_a = int((a & b).sum()), int((a & ~b & 1).sum())
    only_b, n = int((b & ~a & 1).sum()), len(a)
    neither = n - both - only_a - only_b
    agreement = (both + neither) / n if n else np.nan
    by_chance = ((both + only_a) * (both + only_b) + (neither + only_a) * (neither + only_b)) / (
        n * n or 1
    )
    kappa = (agreement - by_chance) / (1 - by_chance) if n and by_chance < 1 else np.nan
    return {
        "both": both,
        "only_first": only_a,
        "only_second": only_b,
        "neither": neither,
        "agreement": agreement,
        "kappa": kappa,
    }


def _write_labels(truth: np.ndarray, classes: list[str]) -> list[str]:
    names = np.array(classes, dtype=object)
    return [";".join(names[row == 1]) for row in truth]
