"""Explaining a clip as it is predicted: window by window, what overlaps averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from deep.backbones.network import AudioNetwork
from deep.explanation.frame_times import measure_frames
from deep.inference import reproducible_arithmetic
from deep.windows import covering_windows

# From the frames of one window, of shape (1, n_channels, n_bands, n_frames), and their number, to
# values of shape (n_rows, n_frames).
Explain = Callable[[Tensor, Tensor], np.ndarray]


def explain_windows(
    network: AudioNetwork, waveform: np.ndarray, explain: Explain, *, max_length: int
) -> np.ndarray:
    """Explain the windows that a clip's prediction is the mean of, and join what is found.

    Parameters
    ----------
    network : AudioNetwork
        Put into evaluation mode.
    waveform : np.ndarray of shape (n_timepoints,), float32
        The clip at the frontend's sampling rate.
    explain : callable
        Called as ``explain(frames, n_frames)`` with the frames of one window, of shape
        (1, n_channels, n_bands, n_frames), that may have gradients; gives an array of shape
        (n_rows, n_frames), not a number where the window tells nothing of a frame.
    max_length : int
        Longest window in samples.

    Returns
    -------
    np.ndarray of shape (n_rows, n_frames), float64
        The mean over the windows that tell of a frame, 0 where none does; frames of the whole
        clip, without those of the silence that continues a clip which is too short.

    Raises
    ------
    ValueError
        If the clip has no samples.
    """
    if not len(waveform):
        raise ValueError("a clip that is explained must have samples, got none")
    times = measure_frames(network.frontend)
    with _gradients(network):
        placed = [
            (round(start / times.hop_length), explain(*_frames(network, waveform[start:stop])))
            for start, stop in covering_windows(len(waveform), max_length)
        ]
    total = np.zeros((len(placed[0][1]), times.count(len(waveform))))
    counts = np.zeros_like(total)
    for first, found in placed:
        # Rounding may put a window's last frame behind the clip's.
        found = found[:, : total.shape[1] - first]
        where = slice(first, first + found.shape[1])
        total[:, where] += np.nan_to_num(found)
        counts[:, where] += ~np.isnan(found)
    return total / np.maximum(counts, 1)


def _frames(network: AudioNetwork, waveform: np.ndarray) -> tuple[Tensor, Tensor]:
    device = next(network.parameters()).device
    waveforms = torch.from_numpy(np.array(waveform, dtype=np.float32))[None].to(device)
    with torch.no_grad():
        frames, n_frames = network.frames(waveforms, torch.tensor([len(waveform)]))
    # Gradients must flow also where all weights are frozen.
    return frames[..., : int(n_frames)].detach().requires_grad_(), n_frames


@contextmanager
def _gradients(network: AudioNetwork) -> Iterator[None]:
    """Let gradients flow through a network that is not trained."""
    network.eval()
    with (
        reproducible_arithmetic(),
        # cuDNN's recurrent layers have no gradient in evaluation mode.
        torch.backends.cudnn.flags(enabled=False),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        yield
