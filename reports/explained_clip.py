"""A clip that networks have explained: what is drawn of it, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.spectrogram import hz_to_mel


@dataclass(frozen=True)
class ExplainedLabel:
    """Where networks find a label in a clip.

    Parameters
    ----------
    label : str
        The label.
    probability : float
        What they give it.
    heat : np.ndarray of shape (n_bands, n_frames), or None
        From 0 to 1; None where there are no maps to make it of.
    attention : np.ndarray of shape (n_weights, n_frames), or None
        Multiples of the even weight; None where no step weighs more than another.
    """

    label: str
    probability: float
    heat: np.ndarray | None
    attention: np.ndarray | None


@dataclass(frozen=True)
class ExplainedClip:
    """A clip with what networks say of it.

    Parameters
    ----------
    clip_id : str
        Its name.
    waveform : np.ndarray of shape (n_timepoints,), float32
        Its sound.
    sr : int
        Sampling rate in Hz.
    hop_s, first_s : float
        Seconds between frames, and the middle of the first.
    band_hz : np.ndarray of shape (n_bands,) or None
        Middle of each band in Hz; None where bands are no frequencies.
    networks : str
        Which networks speak, and whether they know the clip.
    truth : sequence of str or None
        Its labels; None where they are not known.
    labels : sequence of ExplainedLabel
        What is explained.
    """

    clip_id: str
    waveform: np.ndarray
    sr: int
    hop_s: float
    first_s: float
    band_hz: np.ndarray | None
    networks: str
    truth: Sequence[str] | None
    labels: Sequence[ExplainedLabel]


def check_explained(clip: ExplainedClip, explained: ExplainedLabel) -> None:
    """Make sure that the arrays of a label can be drawn.

    Parameters
    ----------
    clip : ExplainedClip
        The clip.
    explained : ExplainedLabel
        One of its labels.

    Raises
    ------
    ValueError
        If arrays don't belong together, or there is neither heat nor attention; all at once.
    """
    problems = []
    if explained.heat is None and explained.attention is None:
        problems.append("there must be heat or attention, got neither")
    for name, array in (("heat", explained.heat), ("attention", explained.attention)):
        if array is not None and (
            array.ndim != 2 or not array.size or not np.isfinite(array).all()
        ):
            problems.append(f"{name} must be finite with two axes, got shape {array.shape}")
    if explained.heat is not None and clip.band_hz is not None:
        n_bands = len(clip.band_hz)
        if len(explained.heat) != n_bands:
            problems.append(f"heat must have a row for each of {n_bands} bands, got "
                            f"{len(explained.heat)}")  # fmt: skip
    if clip.waveform.ndim != 1 or not clip.waveform.size:
        problems.append(f"waveform must have one axis and samples, got {clip.waveform.shape}")
    if problems:
        raise ValueError(f"{clip.clip_id}, {explained.label}: {'; '.join(problems)}")


def describe_truth(truth: Sequence[str] | None) -> str:
    """Say what a clip's labels are.

    Parameters
    ----------
    truth : sequence of str or None
        The labels; None where they are not known.

    Returns
    -------
    str
        For a title.
    """
    if truth is None:
        return "not known"
    return ", ".join(sorted(truth)) or "none of the labels"


def lay_over(heat: np.ndarray, clip: ExplainedClip, *, shape: tuple[int, int]) -> np.ndarray:
    """Give heat at the bands and columns of a spectrogram of the clip.

    Parameters
    ----------
    heat : np.ndarray of shape (n_bands, n_frames)
        At the frames that the network saw.
    clip : ExplainedClip
        Tells when they are, and what its bands are in Hz.
    shape : (int, int)
        Bands, evenly spaced in mel from 0 Hz to half the sampling rate, and columns.

    Returns
    -------
    np.ndarray of that shape
        Interpolated; NaN in bands that the network did not hear. Where its bands are no
        frequencies, the mean over them, in the same scale from 0 to 1, in all bands.
    """
    n_rows, n_columns = shape
    seconds = (np.arange(n_columns) + 0.5) * len(clip.waveform) / clip.sr / n_columns
    places = (seconds - clip.first_s) / clip.hop_s
    frames = np.arange(heat.shape[1])
    if clip.band_hz is None:
        mean = heat.mean(axis=0)
        over_time = np.interp(places, frames, mean / (mean.max() or 1.0))
        return np.tile(over_time, (n_rows, 1))
    timed = np.array([np.interp(places, frames, band) for band in heat])
    # Learned bands need not lie in order.
    order = np.argsort(clip.band_hz)
    bands = np.asarray(hz_to_mel(np.asarray(clip.band_hz)[order]))
    middles = band_mels(n_rows, clip.sr)
    laid = np.array([np.interp(middles, bands, column) for column in timed[order].T]).T
    # A band reaches some way beyond its middle: about as far as half way to the next.
    step = (bands[-1] - bands[0]) / max(len(bands) - 1, 1) / 2 + middles[0]
    laid[(middles < bands[0] - step) | (middles > bands[-1] + step)] = np.nan
    return laid


def band_mels(n_bands: int, sr: int) -> np.ndarray:
    """Give the middles of bands evenly spaced in mel from 0 Hz to half the sampling rate.

    Parameters
    ----------
    n_bands : int
        Bands.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    np.ndarray of shape (n_bands,)
        In mel.
    """
    return np.linspace(0.0, float(hz_to_mel(sr / 2)), n_bands + 2)[1:-1]
