"""How well a split kept the labels in proportion, beside what dealing groups at random does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from features.manifest import SPLITS, Manifest

# Random deals to compare with: their mean is known to a few percent, in well under a second.
N_RANDOM = 20


@dataclass(frozen=True)
class SplitQuality:
    """What a split did to the labels' proportions.

    Parameters
    ----------
    parts : pd.DataFrame
        Index: part (``train``, ``fold 0``, ...); columns ``clips``, ``groups``, and one for each
        label with the clips that have it.
    deviation : float
        Mean over labels and parts of ``|p - q| / q``: p the label's share in the part, q its share
        in all rows that were dealt. 0 is perfect.
    random_deviation : float
        The same, for groups dealt at random to parts of the same number of groups; mean of
        `N_RANDOM` deals.
    missing, random_missing : float
        Pairs of label and part without a single clip; the latter the mean of the random deals.
    """

    parts: pd.DataFrame
    deviation: float
    random_deviation: float
    missing: int
    random_missing: float

    def as_dict(self) -> dict[str, object]:
        """Give the numbers for JSON.

        Returns
        -------
        dict
            With the parts as nested dicts.
        """
        return {
            "parts": self.parts.to_dict(orient="index"),
            "deviation": self.deviation,
            "random_deviation": self.random_deviation,
            "missing": self.missing,
            "random_missing": self.random_missing,
        }


def name_parts(manifest: Manifest) -> pd.Series:
    """Name the part that each clip was dealt to.

    Parameters
    ----------
    manifest : Manifest
        With splits, folds or both.

    Returns
    -------
    pd.Series of str
        ``fold 3`` where there is a fold, else the split, ``train`` where there is none.
    """
    clips = manifest.clips
    parts = clips["split"].where(clips["split"] != "", "train")
    return parts.where(clips["fold"] < 0, "fold " + clips["fold"].astype(str))


def measure_split(manifest: Manifest, *, seed: int = 0) -> SplitQuality:
    """Measure how well a split kept labels in proportion.

    Parameters
    ----------
    manifest : Manifest
        With splits, folds or both.
    seed : int
        Of the random deals.

    Returns
    -------
    SplitQuality
        Unknown cells count in no share.
    """
    names = name_parts(manifest)
    order = sorted(names.unique(), key=_rank)
    part = pd.Categorical(names, categories=order).codes.astype(int)
    truth = manifest.label_matrix(manifest.classes)
    group = pd.factorize(manifest.clips["group"])[0]
    n_groups = int(group.max(initial=-1)) + 1
    # By group first: a deal then only adds up rows of groups.
    present, known = (_sum_rows(cells, group, n_groups) for cells in (truth == 1, truth >= 0))
    part_of_group = np.zeros(n_groups, dtype=int)
    part_of_group[group] = part

    def judge(deal: np.ndarray) -> tuple[float, int]:
        return _deviation(*(_sum_rows(each, deal, len(order)) for each in (present, known)))

    rng = np.random.default_rng(seed)
    deviation, missing = judge(part_of_group)
    random = [judge(rng.permutation(part_of_group)) for _ in range(N_RANDOM)]
    counts = _sum_rows(present, part_of_group, len(order)).toarray().astype(int)
    parts = pd.DataFrame(counts, columns=manifest.classes, index=order)
    parts.insert(0, "groups", np.bincount(part_of_group, minlength=len(order)))
    parts.insert(0, "clips", np.bincount(part, minlength=len(order)))
    return SplitQuality(
        parts=parts,
        deviation=deviation,
        random_deviation=float(np.mean([each for each, _ in random])),
        missing=missing,
        random_missing=float(np.mean([each for _, each in random])),
    )


def _rank(name: str) -> tuple[int, int]:
    """Order parts for people: folds by number, then splits."""
    if name.startswith("fold "):
        return -1, int(name.removeprefix("fold "))
    return SPLITS.index(name), 0


def _sum_rows(cells: np.ndarray | csr_array, part: np.ndarray, n_parts: int) -> csr_array:
    """Sum the rows of each part: (n_rows, n_labels) to (n_parts, n_labels)."""
    rows = np.arange(len(part))
    membership = csr_array((np.ones(len(part)), (part, rows)), shape=(n_parts, len(part)))
    return membership @ csr_array(cells, dtype=float)


def _deviation(present: csr_array, known: csr_array) -> tuple[float, int]:
    """Mean relative deviation of shares from the whole's, and the number of empty cells."""
    n_present, n_known = present.toarray(), known.toarray()
    # A part in which nobody knows of a label has no share of it that could be wrong.
    judged = (n_known > 0) & (n_present.sum(axis=0) > 0)
    if not judged.any():
        return 0.0, 0
    share = n_present / np.maximum(n_known, 1)
    whole = n_present.sum(axis=0) / np.maximum(n_known.sum(axis=0), 1)
    off = np.abs(share - whole) / np.where(whole > 0, whole, 1)
    return float(off[judged].mean()), int((judged & (n_present == 0)).sum())
