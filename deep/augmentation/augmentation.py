"""A recipe's augmentations, applied to training batches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws, draw_seeds
from deep.augmentation.step import FrameStep, MixingStep, Step, WaveformStep


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is done to training batches, each clip on its own draw.

    Few numbers are drawn for each row, on the CPU, so a batch is augmented alike on any device.
    A row's numbers depend on its seed alone: with the same seed it is changed alike in any batch,
    but for kinds that mix clips, whose partners are of the batch.

    Parameters
    ----------
    steps : tuple of Step
        Augmentations, applied in this order; those of frames after those of waveforms.
    sr : int
        Sampling rate of the waveforms in Hz.
    """

    steps: tuple[Step, ...]
    sr: int = 22050

    @property
    def recipe(self) -> dict[str, dict[str, Any]]:
        """What `create_augmentation` makes the same steps from: name to options, all of them."""
        return {step.name: asdict(step) for step in self.steps}

    @property
    def mixes(self) -> bool:
        """Whether clips meet others of their batch."""
        return any(isinstance(step, MixingStep) for step in self.steps)

    def on_waveforms(
        self,
        waveforms: Tensor,
        lengths: Tensor,
        targets: Tensor,
        *,
        generator: Generator,
        seeds: Any = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Augment sounds.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints), float32
            On any device, zero past each clip's end; left as they are.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.
        targets : Tensor of shape (n_samples, n_classes)
            See `deep.losses`.
        generator : Generator
            CPU generator that the seeds are drawn from.
        seeds : np.ndarray of shape (n_samples,), uint64, or None
            One seed per row, instead of drawing them.

        Returns
        -------
        waveforms : Tensor of shape (n_samples, longest), float32
            Zero past each clip's end, as wide as the longest clip.
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each waveform.
        targets : Tensor of shape (n_samples, n_classes)
            Changed where clips were mixed.
        """
        steps = [step for step in self.steps if isinstance(step, WaveformStep)]
        if seeds is None:
            seeds = draw_seeds(len(lengths), generator=generator)
        if not steps:
            return waveforms, lengths, targets
        # bfloat16 is too coarse for transforms and for sound.
        with torch.no_grad(), torch.autocast(waveforms.device.type, enabled=False):
            batch = Batch(waveforms.float().clone(), lengths, targets, self.sr)
            for step in steps:
                batch = step.on_waveforms(batch, Draws(seeds, step.name))
            longest = int(batch.lengths.max())
            return batch.waveforms[:, :longest].contiguous(), batch.lengths, batch.targets

    def on_frames(
        self,
        frames: Tensor,
        n_frames: Tensor,
        targets: Tensor,
        *,
        generator: Generator,
        seeds: Any = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Augment frames.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, ..., n_bands, n_frames)
            Standardised frames, zero past each clip's last one; left as they are.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip.
        targets : Tensor of shape (n_samples, n_classes)
            See `deep.losses`.
        generator : Generator
            CPU generator that the seeds are drawn from.
        seeds : np.ndarray of shape (n_samples,), uint64, or None
            One seed per row, instead of drawing them.

        Returns
        -------
        frames : Tensor of shape (n_samples, ..., n_bands, n_frames)
            Zero past each clip's last one.
        n_frames : Tensor of shape (n_samples,), int64
            As given.
        targets : Tensor of shape (n_samples, n_classes)
            As given.
        """
        if seeds is None:
            seeds = draw_seeds(len(n_frames), generator=generator)
        with torch.autocast(frames.device.type, enabled=False):
            for step in self.steps:
                if isinstance(step, FrameStep):
                    frames = step.on_frames(frames, n_frames, Draws(seeds, step.name))
        return frames, n_frames, targets
