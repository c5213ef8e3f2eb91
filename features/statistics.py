"""What a corpus holds: counts, seconds and labels, for people and for pages that compare corpora.

Conventions: seconds are those of clips, so a clip of two labels counts in full for each. What is
not known is None and never a zero: a duration nobody wrote down, a codec nobody looked at. A label
that was never annotated for a clip is neither present nor absent there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from features.manifest import ALL_UNKNOWN, SPLITS, Manifest, ManifestError

# Bins of durations are tenths of a decade, the same for every corpus, so that corpora compare.
BINS_PER_DECADE = 10
# All shorter clips, empty ones too, count in the first bin.
SHORTEST_S = 1e-3

# What a scan of the sound may tell.
FACTS = ("duration_s", "sr", "n_channels", "codec")


@dataclass(frozen=True)
class CorpusStatistics:
    """What a corpus holds; all of it plain numbers, lists and dicts of str.

    Parameters
    ----------
    clips, parents, groups : int
        Rows, clips that rows are windows of (a whole clip is its own), and groups.
    groups_given, labels_given : bool
        False where the manifest's groups stand for source files, or nothing is known of labels.
    task : str
        ``"single-label"`` or ``"multi-label"``.
    labels : list of str
        All labels, sorted; the order of `together`.
    per_label : dict of str to dict
        By label: ``clips`` that have it, their ``groups``, ``seconds`` of those of known duration
        and how many those are (``timed_clips``), clips where it is ``unknown``, and ``share`` of
        the clips where it is known.
    labels_per_clip : dict of str to int
        Clips by the number of labels they are known to have; unlabelled clips are not in it.
    unlabelled, partly_unknown : int
        Clips none of whose labels was annotated, and clips some of whose labels were not.
    unknown_cells : int
        Pairs of clip and label that nobody annotated.
    together : list of list of int
        Clips that have label i and label j; the diagonal holds all clips of a label.
    splits, folds : dict of str to dict
        By name: ``clips``, ``groups``, ``seconds``, ``timed_clips`` and ``labels`` (clips by
        label); ``""`` collects the clips in none. Empty if the manifest has none at all.
    durations : dict or None
        ``clips`` of known duration, ``total_s``, ``min_s``, ``median_s``, ``max_s``, and the
        histogram: ``edges_s``, ``counts`` (one fewer). None if no duration is known.
    scanned : int
        Clips in whose sound something was found.
    sample_rates, channels, codecs : dict of str to int, or None
        Clips by rate in Hz, number of channels and codec; None without a scan of the sound.
    """

    clips: int
    parents: int
    groups: int
    groups_given: bool
    labels_given: bool
    task: str
    labels: list[str]
    per_label: dict[str, dict[str, Any]]
    labels_per_clip: dict[str, int]
    unlabelled: int
    partly_unknown: int
    unknown_cells: int
    together: list[list[int]]
    splits: dict[str, dict[str, Any]]
    folds: dict[str, dict[str, Any]]
    durations: dict[str, Any] | None
    scanned: int
    sample_rates: dict[str, int] | None
    channels: dict[str, int] | None
    codecs: dict[str, int] | None

    def as_dict(self) -> dict[str, Any]:
        """Give all of it as JSON takes it.

        Returns
        -------
        dict
            By field.
        """
        return asdict(self)


def describe_corpus(manifest: Manifest, *, scan: pd.DataFrame | None = None) -> CorpusStatistics:
    """Count what a corpus holds.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    scan : pd.DataFrame or None
        What was found in the sound, such as `features.checking.audio_scan.AudioScan.clips`:
        ``clip_id`` and any of ``duration_s`` (of the clip, in s), ``sr`` (in Hz), ``n_channels``
        and ``codec``. Its durations come before the manifest's; an empty cell, or a rate or number
        of channels of 0, is not known.

    Returns
    -------
    CorpusStatistics
        Durations are from the scan, else the manifest's ``duration_s``, else ``end_s - start_s``.

    Raises
    ------
    ManifestError
        If the scan has no ``clip_id``, names a clip twice or one that the manifest lacks, or holds
        a negative duration; all problems at once.
    """
    clips, labels = manifest.clips, manifest.classes
    found = _look_up(scan, clips["clip_id"])
    truth = manifest.label_matrix(labels)
    present = csr_array((truth == 1).astype(np.int64))
    seconds = _durations(clips, found)
    groups = pd.factorize(clips["group"])[0]
    stars = clips["unknown_labels"].str.split(";").map(lambda cell: ALL_UNKNOWN in cell)
    unlabelled = stars.to_numpy(dtype=bool) & (clips["labels"] == "").to_numpy()
    unknown = (truth < 0).sum(axis=0)
    folds = clips["fold"].astype(str).mask(clips["fold"] < 0, "")
    numbers = [str(fold) for fold in np.unique(clips["fold"]) if fold >= 0]
    return CorpusStatistics(
        clips=len(clips),
        parents=int(clips["parent"].nunique()),
        groups=int(clips["group"].nunique()),
        groups_given=manifest.groups_given,
        labels_given=manifest.labels_given,
        task=manifest.task,
        labels=labels,
        per_label=_per_label(labels, present, unknown, seconds, groups),
        labels_per_clip=_labels_per_clip(present, unlabelled),
        unlabelled=int(unlabelled.sum()),
        partly_unknown=int(((clips["unknown_labels"] != "").to_numpy() & ~unlabelled).sum()),
        unknown_cells=int(unknown.sum()),
        together=(present.T @ present).toarray().tolist(),
        splits=_parts(clips["split"], SPLITS, labels, present, seconds, groups),
        folds=_parts(folds, numbers, labels, present, seconds, groups),
        durations=_describe_durations(seconds),
        scanned=int(found.notna().any(axis=1).sum()),
        sample_rates=_tally(found, "sr"),
        channels=_tally(found, "n_channels"),
        codecs=_tally(found, "codec"),
    )


def _look_up(scan: pd.DataFrame | None, clip_ids: pd.Series) -> pd.DataFrame:
    """Give the facts of every clip, in the manifest's order; NaN where they are not known."""
    if scan is None:
        return pd.DataFrame(index=clip_ids)
    if "clip_id" not in scan:
        found = ", ".join(map(str, scan.columns)) or "none"
        raise ManifestError([f"a 'clip_id' column is required, found columns: {found}"], "scan")
    ids = scan["clip_id"].astype(str)
    problems = []
    for rule, bad in (
        ("'clip_id' must be unique", ids[ids.duplicated()]),
        ("every 'clip_id' must be in the manifest", ids[~ids.isin(clip_ids)]),
    ):
        if len(bad):
            problems.append(f"{rule}, got {len(bad)} others such as {bad.iloc[0]!r}")
    if "duration_s" in scan and (scan["duration_s"] < 0).any():
        problems.append(f"'duration_s' must be at least 0, got {scan['duration_s'].min()}")
    if problems:
        raise ManifestError(problems, "scan")
    facts = scan[[column for column in FACTS if column in scan]].set_index(ids)
    unknown = {"sr": 0, "n_channels": 0, "codec": ""}
    return facts.mask(facts.eq(pd.Series(unknown).reindex(facts.columns))).reindex(clip_ids)


def _durations(clips: pd.DataFrame, found: pd.DataFrame) -> np.ndarray:
    """Give the seconds of every clip, NaN where they are not known."""
    segments = (clips["end_s"] - clips["start_s"]).to_numpy(dtype=float)
    written = clips["duration_s"].to_numpy(dtype=float)
    seconds = np.where(np.isnan(written), segments, written)
    if "duration_s" in found:
        heard = found["duration_s"].to_numpy(dtype=float)
        seconds = np.where(np.isnan(heard), seconds, heard)
    return seconds


def _per_label(
    labels: Sequence[str],
    present: csr_array,
    unknown: np.ndarray,
    seconds: np.ndarray,
    groups: np.ndarray,
) -> dict[str, dict[str, Any]]:
    rows, columns = present.nonzero()
    n_labels = len(labels)
    pairs = np.unique(groups[rows].astype(np.int64) * max(n_labels, 1) + columns)
    n_groups = np.bincount(pairs % max(n_labels, 1), minlength=n_labels)
    n_clips = np.bincount(columns, minlength=n_labels)
    timed, summed = _seconds_by(columns, seconds[rows], n_labels)
    known = present.shape[0] - unknown
    return {
        label: {
            "clips": int(n_clips[k]),
            "groups": int(n_groups[k]),
            "seconds": _sum_or_none(summed[k], timed[k]),
            "timed_clips": int(timed[k]),
            "unknown": int(unknown[k]),
            "share": float(n_clips[k] / known[k]) if known[k] else None,
        }
        for k, label in enumerate(labels)
    }


def _seconds_by(
    numbers: np.ndarray, seconds: np.ndarray, n_numbers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count the known durations of each number, and sum them."""
    known = ~np.isnan(seconds)
    timed = np.bincount(numbers[known], minlength=n_numbers)
    return timed, np.bincount(numbers[known], weights=seconds[known], minlength=n_numbers)


def _sum_or_none(total: float, n_known: int) -> float | None:
    return float(total) if n_known else None


def _labels_per_clip(present: csr_array, unlabelled: np.ndarray) -> dict[str, int]:
    numbers = np.asarray(present.sum(axis=1)).ravel()[~unlabelled]
    counts = np.bincount(numbers)
    return {str(number): int(count) for number, count in enumerate(counts) if count}


def _parts(
    names: pd.Series,
    order: Sequence[str],
    labels: Sequence[str],
    present: csr_array,
    seconds: np.ndarray,
    groups: np.ndarray,
) -> dict[str, dict[str, Any]]:
    """Describe the clips of each name; nothing if no clip has one."""
    parts: dict[str, dict[str, Any]] = {}
    for name in [*order, ""] if (names != "").any() else []:
        rows = np.flatnonzero(names == name)
        if not len(rows):
            continue
        known = seconds[rows][~np.isnan(seconds[rows])]
        counts = np.asarray(present[rows].sum(axis=0)).ravel()
        parts[name] = {
            "clips": len(rows),
            "groups": len(np.unique(groups[rows])),
            "seconds": _sum_or_none(known.sum(), len(known)),
            "timed_clips": len(known),
            "labels": {label: int(counts[k]) for k, label in enumerate(labels)},
        }
    return parts


def _describe_durations(seconds: np.ndarray) -> dict[str, Any] | None:
    known = seconds[~np.isnan(seconds)]
    if not len(known):
        return None
    # Rounded first: a logarithm that falls short of a whole number by its last digit must not
    # put a clip of exactly an edge below it.
    tenths = np.log10(np.maximum(known, SHORTEST_S)) * BINS_PER_DECADE
    bins = np.floor(tenths.round(9)).astype(int)
    first, last = int(bins.min()), int(bins.max())
    edges = 10 ** (np.arange(first, last + 2) / BINS_PER_DECADE)
    return {
        "clips": len(known),
        "total_s": float(known.sum()),
        "min_s": float(known.min()),
        "median_s": float(np.median(known)),
        "max_s": float(known.max()),
        "edges_s": edges.round(6).tolist(),
        "counts": np.bincount(bins - first).tolist(),
    }


def _tally(found: pd.DataFrame, column: str) -> dict[str, int] | None:
    """Count the clips of each value, the most frequent first; None if nobody looked."""
    if column not in found:
        return None
    values = found[column].dropna()
    if pd.api.types.is_numeric_dtype(values):
        values = values.astype(int)
    counts = values.astype(str).value_counts()
    return {str(value): int(count) for value, count in counts.sort_index().sort_values(
        ascending=False, kind="stable").items()}  # fmt: skip
