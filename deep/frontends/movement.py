"""How far a frontend's windows and kernels have moved since training began, as numbers.

A filter is what the sound meets: a kernel times its window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from deep.frontends.frontend import Frontend
from deep.frontends.learnable_stft import LearnableStftFrontend
from deep.frontends.sinc import SAMPLES, SincFrontend

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class LearnedFilters:
    """Windows and kernels of a frontend: as they were at the start, and as they are.

    Parameters
    ----------
    sr : int
        Sampling rate in Hz.
    windows : tuple of two np.ndarray of shape (n_stfts, n_timepoints), or None
        Before and after; None where the kernels hold it all.
    kernels : tuple of two np.ndarray of shape (n_stfts, n_kernels, n_timepoints), complex64
        Before and after; without imaginary part where there is no magnitude.
    """

    sr: int
    windows: Pair | None
    kernels: Pair

    @property
    def frequencies_hz(self) -> np.ndarray:
        """Frequencies that `responses` are of, in Hz, from 0 to half the sampling rate."""
        return np.linspace(0, self.sr / 2, self.kernels[0].shape[2] + 1)

    def responses(self) -> Pair:
        """Compute how strongly each filter responds to each frequency.

        A sinusoid meets a complex filter by its positive and by its negative frequency at once:
        ``0.5 * sqrt(|H(f)| ** 2 + |H(-f)| ** 2)``, where ``H`` is the filter's Fourier transform.

        Returns
        -------
        tuple of two np.ndarray of shape (n_stfts, n_kernels, n_frequencies), float32
            Before and after: root mean square magnitude of the output for a sinusoid of
            amplitude one, at `frequencies_hz`.
        """
        before, after = (_respond(filters) for filters in self._filters())
        return before, after

    def as_table(self) -> pd.DataFrame:
        """Tell of each window and kernel how far it has moved.

        Returns
        -------
        DataFrame
            ``stft`` and ``number`` count from one; ``part`` is ``"window"`` or ``"kernel"``;
            ``change`` is the Euclidean norm of the change and ``relative`` that over the norm
            before; ``peak_before_hz`` and ``peak_after_hz`` are the frequencies in Hz that a
            kernel times its window responds to most, not a number for windows.
        """
        parts = []
        if self.windows is not None:
            parts.append(_changes("window", *(each[:, None, :] for each in self.windows)))
        before, after = (
            self.frequencies_hz[responses.argmax(axis=2)].ravel() for responses in self.responses()
        )
        kernels = _changes("kernel", *self.kernels)
        parts.append(kernels.assign(peak_before_hz=before, peak_after_hz=after))
        return pd.concat(parts, ignore_index=True)

    def _filters(self) -> Pair:
        if self.windows is None:
            return self.kernels
        before, after = (
            kernels * windows[:, None, :]
            for kernels, windows in zip(self.kernels, self.windows, strict=True)
        )
        return before, after


def read_filters(frontend: Frontend) -> LearnedFilters:
    """Read windows and kernels off a frontend that may have learned some.

    Parameters
    ----------
    frontend : Frontend
        ``learnable-stft`` or ``sinc``, trained or not.

    Returns
    -------
    LearnedFilters
        Arrays of its own.

    Raises
    ------
    ValueError
        If the frontend has nothing to learn.
    """
    if isinstance(frontend, LearnableStftFrontend):
        start = frontend.start_kernels.expand_as(frontend.kernels)
        return LearnedFilters(
            sr=frontend.sr,
            windows=(_array(frontend.start_windows), _array(frontend.windows)),
            kernels=(_complex(start, axis=1), _complex(frontend.kernels, axis=1)),
        )
    if isinstance(frontend, SincFrontend):
        found = [_complex(frontend.filters(start=start)[None], axis=1) for start in (True, False)]
        # Without a magnitude nobody listens to the sines.
        before, after = found if frontend.scale != SAMPLES else [each.real + 0j for each in found]
        return LearnedFilters(sr=frontend.sr, windows=None, kernels=(before, after))
    raise ValueError(
        "only the frontends 'learnable-stft' and 'sinc' learn filters, got "
        f"{type(frontend).__name__}"
    )


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy().copy()


def _complex(values: Tensor, *, axis: int) -> np.ndarray:
    real, imaginary = np.moveaxis(_array(values), axis, 0)
    return (real + 1j * imaginary).astype(np.complex64)


def _respond(filters: np.ndarray) -> np.ndarray:
    """Give responses at one frequency more than a filter has samples."""
    size = filters.shape[-1]
    power = np.abs(np.fft.fft(filters, n=2 * size)) ** 2
    # Negative frequencies stand at the end, in falling order.
    mirrored = power[..., -np.arange(size + 1)]
    return (0.5 * np.sqrt(power[..., : size + 1] + mirrored)).astype(np.float32)


def _changes(part: str, before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    """Give a row for each vector of arrays of shape (n_stfts, n_vectors, n_timepoints)."""
    stfts, numbers = np.indices(before.shape[:2]) + 1
    change = np.linalg.norm(after - before, axis=2)
    relative = change / np.linalg.norm(before, axis=2)
    return pd.DataFrame(
        {
            "stft": stfts.ravel(),
            "part": part,
            "number": numbers.ravel(),
            "change": change.ravel(),
            "relative": relative.ravel(),
        }
    )
