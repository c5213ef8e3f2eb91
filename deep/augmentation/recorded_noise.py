"""Background from a folder of recordings."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws
from deep.augmentation.noise import add_at_ratio
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep
from features.audio import AudioDecodeError, is_silent, list_audio_files, load_audio

# Failures that a warning names; the others are counted.
_MAX_SHOWN = 3


@register_augmentation("recorded_noise")
@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedNoise(WaveformStep):
    """Add a stretch of a recording, such as a room, a street or an audience.

    Each recording is as likely as the next, and goes round where it is shorter than the clip.
    Silence stays silence, for it has no level to relate noise to.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    folder : str
        Where the recordings are, subfolders included. They are read when they are first needed.
    min_snr_db, max_snr_db : float
        Range of the signal-to-noise ratio over the clip, evenly drawn in dB.
    max_minutes : float
        Sound that is kept in memory, the same share from the beginning of each recording.
    """

    folder: str = option("", about="folder of recordings")
    min_snr_db: float = option(5.0, least=-30, most=120, about="least signal-to-noise ratio in dB")
    max_snr_db: float = option(30.0, least=-30, most=120, about="greatest ratio in dB")
    max_minutes: float = option(10.0, least=0.01, most=600, about="minutes kept in memory")

    def problems(self) -> list[str]:  # noqa: D102 - see Step
        if not self.folder or not Path(self.folder).is_dir():
            return [f"recorded_noise.folder must be a folder of recordings, got {self.folder!r}"]
        if not list_audio_files(self.folder):
            return [f"recorded_noise.folder must hold sound files, {self.folder!r} has none"]
        return []

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        device = str(part.waveforms.device)
        sounds, firsts, sizes = read_recordings(self.folder, part.sr, self.max_minutes, device)
        snr_db = draws.uniform(self.min_snr_db, self.max_snr_db)
        which = draws.integers(0, len(sizes) - 1)
        starts = (draws.uniform() * sizes[which]).long()
        first, start, size = (
            numbers[:, None].to(device, non_blocking=True)
            for numbers in (firsts[which], starts, sizes[which])
        )
        places = (start + torch.arange(part.waveforms.shape[1], device=device)) % size
        return add_at_ratio(part, sounds[first + places], snr_db)


@lru_cache(maxsize=4)
def read_recordings(
    folder: str, sr: int, max_minutes: float, device: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Read the recordings of a folder one after another; kept for the next call.

    Parameters
    ----------
    folder : str
        See `RecordedNoise`.
    sr : int
        Sampling rate in Hz.
    max_minutes : float
        See `RecordedNoise`.
    device : str
        Where the sounds go.

    Returns
    -------
    sounds : Tensor of shape (n_timepoints,), float32
        All recordings that are not silent.
    firsts, sizes : Tensor of shape (n_recordings,), int64, on the CPU
        Where each begins and how many samples it has.

    Raises
    ------
    ValueError
        If there is none that can be read and is not silent.
    FileNotFoundError
        If there is no such folder.
    """
    paths = list_audio_files(folder)
    share = round(60 * max_minutes * sr / max(len(paths), 1))
    sounds, failures = [], []
    for path in paths:
        try:
            waveform = load_audio(path, sr=sr)[0][: max(share, 1)]
        except AudioDecodeError as exc:
            failures.append(str(exc))
            continue
        if is_silent(waveform):
            failures.append(f"{path}: silent")
        else:
            sounds.append(waveform)
    shown = "; ".join(failures[:_MAX_SHOWN])
    if not sounds:
        raise ValueError(
            f"recorded_noise.folder must hold a recording that can be read and is not silent, "
            f"got {len(failures)} that are not in {folder!r}: {shown}"
        )
    if failures:
        warnings.warn(
            f"{len(failures)} of {len(paths)} recordings in {folder!r} are left out: {shown}",
            stacklevel=2,
        )
    sizes = torch.tensor([len(sound) for sound in sounds])
    joined = torch.from_numpy(np.concatenate(sounds)).to(device)
    return joined, sizes.cumsum(dim=0) - sizes, sizes
