"""The sources of mixes: decoded on demand, with their loudness, and kept while there is room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.audio import Clip, load_clip
from features.manifest import SEPARATOR, Manifest
from features.remote import local_copy
from features.synthesis.levelling import check_loudness, measure_loudness

# Decoded sound that a process keeps: 128 MB, 25 minutes at 22,050 Hz.
KEPT_SAMPLES = 2**25


@dataclass(frozen=True)
class Source:
    """A clip that may sound in a mix.

    Parameters
    ----------
    clip_id, path : str
        As the manifest has them.
    clip : Clip
        What to decode.
    labels, unknown : frozenset of str
        Its labels, and those never annotated for it.
    value : float
        What is to match, where the manifest tells it; else NaN.
    """

    clip_id: str
    path: str
    clip: Clip
    labels: frozenset[str]
    unknown: frozenset[str]
    value: float = float("nan")


def list_sources(manifest: Manifest, *, column: str | None = None) -> list[Source]:
    """Turn the rows of a manifest into sources.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    column : str or None
        Whose cells are to match; each gets a number, an empty one NaN.

    Returns
    -------
    list of Source
        In row order.
    """
    clips = manifest.clips
    values = np.full(len(clips), np.nan)
    if column is not None:
        codes = pd.factorize(clips[column].replace("", np.nan))[0]
        values = np.where(codes >= 0, codes, np.nan)
    unknown = (
        frozenset(filter(None, map(str.strip, cell.split(SEPARATOR))))
        for cell in clips["unknown_labels"]
    )
    return [
        Source(*fields)
        for fields in zip(
            clips["clip_id"],
            clips["path"],
            manifest.audio_clips(),
            manifest.label_sets(),
            unknown,
            values.tolist(),
            strict=True,
        )
    ]


@dataclass(frozen=True, slots=True)
class Sound:
    """A decoded source.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        One channel.
    loudness : float
        LUFS.
    """

    waveform: np.ndarray
    loudness: float


class SourceReader:
    """Decodes sources and keeps the latest.

    Parameters
    ----------
    sources : sequence of Source
        What may be asked for.
    sr : int
        Sampling rate in Hz of the sounds.
    """

    def __init__(self, sources: Sequence[Source], *, sr: int) -> None:
        self._sources, self._sr = sources, sr
        self._kept: OrderedDict[int, Sound] = OrderedDict()
        self._n_kept = 0

    def read(self, position: int) -> Sound:
        """Decode a source, or give it again.

        Parameters
        ----------
        position : int
            Which.

        Returns
        -------
        Sound
            Not to be written to.

        Raises
        ------
        AudioDecodeError, OSError
            If it cannot be decoded.
        ValueError
            If it is silent.
        """
        if position in self._kept:
            self._kept.move_to_end(position)
            return self._kept[position]
        clip = self._sources[position].clip
        with local_copy(clip.path) as path:
            waveform = load_clip(replace(clip, path=path), sr=self._sr)
        sound = Sound(waveform, check_loudness(measure_loudness(waveform, sr=self._sr)))
        self._kept[position] = sound
        self._n_kept += len(waveform)
        while self._n_kept > KEPT_SAMPLES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._n_kept -= len(oldest.waveform)
        return sound
