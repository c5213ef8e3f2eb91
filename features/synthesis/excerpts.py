"""Excerpts of MIDI files as clips: who of a file's instruments plays, from when.

A label is an instrument of the table; what other programs and the drum channel play is heard only
where backing is asked for. Notes are the composer's, so no pitch is kept from any split; programs
are: where a split may not use the one that is written, another one of the instrument plays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from features.synthesis.backing import Backing
from features.synthesis.band import Band
from features.synthesis.instruments import SPLITS
from features.synthesis.midi import Score
from features.synthesis.orchestra import Orchestra
from features.synthesis.score import Take, make_rng


def deal_scores(
    scores: Sequence[Score], counts: Mapping[str, int], *, seed: int
) -> dict[str, list[Score]]:
    """Deal MIDI files to the splits, in proportion to their clips.

    Parameters
    ----------
    scores : sequence of Score
        What could be read.
    counts : mapping of str to int
        Clips of each split; those without any get no file.
    seed : int
        Of the corpus.

    Returns
    -------
    dict of str to list of Score
        Each file in one split.

    Raises
    ------
    ValueError
        If there are fewer files than splits.
    """
    splits = [split for split, count in counts.items() if count]
    if len(scores) < len(splits):
        raise ValueError(
            f"every split must have a MIDI file of its own: {len(splits)} splits, "
            f"{len(scores)} files that can be read; add files or leave out splits"
        )
    order = make_rng(seed, (len(SPLITS),)).permutation(len(scores))
    shares = np.array([counts[split] for split in splits]) / sum(counts.values())
    # One for each, the rest by the largest part still due.
    sizes = np.ones(len(splits), dtype=int)
    for _ in range(len(scores) - len(splits)):
        sizes[np.argmax(shares * len(scores) - sizes)] += 1
    ends = np.cumsum(sizes)
    return {
        split: [scores[i] for i in sorted(order[end - size : end])]
        for split, size, end in zip(splits, sizes, ends, strict=True)
    }


def plan_excerpts(
    scores: Sequence[Score],
    names: Mapping[Path, str],
    orchestra: Orchestra,
    split: str,
    n_clips: int,
    *,
    seed: int,
    seconds: float,
    voices: tuple[int, int],
    backing: Backing,
) -> list[Take]:
    """Plan clips that are stretches of MIDI files, as even over the labels as the files allow.

    Parameters
    ----------
    scores : sequence of Score
        Of this split.
    names : mapping of Path to str
        What each score is called in the manifest.
    orchestra, split, n_clips, seed
        See `features.synthesis.songs.plan_clips`.
    seconds : float
        Length of a clip.
    voices : tuple of int
        Fewest and most labels of a clip.
    backing : Backing
        What else of the files is heard.

    Returns
    -------
    list of Take
        Group is the file; fewer than `n_clips` where the files have no more.
    """
    split_number = SPLITS.index(split)
    bands = [
        Band(score, orchestra, split, make_rng(seed, (split_number, number, 0)))
        for number, score in enumerate(scores)
    ]
    takes: list[Take] = []
    rng = make_rng(seed, (split_number,))
    for number, window, codes in _choose(bands, n_clips, seconds, voices, rng):
        band, name = bands[number], names[scores[number].path]
        group = f"{split}-{number:04d}-{re.sub(r'[^A-Za-z0-9.-]+', '_', name)}"
        key = (split_number, number, 1 + len(takes))
        takes.append(
            Take(
                split,
                group,
                f"{group}_{len(takes):04d}",
                tuple(band.cut(code, window * seconds, seconds) for code in codes),
                band.room,
                key,
                band.cut_backing(window * seconds, seconds, backing, make_rng(seed, (*key, 0))),
                score=name,
            )
        )
    return takes


def _choose(
    bands: Sequence[Band],
    n_clips: int,
    seconds: float,
    voices: tuple[int, int],
    rng: np.random.Generator,
) -> list[tuple[int, int, list[str]]]:
    """Choose score, window and codes of each clip: the rarest label first, the least used file.

    No instrument plays the same stretch twice but as company of one that has not yet played it.
    """
    windows = [
        (number, window, codes)
        for number, band in enumerate(bands)
        for window, codes in sorted(band.windows(seconds).items())
        if len(codes) >= voices[0]
    ]
    labels = sorted({code for _, _, codes in windows for code in codes})
    unplayed = np.array([[label in codes for label in labels] for _, _, codes in windows])
    files = np.array([number for number, _, _ in windows])
    file_uses = np.zeros(len(bands))
    counts = np.zeros(len(labels))
    chosen: list[tuple[int, int, list[str]]] = []
    while len(chosen) < n_clips and unplayed.any():
        left = np.flatnonzero(unplayed.any(axis=0))
        rarest = left[np.argmin(counts[left] + rng.random(len(left)) / 2)]
        rows = np.flatnonzero(unplayed[:, rarest])
        row = rows[np.argmin(file_uses[files[rows]] + rng.random(len(rows)) / 2)]
        number, window, codes = windows[row]
        company = sorted(
            (labels.index(code) for code in codes if code != labels[rarest]),
            key=lambda label: (not unplayed[row, label], counts[label]),
        )
        most = min(voices[1], len(codes))
        size = most if rng.random() < 0.5 else int(rng.integers(voices[0], most + 1))
        playing = sorted([int(rarest), *company[: size - 1]])
        counts[playing] += 1
        file_uses[number] += 1
        unplayed[row, playing] = False
        chosen.append((number, window, [labels[label] for label in playing]))
    return chosen
