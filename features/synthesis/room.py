"""A synthetic room and microphone: reverberation, colour, background noise.

The room is an impulse response of exponentially decaying noise (J. A. Moorer, About This
Reverberation Business, Computer Music Journal 3(2), 1979), duller the later it arrives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import lfilter

# Below 62 Hz and above 8 kHz a tilt stays level: three octaves either side of 500 Hz and more.
TILT_CENTRE_HZ, TILT_OCTAVES = 707.0, 3.5

# Below the hearing range no microphone takes up what soundfonts' samples carry: a constant offset
# that differs from one instrument to the next.
MICROPHONE_CORNER_HZ = 20.0


@dataclass(frozen=True, slots=True)
class Room:
    """Where a clip was recorded, and through what.

    Parameters
    ----------
    rt60_s : float
        Time in which the reverberation falls by 60 dB, in seconds.
    wet_db : float
        Level of the reverberation against the direct sound.
    predelay_s : float
        How much later it arrives.
    damping_hz : float
        Corner of the low-pass that the walls are.
    tilt_db : float
        Colour of the microphone, in dB per octave.
    seed : int
        Which of the rooms of this kind.
    """

    rt60_s: float
    wet_db: float
    predelay_s: float
    damping_hz: float
    tilt_db: float
    seed: int

    def impulse_response(self, sr: int) -> np.ndarray:
        """Give the reverberation alone, without the direct sound.

        Parameters
        ----------
        sr : int
            Sampling rate in Hz.

        Returns
        -------
        np.ndarray of shape (n_timepoints,), float32
            Its energy is `wet_db` against a unit impulse.
        """
        times = np.arange(max(1, round(self.rt60_s * sr)), dtype=np.float32) / sr
        noise = np.random.default_rng(self.seed).standard_normal(len(times), dtype=np.float32)
        reverberation = low_pass(noise, cutoff_hz=self.damping_hz, sr=sr)
        reverberation *= np.exp(times * np.float32(-3 * np.log(10) / self.rt60_s))
        energy = float(np.dot(reverberation, reverberation))
        reverberation *= np.float32(10 ** (self.wet_db / 20) / np.sqrt(energy))
        return np.concatenate([np.zeros(round(self.predelay_s * sr), np.float32), reverberation])


def draw_room(rng: np.random.Generator) -> Room:
    """Draw a room between a dry studio and a hall.

    Parameters
    ----------
    rng : np.random.Generator
        Source of randomness.

    Returns
    -------
    Room
        Reverberation of 0.15 to 1.5 s.
    """
    return Room(
        rt60_s=round(float(np.exp(rng.uniform(np.log(0.15), np.log(1.5)))), 3),
        wet_db=round(float(rng.uniform(-20, -8)), 2),
        predelay_s=round(float(rng.uniform(0.002, 0.03)), 4),
        damping_hz=round(float(rng.uniform(2000, 7000)), 1),
        tilt_db=round(float(rng.uniform(-0.75, 0.75)), 2),
        seed=int(rng.integers(2**32)),
    )


def record(waveform: np.ndarray, room: Room, *, sr: int) -> np.ndarray:
    """Play a waveform in a room and take up what its microphone hears.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        The dry sound.
    room : Room
        Where it sounds.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    np.ndarray of shape (n_timepoints,)
        As long as the waveform; what still reverberates is cut off.
    """
    transfer, n_fft = _transfer(room, len(waveform), sr)
    return irfft(rfft(waveform, n_fft) * transfer, n_fft)[: len(waveform)]


@lru_cache(maxsize=2)
def _transfer(room: Room, n_timepoints: int, sr: int) -> tuple[np.ndarray, int]:
    """Spectrum of a room and its microphone, kept while a song is played in it."""
    # What comes later than the waveform is long is never heard.
    response = room.impulse_response(sr)[:n_timepoints]
    n_fft = next_fast_len(n_timepoints + len(response) - 1, real=True)
    frequencies = np.arange(n_fft // 2 + 1, dtype=np.float32) * np.float32(sr / n_fft)
    octaves = np.log2(np.maximum(frequencies, 1.0) / np.float32(TILT_CENTRE_HZ))
    tilt_per_octave = np.float32(room.tilt_db * np.log(10) / 20)
    tilt = np.exp(np.clip(octaves, -TILT_OCTAVES, TILT_OCTAVES) * tilt_per_octave)
    turned = np.complex64(1j) * frequencies
    high_pass = turned / (turned + np.float32(MICROPHONE_CORNER_HZ))
    return tilt * high_pass * (1 + rfft(response, n_fft)), n_fft


def make_noise(
    n_timepoints: int, rng: np.random.Generator, *, cutoff_hz: float, sr: int
) -> np.ndarray:
    """Make background noise: white, falling by 6 dB an octave above a corner.

    Parameters
    ----------
    n_timepoints : int
        Length.
    rng : np.random.Generator
        Source of randomness.
    cutoff_hz : float
        The corner in Hz.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    np.ndarray of shape (n_timepoints,), float32
        Of root mean square 1.
    """
    white = rng.standard_normal(n_timepoints, dtype=np.float32)
    noise = low_pass(white, cutoff_hz=cutoff_hz, sr=sr)
    return noise / np.sqrt((noise**2).mean())


def low_pass(waveform: np.ndarray, *, cutoff_hz: float, sr: int) -> np.ndarray:
    """Filter with one pole.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        Any sound.
    cutoff_hz : float
        Where the response is 3 dB down, in Hz.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    np.ndarray of shape (n_timepoints,)
        The filtered sound, as precise as the waveform.
    """
    pole = np.exp(-2 * np.pi * min(cutoff_hz, 0.45 * sr) / sr)
    coefficients = np.array([[1 - pole, 0], [1, -pole]], dtype=waveform.dtype)
    return lfilter(*coefficients, waveform)
