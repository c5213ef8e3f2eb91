"""The plan of a corpus: how many clips of which kind, and from them the takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import joblib

from features.synthesis.backing import Backing, add_backing, find_kits
from features.synthesis.codec import list_codecs
from features.synthesis.excerpts import deal_scores, plan_excerpts
from features.synthesis.midi import MidiError, Score, read_midi
from features.synthesis.orchestra import Orchestra, digest_of
from features.synthesis.score import Take, make_rng
from features.synthesis.songs import plan_clips

# On the codecs' common scale from 0 to 1: from plainly to hardly heard.
MIN_QUALITY, MAX_QUALITY = 0.1, 0.8

# Softer than this, backing is not heard beside the noise.
MIN_BACKING_DB = -40.0

Failure = dict[str, object]


@dataclass(frozen=True)
class Plan:
    """What is to be rendered.

    Parameters
    ----------
    orchestra : Orchestra
        Who can play.
    counts : mapping of str to int
        Clips of each split.
    voices : mapping of str to tuple of int
        Fewest and most labels of a clip of each split.
    backing : Backing
        What is heard without a label.
    codec : float
        Share of clips that went through a lossy codec.
    seconds : float
        Length of a clip.
    seed : int
        Of all that is drawn.
    """

    orchestra: Orchestra
    counts: Mapping[str, int]
    voices: Mapping[str, tuple[int, int]]
    backing: Backing
    codec: float
    seconds: float
    seed: int

    def settings(self) -> dict[str, Any]:
        """Give all that a corpus depends on, for its card.

        Returns
        -------
        dict
            As JSON has it; soundfonts by name and checksum.
        """
        fonts = {
            split: {font.name: digest_of(font) for font in of_split}
            for split, of_split in self.orchestra.soundfonts.items()
        }
        return {
            "counts": dict(self.counts),
            "voices": {split: list(voices) for split, voices in self.voices.items()},
            "seconds": self.seconds,
            "seed": self.seed,
            "backing": {**asdict(self.backing), "levels_db": list(self.backing.levels_db)},
            "codec": self.codec,
            "soundfonts": fonts,
            "instruments": [asdict(each) for each in self.orchestra.instruments],
            "left_out": self.orchestra.left_out(),
        }

    def songs(self) -> list[Take]:
        """Plan clips whose notes are drawn.

        Returns
        -------
        list of Take
            Training, validation, test.

        Raises
        ------
        ValueError
            If a soundfont lacks what the backing needs.
        """
        takes = [
            take
            for split in self.orchestra.soundfonts
            for take in plan_clips(
                self.orchestra,
                split,
                self.counts[split],
                seed=self.seed,
                voices=self.voices[split],
            )
        ]
        takes = add_backing(
            takes, self.orchestra, self.backing, seconds=self.seconds, seed=self.seed
        )
        return [self._with_codec(take) for take in takes]

    def excerpts(
        self, files: Sequence[Path], root: Path, *, n_jobs: int | None = None
    ) -> tuple[list[Take], list[Failure]]:
        """Plan clips that are played from MIDI files.

        Parameters
        ----------
        files : sequence of Path
            The MIDI files.
        root : Path
            The folder by which they are named.
        n_jobs : int or None
            Worker processes that read them.

        Returns
        -------
        takes : list of Take
            Training, validation, test.
        failures : list of dict
            A row for each file that could not be read, and for each split for which the files had
            too little.

        Raises
        ------
        ValueError
            If fewer files could be read than there are splits, or a soundfont lacks a drum kit that
            is asked for.
        """
        names = {file: name_below(root, file) for file in files}
        read = joblib.Parallel(n_jobs=n_jobs or 1)(
            joblib.delayed(_try_midi)(file) for file in files
        )
        failures: list[Failure] = [
            {"clip_id": "", "path": names[file], "reason": each}
            for file, each in zip(files, read, strict=True)
            if isinstance(each, str)
        ]
        scores = [each for each in read if isinstance(each, Score)]
        takes: list[Take] = []
        for split, of_split in deal_scores(scores, self.counts, seed=self.seed).items():
            if self.backing.drums:
                find_kits(self.orchestra, split)
            planned = plan_excerpts(
                of_split,
                names,
                self.orchestra,
                split,
                self.counts[split],
                seed=self.seed,
                seconds=self.seconds,
                voices=self.voices[split],
                backing=self.backing,
            )
            if len(planned) < self.counts[split]:
                fewest, most = self.voices[split]
                reason = (
                    f"the {len(of_split)} MIDI files of {split} must give {self.counts[split]} "
                    f"clips of {fewest} to {most} labels, they give {len(planned)}; add files"
                )
                failures.append({"clip_id": "", "path": str(root), "reason": reason})
            takes += planned
        return [self._with_codec(take) for take in takes], failures

    def _with_codec(self, take: Take) -> Take:
        rng = make_rng(self.seed, (*take.key, 2))
        if rng.random() >= self.codec:
            return take
        codecs = list_codecs()
        codec = codecs[rng.integers(len(codecs))]
        quality = round(float(rng.uniform(MIN_QUALITY, MAX_QUALITY)), 2)
        return replace(take, codec=codec, quality=quality)


def name_below(root: Path, file: Path) -> str:
    """Name a file as it is called in tables.

    Parameters
    ----------
    root, file : Path
        A folder and a file in it, or twice the same file.

    Returns
    -------
    str
        The path below the folder, or the file's name.
    """
    return file.relative_to(root).as_posix() if file != root else file.name


def _try_midi(file: Path) -> Score | str:
    try:
        return read_midi(file)
    except MidiError as exc:
        return exc.reason


def check_settings(
    counts: Mapping[str, int],
    voices: Mapping[str, tuple[int, int]],
    shares: Mapping[str, float],
    backing_db: tuple[float, float],
    *,
    least: Mapping[str, tuple[float, float]],
    n_labels: int,
) -> None:
    """Check what a user may set.

    Parameters
    ----------
    counts, voices
        See `Plan`.
    shares : mapping of str to float
        Shares of clips, by name.
    backing_db : tuple of float
        See `features.synthesis.backing.Backing`.
    least : mapping of str to tuple of float
        Other numbers by name, and the least that each may be.
    n_labels : int
        How many instruments there are.

    Raises
    ------
    ValueError
        If any is out of range; all problems at once.
    """
    least = {**{f"n_{split}": (count, 0) for split, count in counts.items()}, **least}
    if counts["train"]:
        # One clip a label.
        least["n_train"] = (counts["train"], n_labels)
    problems = [
        f"{name} must be at least {bound:g}, got {value}"
        for name, (value, bound) in least.items()
        if not value >= bound
    ]
    if not any(counts.values()):
        problems.append("n_train, n_validation or n_test must be at least 1, all are 0")
    problems += [
        f"{name} must be a share from 0 to 1, got {share}"
        for name, share in shares.items()
        if not 0 <= share <= 1
    ]
    problems += [
        f"voices of {split} must be two numbers, fewest and most, from 1 on, the first at most "
        f"{n_labels} (the number of labels), got {given}"
        for split, given in voices.items()
        if not (len(given) == 2 and 1 <= given[0] <= min(given[1], n_labels))
    ]
    if not (len(backing_db) == 2 and MIN_BACKING_DB <= backing_db[0] <= backing_db[1] <= 0):
        limit = f"{MIN_BACKING_DB:g} or more"
        problems.append(f"backing_db must rise from {limit} to 0 or less, got {backing_db}")
    if problems:
        raise ValueError("; ".join(problems))
