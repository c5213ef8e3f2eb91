"""What each kind of augmentation does to a sound: arrays from before and after, to be drawn."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deep.augmentation.augmentation import Augmentation
from deep.augmentation.draws import draw_seeds
from deep.augmentation.options import describe_range
from deep.augmentation.registry import create_augmentation, get_augmentation, list_augmentations
from deep.augmentation.step import FrameStep, MixingStep, Step
from deep.frontends.log_mel import LogMelFrontend

# Draws of which the one that changes most is shown: one draw may change next to nothing.
_N_DRAWS = 5
# Decibels in one unit of the natural logarithm of a power.
_DB = 10 / np.log(10)


@dataclass(frozen=True)
class GalleryEntry:
    """One kind of augmentation, at work on one sound.

    Parameters
    ----------
    name : str
        The kind.
    summary : str
        What it does, a sentence.
    options : tuple of (str, str, str, str)
        Name, value, range and meaning of each option.
    before, after : np.ndarray of shape (n_timepoints,), float32
        Waveforms; equal where frames are changed.
    spectrogram_before, spectrogram_after : np.ndarray of shape (n_mels, n_frames), float32
        Power in mel bands in dB, each sound at a root mean square of one.
    sr : int
        Sampling rate in Hz.
    hop_length : int
        Samples between frames; the first lies around the first sample.
    band_hz : np.ndarray of shape (n_mels,)
        Middle of each band in Hz.
    changes_frames : bool
        Whether it changes frames rather than the waveform.
    """

    name: str
    summary: str
    options: tuple[tuple[str, str, str, str], ...]
    before: np.ndarray
    after: np.ndarray
    spectrogram_before: np.ndarray
    spectrogram_after: np.ndarray
    sr: int
    hop_length: int
    band_hz: np.ndarray
    changes_frames: bool


def make_gallery(
    waveform: np.ndarray,
    *,
    sr: int,
    others: Sequence[np.ndarray] = (),
    recipe: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> list[GalleryEntry]:
    """Apply every kind of augmentation to a sound, each by itself.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The sound.
    sr : int
        Its sampling rate in Hz.
    others : sequence of np.ndarray of shape (n_timepoints,)
        Sounds to mix it with; kinds that mix are left out if there are none.
    recipe : mapping or None
        Options by kind, see `create_augmentation`; others keep their defaults. Kinds that cannot do
        without an option (recordings of noise) are left out unless it is given.
    seed : int
        Of what is drawn; every kind is applied whatever its probability, and of five draws the one
        that changes the spectrogram most is shown.

    Returns
    -------
    list of GalleryEntry
        In the order of `list_augmentations`.

    Raises
    ------
    ValueError
        If the recipe is wrong, see `create_augmentation`, or a sound is empty.
    """
    sounds = [np.asarray(sound, dtype=np.float32) for sound in (waveform, *others)]
    if not all(sound.ndim == 1 and len(sound) for sound in sounds):
        shapes = [sound.shape for sound in sounds]
        raise ValueError(f"sounds must have shape (n_timepoints,) with at least one, got {shapes}")
    create_augmentation(recipe, sr=sr, multi_label=True)
    given = {name: options for name, options in (recipe or {}).items() if options}
    entries = []
    for name in list_augmentations():
        kind = get_augmentation(name)
        mixes = issubclass(kind, MixingStep)
        if (kind().problems() and name not in given) or (mixes and not others):
            continue
        options = given.get(name)
        options = {**(options if isinstance(options, Mapping) else {}), "probability": 1.0}
        augmentation = create_augmentation({name: options}, sr=sr, multi_label=True)
        chosen = sounds if mixes else sounds[:1]
        drawn = [_show(augmentation, chosen, _N_DRAWS * seed + draw) for draw in range(_N_DRAWS)]
        entries.append(max(drawn, key=_difference))
    return entries


def _difference(entry: GalleryEntry) -> float:
    """Measure how far a spectrogram was changed, over the frames that both have, in dB."""
    n_frames = min(entry.spectrogram_before.shape[1], entry.spectrogram_after.shape[1])
    changed = entry.spectrogram_after[:, :n_frames] - entry.spectrogram_before[:, :n_frames]
    return float(np.abs(changed).mean())


def _show(augmentation: Augmentation, sounds: list[np.ndarray], seed: int) -> GalleryEntry:
    """Apply one kind to the first sound."""
    (step,), sr = augmentation.steps, augmentation.sr
    lengths = torch.tensor([len(sound) for sound in sounds])
    waveforms = torch.zeros(len(sounds), int(lengths.max()))
    for row, sound in zip(waveforms, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound.copy())
    generator = torch.Generator().manual_seed(seed)
    seeds = draw_seeds(len(sounds), generator=generator)
    targets = torch.zeros(len(sounds), 1)
    frontend = LogMelFrontend(sr=sr, hop_length=256)
    alone = waveforms[:1, : lengths[0]]
    frontend.fit_statistics([(alone, lengths[:1])])
    changed, changed_lengths, _ = augmentation.on_waveforms(
        waveforms, lengths, targets, generator=generator, seeds=seeds
    )
    after = changed[0, : changed_lengths[0]]
    frames, n_frames = frontend(after[None], changed_lengths[:1])
    frames, _, _ = augmentation.on_frames(
        frames, n_frames, targets[:1], generator=generator, seeds=seeds[:1]
    )
    return GalleryEntry(
        name=step.name,
        summary=inspect.cleandoc(type(step).__doc__ or "").split("\n\n")[0].replace("\n", " "),
        options=_describe_options(step),
        before=sounds[0],
        after=after.numpy(),
        spectrogram_before=_decibels(frontend, frontend(alone, lengths[:1])[0]),
        spectrogram_after=_decibels(frontend, frames),
        sr=sr,
        hop_length=frontend.hop_length,
        band_hz=_band_middles(frontend),
        changes_frames=isinstance(step, FrameStep),
    )


def _describe_options(step: Step) -> tuple[tuple[str, str, str, str], ...]:
    return tuple(
        (
            known.name,
            f"{getattr(step, known.name)}",
            describe_range(known),
            str(known.metadata["about"]),
        )
        for known in fields(step)
        if known.name != "probability"
    )


def _decibels(frontend: LogMelFrontend, frames: Tensor) -> np.ndarray:
    """Undo the standardisation of one clip's frames; what is masked becomes the mean."""
    logs = frames[0, 0] * frontend.std[:, None] + frontend.mean[:, None]
    return (_DB * logs).numpy()


def _band_middles(frontend: LogMelFrontend) -> np.ndarray:
    """Give the frequency in Hz where each band's filter is highest."""
    highest = frontend.filters.argmax(dim=1).numpy()
    return highest * frontend.sr / frontend.n_fft
