"""When the frames of a frontend are, and what its bands are in Hz."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from deep.frontends.frontend import Frontend
from deep.frontends.learnable_stft import LearnableStftFrontend
from deep.frontends.log_mel import LogMelFrontend
from deep.frontends.sinc import SincFrontend

# Over so many frames the time between two is measured: no rounding of a single one counts.
_SPAN = 100


@dataclass(frozen=True)
class FrameTimes:
    """Frames that are evenly spaced, as told by how many samples a number of them needs.

    Parameters
    ----------
    hop_length : float
        Samples between frames.
    reach : float
        Samples that the first frame needs: none where frames are centred and reach beyond the
        ends, a window where they begin with the clip.
    sr : int
        Sampling rate in Hz.
    """

    hop_length: float
    reach: float
    sr: int

    @property
    def hop_s(self) -> float:
        """Seconds between frames."""
        return self.hop_length / self.sr

    @property
    def first_s(self) -> float:
        """Middle of the first frame in seconds."""
        return self.reach / 2 / self.sr

    def count(self, length: int) -> int:
        """Count the frames of a clip.

        Parameters
        ----------
        length : int
            Samples of the clip.

        Returns
        -------
        int
            At least one: a shorter clip is continued by silence.
        """
        return max(1, 1 + int((length - self.reach) // self.hop_length))


def measure_frames(frontend: Frontend) -> FrameTimes:
    """Find when the frames of a frontend are.

    Parameters
    ----------
    frontend : Frontend
        Tells how many samples a number of frames needs.

    Returns
    -------
    FrameTimes
        Of clips at its sampling rate.

    Examples
    --------
    >>> times = measure_frames(LogMelFrontend(sr=22050, hop_length=512))
    >>> times.hop_length, times.reach, times.count(22050)
    (512.0, 0.0, 44)
    """
    # From two frames on: a single one always needs a sample.
    two = frontend.min_timepoints(2)
    hop_length = (frontend.min_timepoints(2 + _SPAN) - two) / _SPAN
    return FrameTimes(hop_length, two - hop_length, frontend.sr)


@singledispatch
def find_band_hz(frontend: Frontend) -> np.ndarray | None:
    """Give the middle of each band of a frontend, if its bands are frequencies.

    Parameters
    ----------
    frontend : Frontend
        One whose attribute ``band_hz`` tells, or a log-mel, learnable STFT or sinc frontend.

    Returns
    -------
    np.ndarray of shape (n_bands,) or None
        Frequencies in Hz; None where bands are something else, such as cepstral coefficients.
    """
    band_hz = getattr(frontend, "band_hz", None)
    return None if band_hz is None else np.asarray(band_hz, dtype=float)


@find_band_hz.register
def _of_log_mel(frontend: LogMelFrontend) -> np.ndarray:
    return _middles(frontend.filters.cpu().numpy(), frontend.sr)


@find_band_hz.register
def _of_stft(frontend: LearnableStftFrontend) -> np.ndarray:
    if frontend.filters is None:
        return np.linspace(0, frontend.sr / 2, frontend.n_bands)
    return _middles(frontend.filters.cpu().numpy(), frontend.sr)


@find_band_hz.register
def _of_sinc(frontend: SincFrontend) -> np.ndarray:
    return frontend.edges_hz().detach().mean(dim=0).cpu().numpy()


def _middles(filters: np.ndarray, sr: int) -> np.ndarray:
    """Give the mean frequency of filters of shape (n_bands, n_bins); a filter may be empty."""
    bins_hz = np.linspace(0, sr / 2, filters.shape[1])
    total = filters.sum(axis=1)
    filled = total > 0
    middles = (filters @ bins_hz)[filled] / total[filled]
    places = np.arange(len(filters))
    return np.interp(places, places[filled], middles)
