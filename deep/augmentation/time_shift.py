"""Earlier or later."""

from __future__ import annotations

from dataclasses import dataclass

from deep.augmentation.batch import Batch, take_windows
from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep


@register_augmentation("time_shift")
@dataclass(frozen=True, slots=True, kw_only=True)
class TimeShift(WaveformStep):
    """Move the sound within the clip, earlier or later; the clip stays as long as it is.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    max_share : float
        Farthest move as a share of the clip.
    fill : str
        What comes into the gap: ``"roll"``, what was moved out at the other end, or
        ``"silence"``.
    """

    max_share: float = option(0.25, least=0, most=1, about="farthest move, share of the clip")
    fill: str = option("roll", choices=("roll", "silence"), about="what comes into the gap")

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        shifts = (draws.uniform(-self.max_share, self.max_share) * part.lengths).round().long()
        width = part.waveforms.shape[1]
        moved = part.replaced(take_windows(part.waveforms, -shifts, width)).silenced()
        if self.fill == "silence":
            return moved
        # Once round: what left at one end is what a second copy, a clip further, brings in.
        turns = part.lengths * (shifts.sign() + (shifts == 0))
        returned = part.replaced(take_windows(part.waveforms, turns - shifts, width))
        # A clip that was not moved would come twice.
        gains = part.column((shifts != 0).double())
        return moved.replaced(moved.waveforms.addcmul_(returned.silenced().waveforms, gains))
