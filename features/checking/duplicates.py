"""Clips that are the same sound: byte for byte, sample for sample, or as a copy that was changed.

Copies are found after a change of gain or sampling rate, lossy coding, and a shift in time:
fingerprints say which clips may be copies, and `features.checking.listening` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from features.checking.audio_scan import AudioScan
from features.checking.listening import match_pairs
from features.checking.suspects import find_suspects
from features.manifest import ALL_UNKNOWN, Manifest

KINDS = ("same bytes", "same samples", "same sound")
"""How two clips are one, from the strictest."""


@dataclass(frozen=True)
class Duplicates:
    """Which clips are the same sound.

    Parameters
    ----------
    pairs : pd.DataFrame
        One row a pair: `left` and `right`, positions in the manifest; `kind`, one of `KINDS`;
        `correlation` of the waveforms; `lag_s`, how much later the same sound comes in the left
        one. Of many equal clips each is paired with the first.
    clusters : list of list of int
        Positions of clips that are one sound, directly or by others between them; ascending.
    unheard : list of tuple of int
        Pairs that may be copies, but one of which could not be decoded a second time.
    """

    pairs: pd.DataFrame
    clusters: list[list[int]]
    unheard: list[tuple[int, int]]


def find_duplicates(
    manifest: Manifest, scan: AudioScan, *, n_jobs: int | None = None
) -> Duplicates:
    """Find all clips that are the same sound.

    Near-copies are looked for only where they would matter: between clips that differ in group or
    labels. Silent clips are all alike and left out.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    scan : AudioScan
        What was heard of them.
    n_jobs : int or None
        Workers; the result does not depend on it.

    Returns
    -------
    Duplicates
        With every pair that was found.
    """
    heard = scan.clips
    sounding = (heard["readable"] & ~heard["is_silent"]).to_numpy()
    samples, kin = pd.factorize(heard["audio_sha256"])[0], _kin(manifest)
    same = pd.DataFrame({"samples": samples, "kin": kin}).duplicated().to_numpy()
    suspects = find_suspects(scan.fingerprints, among=sounding & ~same, kin=kin, n_jobs=n_jobs)
    known = samples[suspects["left"]] == samples[suspects["right"]]
    suspects = suspects[~known].reset_index(drop=True)
    clips, durations = manifest.audio_clips(), heard["duration_s"].to_numpy()
    matches = match_pairs(clips, durations, suspects, n_jobs=n_jobs)
    pairs = _equal_pairs(heard[sounding])
    unheard = []
    for left, right, match in zip(suspects["left"], suspects["right"], matches, strict=True):
        if match is None:
            unheard.append((int(left), int(right)))
        elif match.is_copy:
            pairs.append((int(left), int(right), KINDS[2], match.correlation, match.lag_s))
    table = pd.DataFrame(pairs, columns=["left", "right", "kind", "correlation", "lag_s"])
    table = table.sort_values(["left", "right"]).reset_index(drop=True)
    return Duplicates(table, _clusters(table, len(heard)), unheard)


def _equal_pairs(heard: pd.DataFrame) -> list[tuple[int, int, str, float, float]]:
    """Pair clips of equal samples with the first of them."""
    pairs = []
    for rows in heard.groupby("audio_sha256", sort=False).indices.values():
        positions = heard.index[rows].tolist()
        files = heard["file_sha256"].iloc[rows].tolist()
        for position, file in zip(positions[1:], files[1:], strict=True):
            kind = KINDS[0] if file == files[0] else KINDS[1]
            pairs.append((positions[0], position, kind, 1.0, 0.0))
    return pairs


def _kin(manifest: Manifest) -> np.ndarray:
    """Give clips of one group and the same labels one number: among them, copies do no harm."""
    columns = ["group", "labels", "unknown_labels"]
    return manifest.clips.groupby(columns, sort=False).ngroup().to_numpy()


def _clusters(pairs: pd.DataFrame, n_samples: int) -> list[list[int]]:
    left, right = pairs["left"].to_numpy(dtype=int), pairs["right"].to_numpy(dtype=int)
    graph = coo_array((np.ones(len(pairs)), (left, right)), shape=(n_samples, n_samples))
    _, cluster = connected_components(graph, directed=False)
    members = np.unique(np.concatenate([left, right]))
    order = members[np.argsort(cluster[members], kind="stable")]
    found = np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1)
    return sorted(part.tolist() for part in found if len(part))


def labels_contradict(
    labels: Sequence[frozenset[str]], unknown: Sequence[frozenset[str]]
) -> frozenset[str]:
    """Give the labels that some clips have and others are known not to have.

    Parameters
    ----------
    labels, unknown : sequence of frozenset of str
        Of clips of one sound: their labels, and those never annotated for them.

    Returns
    -------
    frozenset of str
        Empty if all agree.
    """
    named = frozenset().union(*labels)
    denied: set[str] = set()
    for own, open_labels in zip(labels, unknown, strict=True):
        if ALL_UNKNOWN not in open_labels:
            denied |= named - own - open_labels
    return frozenset(denied)
