"""What the sound of a corpus tells of damage, slips and leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from features.checking.audio_scan import AudioScan
from features.checking.duplicates import (
    KINDS,
    Duplicates,
    find_duplicates,
    labels_contradict,
)
from features.checking.problem import Problem, Severity
from features.manifest import MAX_SHOWN, Manifest

# Of all samples: one in a thousand at full scale is heard as distortion.
MAX_CLIPPED_SHARE = 0.001

# Seconds by which a manifest may round, and coders pad.
DURATION_TOLERANCE_S = 0.1

# A frame of 20 ms: what is shorter has no sound to tell.
MIN_DURATION_S = 0.02

# Standard deviations, by the median absolute one, of the logarithm of the length; and at least
# three octaves from the median, since corpora of equal lengths have no deviation.
MAX_DEVIATIONS, MIN_OUTLIER_RATIO = 5.0, 8.0
NORMAL_MAD = 0.6745

# Fewer clips may share a format by chance.
MIN_TELLING = 5

TROUBLES = {
    "missing": "have no file at their path",
    "empty": "have no samples",
    "truncated": "end before they should (cut off in transfer?); fetch their files again",
    "not-finite": "hold NaN, infinite or absurdly large samples",
    "segment": "lie beyond the ends of their files; correct start_s and end_s",
    "undecodable": "cannot be decoded",
}
"""Kinds of trouble that `scan_audio` finds, in words."""

FORMATS = {"sr": "sampling rates", "n_channels": "numbers of channels", "codec": "formats"}


def check_audio(manifest: Manifest, scan: AudioScan, *, n_jobs: int | None = None) -> list[Problem]:
    """Find what is wrong with the sound of a corpus.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    scan : AudioScan
        What `features.checking.audio_scan.scan_audio` heard of them.
    n_jobs : int or None
        Workers for the search of duplicates; the result does not depend on it.

    Returns
    -------
    list of Problem
        Errors first. Empty if there is nothing to say.

    Raises
    ------
    ValueError
        If the scan is of other clips.
    """
    if manifest.clips["clip_id"].tolist() != scan.clips["clip_id"].tolist():
        raise ValueError(
            f"a scan must be of the manifest's own clips, got one of {len(scan.clips)} clips for a "
            f"manifest of {len(manifest)}; scan it again"
        )
    found = [problem for check in _CHECKS for problem in check(manifest, scan.clips)]
    duplicates = find_duplicates(manifest, scan, n_jobs=n_jobs)
    found += _duplicate_problems(manifest, duplicates)
    return sorted(found, key=lambda problem: problem.severity is not Severity.ERROR)


def _unreadable(manifest: Manifest, heard: pd.DataFrame) -> Iterator[Problem]:
    for trouble, words in TROUBLES.items():
        rows = heard[heard["trouble"] == trouble]
        if len(rows):
            check = "missing-file" if trouble == "missing" else f"unreadable-{trouble}"
            first = f"{rows['clip_id'].iloc[0]}: {rows['reason'].iloc[0]}"
            yield _problem(check, Severity.ERROR, rows["clip_id"], f"{words} ({first})")


def _checksums(manifest: Manifest, heard: pd.DataFrame) -> Iterator[Problem]:
    given, found = manifest.clips["sha256"].str.lower(), heard["file_sha256"]
    wrong = ((given != "") & (found != "") & (given != found)).to_numpy()
    if wrong.any():
        words = "have files of another sha256 than the manifest's: they were changed or exchanged"
        yield _problem("checksum", Severity.ERROR, heard.loc[wrong, "clip_id"], words)


def _levels(manifest: Manifest, heard: pd.DataFrame) -> Iterator[Problem]:
    silent = heard.loc[heard["is_silent"].astype(bool), "clip_id"]
    if len(silent):
        words = "are silent (never above -80 dBFS), whatever their labels say"
        yield _problem("silent", Severity.WARNING, silent, words)
    clipped = heard[heard["clipped_share"] > MAX_CLIPPED_SHARE]
    if len(clipped):
        words = (
            f"have more than {MAX_CLIPPED_SHARE:.1%} of their samples at full scale, "
            f"at most {clipped['clipped_share'].max():.1%}: clipped"
        )
        yield _problem("clipped", Severity.WARNING, clipped["clip_id"], words)


def _durations(manifest: Manifest, heard: pd.DataFrame) -> Iterator[Problem]:
    given = manifest.clips["duration_s"]
    wrong = (given - heard["duration_s"]).abs() > DURATION_TOLERANCE_S
    # Of a segment, corpora may give the length of its file.
    segments = manifest.clips[["start_s", "end_s"]].notna().any(axis=1)
    wrong &= ~(segments & ((given - heard["file_duration_s"]).abs() <= DURATION_TOLERANCE_S))
    if wrong.any():
        worst = int(np.argmax((given - heard["duration_s"]).abs().where(wrong, 0.0)))
        words = (
            "have another length than the manifest's duration_s (the worst: "
            f"{heard['duration_s'].iloc[worst]:.3f} s, not {given.iloc[worst]:.3f} s)"
        )
        yield _problem("duration", Severity.WARNING, heard.loc[wrong, "clip_id"], words)


def _lengths(manifest: Manifest, heard: pd.DataFrame) -> Iterator[Problem]:
    heard = heard[heard["duration_s"] > 0]
    tiny = heard["duration_s"] < MIN_DURATION_S
    if tiny.any():
        n = int(heard.loc[tiny, "n_timepoints"].min())
        words = f"are shorter than {MIN_DURATION_S} s, the shortest of {n} samples"
        yield _problem("too-short", Severity.WARNING, heard.loc[tiny, "clip_id"], words)
    lengths = np.log(heard.loc[~tiny, "duration_s"])
    off = (lengths - lengths.median()).abs()
    limit = max(MAX_DEVIATIONS * off.median() / NORMAL_MAD, np.log(MIN_OUTLIER_RATIO))
    odd = heard.loc[off.index[off > limit]]
    if len(odd):
        words = (
            f"are of odd length, {odd['duration_s'].min():.3g} to {odd['duration_s'].max():.3g} s, "
            f"where the median is {np.exp(lengths.median()):.3g} s"
        )
        yield _problem("odd-duration", Severity.WARNING, odd["clip_id"], words)


def _formats(manifest: Manifest, heard: pd.DataFrame) -> Iterator[Problem]:
    known = (heard["sr"] > 0).to_numpy()
    truth = manifest.label_matrix(manifest.classes)[known]
    for column, words in FORMATS.items():
        values = heard.loc[known, column]
        counts = values.value_counts()
        if len(counts) < 2:
            continue
        shown = ", ".join(f"{value} ({count})" for value, count in counts.head(MAX_SHOWN).items())
        yield Problem(
            f"mixed-{column.replace('_', '-')}",
            Severity.WARNING,
            f"clips have {len(counts)} {words}: {shown}; see whether they go with labels (audit "
            "nuisance)",
        )
        for value in counts.index[counts >= MIN_TELLING]:
            having = (values == value).to_numpy()
            for label, column_truth in zip(manifest.classes, truth.T, strict=True):
                if ((column_truth == 1) == having).all():
                    ids = heard["clip_id"].to_numpy()[known][having]
                    what = f"exactly those of {label!r}, have {value} of several {words}: a model"
                    told = f"{what} may learn the format, not the sound"
                    yield _problem("format-tells-label", Severity.ERROR, pd.Series(ids), told)


def _duplicate_problems(manifest: Manifest, duplicates: Duplicates) -> Iterator[Problem]:
    clips = manifest.clips
    labels, unknown = manifest.label_sets(), manifest.unknown_sets()
    pairs_of = duplicates.pairs.groupby("left", sort=False).indices
    for cluster in duplicates.clusters:
        rows = clips.iloc[cluster]
        ids = tuple(rows["clip_id"])
        found = np.concatenate([pairs_of[left] for left in cluster if left in pairs_of])
        what = f"{len(ids)} clips are one sound ({_kinds(duplicates.pairs.iloc[found])}): "
        what += _some(rows["clip_id"])
        torn = labels_contradict([labels[k] for k in cluster], [unknown[k] for k in cluster])
        if torn:
            names = _some(pd.Series(sorted(torn)))
            message = f"{what}, but not all of them have the label {names}; correct the labels"
            yield Problem("duplicate-labels-differ", Severity.ERROR, message, ids)
        if rows["group"].nunique() > 1:
            severity, where = _leak(rows)
            message = f"{what}, {where}; give them one group, or keep one of them"
            yield Problem("duplicate-audio", severity, message, ids)
    if duplicates.unheard:
        rows = clips.iloc[sorted({k for pair in duplicates.unheard for k in pair})]
        words = "may be copies of another clip, but could not be decoded a second time to tell"
        yield _problem("duplicate-unheard", Severity.WARNING, rows["clip_id"], words)


def _leak(rows: pd.DataFrame) -> tuple[Severity, str]:
    """Say how clips of one sound but of several groups lie in splits and folds."""
    splits = [split or "no split" for split in sorted(rows["split"].unique())]
    folds = [f"fold {fold}" if fold >= 0 else "no fold" for fold in sorted(rows["fold"].unique())]
    if len(splits) > 1:
        return Severity.ERROR, "in " + " and ".join(splits)
    if len(folds) > 1:
        return Severity.ERROR, "in " + " and ".join(folds)
    groups = f"in {rows['group'].nunique()} groups ({_some(rows['group'].drop_duplicates())})"
    if folds == ["no fold"] and splits[0] in ("train", "no split"):
        return Severity.ERROR, f"{groups}, which folds may part"
    return Severity.WARNING, f"{groups} of one {'fold' if folds != ['no fold'] else 'split'}"


def _kinds(pairs: pd.DataFrame) -> str:
    """Say how clips are one sound: 'same bytes; same sound, correlation 0.997, 0.300 s apart'."""
    kinds = [kind for kind in KINDS[:2] if (pairs["kind"] == kind).any()]
    near = pairs[pairs["kind"] == KINDS[2]]
    if len(near):
        worst = near.iloc[int(np.argmin(near["correlation"]))]
        apart = f", {abs(worst['lag_s']):.3f} s apart" if abs(worst["lag_s"]) >= 0.001 else ""
        kinds.append(f"{KINDS[2]}, correlation {worst['correlation']:.3f}{apart}")
    return "; ".join(kinds)


def _problem(check: str, severity: Severity, clip_ids: pd.Series, words: str) -> Problem:
    message = f"{len(clip_ids)} clips {words}: {_some(clip_ids)}"
    return Problem(check, severity, message, tuple(clip_ids))


def _some(names: pd.Series) -> str:
    shown = ", ".join(names.head(MAX_SHOWN))
    return shown + (f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else "")


_CHECKS: tuple[Callable[[Manifest, pd.DataFrame], Iterator[Problem]], ...] = (
    _unreadable,
    _checksums,
    _levels,
    _durations,
    _lengths,
    _formats,
)
