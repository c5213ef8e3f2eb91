"""Hiss, rumble and what lies between."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws
from deep.augmentation.noise_bank import EXPONENTS, draw_noise
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep


@register_augmentation("noise")
@dataclass(frozen=True, slots=True, kw_only=True)
class Noise(WaveformStep):
    """Add white, pink or brown noise.

    Silence stays silence, for it has no level to relate noise to.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    colour : str
        ``"white"``, ``"pink"`` (3 dB an octave down), ``"brown"`` (6 dB), or ``"any"`` of them.
    min_snr_db, max_snr_db : float
        Range of the signal-to-noise ratio over the clip, evenly drawn in dB.
    """

    colour: str = option("white", choices=(*EXPONENTS, "any"), about="spectrum of the noise")
    min_snr_db: float = option(10.0, least=-30, most=120, about="least signal-to-noise ratio in dB")
    max_snr_db: float = option(40.0, least=-30, most=120, about="greatest ratio in dB")

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        snr_db = draws.uniform(self.min_snr_db, self.max_snr_db)
        colours = draws.integers(0, len(EXPONENTS) - 1)
        if self.colour != "any":
            colours = torch.full_like(colours, list(EXPONENTS).index(self.colour))
        noise = draw_noise(part, part.waveforms.shape[1], colours=colours, draws=draws)
        return add_at_ratio(part, noise, snr_db)


def add_at_ratio(part: Batch, noise: Tensor, snr_db: Tensor) -> Batch:
    """Add noise to clips at a given signal-to-noise ratio.

    Parameters
    ----------
    part : Batch
        Clips, changed in place.
    noise : Tensor of shape (n_samples, n_timepoints)
        As wide as the clips, of any level; changed in place.
    snr_db : Tensor of shape (n_samples,)
        Ratio of the mean powers over each clip, in dB.

    Returns
    -------
    Batch
        Clips with noise; as before where clip or noise are silent.
    """
    part_of_noise = part.replaced(noise).silenced()
    levels, noise_levels = part.levels(), part_of_noise.levels()
    gains = levels / torch.where(noise_levels > 0, noise_levels, 1.0)
    gains = gains * part.column(10 ** (-snr_db / 20))
    return part.replaced(part.waveforms.addcmul_(part_of_noise.waveforms, gains))
