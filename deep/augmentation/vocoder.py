"""Phase vocoder: tempo and pitch changed apart, each clip by its own amount.

Two spectra are taken for each frame of the result: one where the frame reads the clip, and one
shortly before. Their phase difference is how far each partial turns in that time, which needs no
unwrapping; the products of these turns are the phases of the result. For another tempo the frames
read the clip faster or slower than they are written; for another pitch the turn is measured over a
longer or shorter time than it is written over, and the bins are moved alike.

References
----------
M. Puckette, Phase-locked vocoder, IEEE ASSP Workshop on Applications of Signal Processing to Audio
and Acoustics, 1995.
J. Laroche and M. Dolson, New phase-vocoder techniques for pitch-shifting, harmonizing and other
exotic effects, same workshop, 1999.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from deep.augmentation.batch import Batch, take_windows

# Long enough to part the partials of low notes, short enough to keep their onsets.
WINDOW_S = 0.07
# With a Hann window three times, its squares add up to a constant.
OVERLAP = 3
# Far below the rounding of spectra of sounds with a peak of one: what is exactly silent turns by 0.
_TINY = 1e-20


def vocode(part: Batch, *, rates: Tensor, ratios: Tensor) -> Batch:
    """Change tempo and pitch.

    Parameters
    ----------
    part : Batch
        Clips.
    rates : Tensor of shape (n_samples,), float64, on the CPU
        Tempo: 2 is twice as fast, so half as long.
    ratios : Tensor of shape (n_samples,), float64, on the CPU
        Pitch: 2 is an octave up. Rounded to multiples of one part in `hop_length`, less than two
        cents at 22,050 Hz.

    Returns
    -------
    Batch
        Clips of ``lengths / rates`` samples, at least one.
    """
    hop = hop_length(part.sr)
    lengths = (part.lengths / rates).round().long().clamp_min(1)
    turns = (hop * ratios).round().clamp_min(1).long()
    # One frame before the first sample and one past the last: every sample lies in three frames.
    n_frames = -(-int(lengths.max()) // hop) + 3
    written = torch.arange(-1, n_frames - 1) * hop
    read = (written * rates[:, None]).round().long() - OVERLAP * hop // 2
    # So that neither squares of quiet clips vanish nor those of loud ones overflow.
    peaks = part.waveforms.abs().amax(dim=1, keepdim=True)
    scaled = part.waveforms / torch.where(peaks > 0, peaks, 1.0)
    window = torch.hann_window(OVERLAP * hop, device=scaled.device)
    spectra = _spectra(scaled, read, window)
    before = _spectra(scaled, read - turns[:, None], window)
    shifted = _move_bins(_turn(spectra, before), turns / hop)
    sounds = _add_frames(torch.fft.irfft(shifted, n=OVERLAP * hop), window, part, turns / hop)
    return part.replaced(sounds * peaks, lengths)


def hop_length(sr: int) -> int:
    """Give the samples between two frames.

    Parameters
    ----------
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    int
        A power of two; `OVERLAP` times as much is about `WINDOW_S` seconds.
    """
    return 2 ** max(4, round(math.log2(WINDOW_S * sr / OVERLAP)))


def _spectra(waveforms: Tensor, starts: Tensor, window: Tensor) -> Tensor:
    """Transform windows; (n_samples, n_frames, n_bins), phases as seen from each window's start."""
    return torch.fft.rfft(take_windows(waveforms, starts, len(window)).mul_(window))


def _turn(spectra: Tensor, before: Tensor) -> Tensor:
    """Give spectra the phases that follow from the first one's by the turns between the others."""
    turns = before.conj_physical_().mul_(spectra).add_(_TINY)
    # As seen from the middle of a window all bins of a partial have the same phase.
    turns[:, 0] = spectra[:, 0] * _alternating(spectra) + _TINY
    phases = torch.cumprod(turns.sgn_(), dim=1)
    powers = torch.addcmul(spectra.real.square(), spectra.imag, spectra.imag)
    # Bins of one partial drift apart where it begins; each follows the strongest beside it.
    votes = functional.pad(phases.mul_(powers), (1, 1))
    agreed = (votes[..., :-2] + votes[..., 1:-1]).add_(votes[..., 2:])
    return agreed.sgn_().mul_(powers.sqrt_())


def _move_bins(spectra: Tensor, ratios: Tensor) -> Tensor:
    """Move partials to `ratios` times their frequency, phases as seen from a window's middle.

    Past half the sampling rate there is nothing, so nothing folds back.
    """
    n_bins = spectra.shape[-1]
    if bool((ratios == 1).all()):
        return spectra.mul_(_alternating(spectra))
    # Between two bins the straight line; past the last one there is nothing.
    sources = torch.arange(n_bins) / ratios[:, None]
    below = sources.long().clamp_max(n_bins)
    shares = (sources - below).float().to(spectra.device, non_blocking=True)[:, None, :]
    padded = functional.pad(spectra, (0, 2))
    places = below.to(spectra.device, non_blocking=True)[:, None, :].expand_as(spectra)
    lower, upper = padded.gather(2, places), padded.gather(2, places + 1)
    moved = lower.add_((upper - lower).mul_(shares))
    # A partial that reaches over more bins would be louder by as much.
    scale = (1 / ratios).float().to(spectra.device, non_blocking=True)[:, None, None]
    return moved.mul_(scale * _alternating(spectra))


def _alternating(spectra: Tensor) -> Tensor:
    """Give the factors 1, -1, 1, ... that move the origin of phases by half a window."""
    signs = torch.ones(spectra.shape[-1], device=spectra.device)
    signs[1::2] = -1.0
    return signs


def _add_frames(frames: Tensor, window: Tensor, part: Batch, ratios: Tensor) -> Tensor:
    """Add windowed frames up where they overlap; (n_samples, n_timepoints)."""
    n_samples, n_frames, size = frames.shape
    hop = size // OVERLAP
    blocks = frames.mul_(window).view(n_samples, n_frames, OVERLAP, hop)
    # Moving bins apart makes what a frame holds shorter, and its sum with others uneven.
    times = torch.arange(size, device=window.device) - size // 2
    reach = (times * part.column(ratios) / size).clamp(-0.5, 0.5)
    gains = (window * torch.cos(torch.pi * reach).square()).view(n_samples, OVERLAP, hop).sum(dim=1)
    # The first block lies around the first sample, for windows are an odd number of hops long.
    n_blocks = n_frames - OVERLAP + 1
    added = blocks[:, OVERLAP - 1 :, 0] / gains[:, None]
    for i in range(1, OVERLAP):
        later = blocks[:, OVERLAP - 1 - i : OVERLAP - 1 - i + n_blocks, i]
        added.addcdiv_(later, gains[:, None])
    return added.view(n_samples, -1)[:, hop // 2 :]
