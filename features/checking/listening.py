"""Whether two clips are one sound: their waveforms, laid upon one another.

Two takes of a note have the same partials, but not for long the same phases: their correlation
rarely passes 0.95, and shifting one by a period changes it little. Copies, whatever codec, gain or
sampling rate lies between them, correlate better than 0.98 at one lag, and at no other so well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np
import pandas as pd
import scipy.fft
from threadpoolctl import threadpool_limits

from features.audio import AudioDecodeError, Clip, load_audio, resample
from features.remote import local_copy

# Hz: what lies below half of it, all copies have.
SR = 8_000
# Between samples: at 4 kHz half a sample is a quarter of a period.
OVERSAMPLING = 4

# Of longer clips this much of what they have in common is heard, and this much around it.
MAX_HEARD_S, AROUND_S = 10.0, 1.0

# Clips must have this much in common, and as much of the power of one of them.
MIN_COMMON_S, MIN_COMMON_SHARE = 0.1, 0.5

# What copies have: a correlation of at least the first number, while what is left to 1 is at most
# the second times what is left at the next best lag. A steady tone fits again after each period;
# noisy sounds lose more in lossy coding, but fit nowhere else. Of 1,487 notes and their copies,
# different takes reach 0.989 where the second is below 0.85; 0.979 but for ends of 0.2 s.
COPIES = ((0.999, 1.0), (0.995, 0.85), (0.98, 1.0 / 3.0))

# Pairs heard by a worker at a time.
BATCH = 64

# Beside rounding of the sums.
_NO_POWER = 1e-12


@dataclass(frozen=True)
class Match:
    """How two waveforms fit best.

    Parameters
    ----------
    correlation : float
        At the best lag, of all that they have in common there: 1 for copies that differ in gain.
    lag_s : float
        How much later the same sound comes in the left one.
    next_correlation : float
        At the best of all other peaks over lags.
    """

    correlation: float
    lag_s: float
    next_correlation: float

    @property
    def is_copy(self) -> bool:
        """Whether the two are one sound."""
        rest, next_rest = 1.0 - self.correlation, 1.0 - self.next_correlation
        return any(self.correlation >= least and rest <= most * next_rest for least, most in COPIES)


NO_MATCH = Match(0.0, 0.0, 0.0)
"""Of waveforms of which one is silent or too short."""


def match_waveforms(left: np.ndarray, right: np.ndarray, *, sr: int) -> Match:
    """Find the lag at which two waveforms correlate best.

    Parameters
    ----------
    left, right : np.ndarray of shape (n_timepoints,), float32
        The waveforms.
    sr : int
        Their sampling rate in Hz.

    Returns
    -------
    Match
        With the normalised cross-correlation
        ``sum_t l[t + lag] r[t] / sqrt(sum_t l[t + lag]^2 sum_t r[t]^2)``, each sum over the common
        time at that lag.
    """
    # Where there is no sound but an offset of the recorder, all clips would be alike.
    left, right = left - left.mean(), right - right.mean()
    lags = np.arange(1 - len(right), len(left))
    starts, stops = np.maximum(lags, 0), np.minimum(len(left), len(right) + lags)
    left_power, right_power = _running_power(left), _running_power(right)
    if min(left_power[-1], right_power[-1]) <= _NO_POWER:
        return NO_MATCH
    in_left = left_power[stops] - left_power[starts]
    in_right = right_power[stops - lags] - right_power[starts - lags]
    share = np.maximum(in_left / left_power[-1], in_right / right_power[-1])
    enough = (stops - starts >= MIN_COMMON_S * sr) & (share >= MIN_COMMON_SHARE)
    enough &= np.minimum(in_left, in_right) > _NO_POWER
    scale = enough / np.sqrt(np.where(enough, in_left * in_right, 1.0))
    correlation = _products(left, right) * np.repeat(scale, OVERSAMPLING)
    best = int(correlation.argmax())
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]))
    others = correlation[peaks[peaks != best]]
    lag = lags[0] + (best - OVERSAMPLING // 2) / OVERSAMPLING
    return Match(
        float(min(correlation[best], 1.0)), float(lag / sr), float(others.max(initial=0.0))
    )


def _products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Give sums of products at all lags, ascending: `OVERSAMPLING` around each whole one."""
    n = scipy.fft.next_fast_len(len(left) + len(right), real=True)
    cross = scipy.fft.rfft(left, n) * np.conj(scipy.fft.rfft(right, n))
    products = scipy.fft.irfft(cross, n * OVERSAMPLING) * OVERSAMPLING
    # Negative lags lie at the end of the transform.
    before = (len(right) - 1) * OVERSAMPLING + OVERSAMPLING // 2
    after = (len(left) - 1) * OVERSAMPLING + OVERSAMPLING // 2
    return np.concatenate([products[-before:], products[:after]])


def _running_power(waveform: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(waveform.astype(np.float64) ** 2)])


def match_clips(
    left: Clip,
    right: Clip,
    *,
    lag_s: float,
    moment_s: float,
    durations_s: tuple[float, float],
) -> Match:
    """Decode two clips, or parts of long ones, and find how they fit.

    Parameters
    ----------
    left, right : Clip
        The excerpts.
    lag_s : float
        About how much later the same sound comes in the left one.
    moment_s : float
        A moment of the left one that both have; of long clips, what lies around it is heard.
    durations_s : tuple of float
        Their lengths.

    Returns
    -------
    Match
        At the lag between the two clips.

    Raises
    ------
    AudioDecodeError
        If one of them cannot be decoded any more.
    """
    parts, offset_s = [left, right], 0.0
    if max(durations_s) > MAX_HEARD_S:
        parts, offset_s = _common_parts(left, right, lag_s, moment_s, durations_s)
    (left_waveform, left_sr), (right_waveform, right_sr) = (_decode(part) for part in parts)
    sr = min(SR, left_sr, right_sr)
    match = match_waveforms(
        resample(left_waveform, from_sr=left_sr, to_sr=sr),
        resample(right_waveform, from_sr=right_sr, to_sr=sr),
        sr=sr,
    )
    return replace(match, lag_s=match.lag_s + offset_s)


def _common_parts(
    left: Clip, right: Clip, lag_s: float, moment_s: float, durations_s: tuple[float, float]
) -> tuple[list[Clip], float]:
    """Give parts of what two clips have in common, and how much later the left one begins."""
    first, last = max(lag_s, 0.0), min(durations_s[0], durations_s[1] + lag_s)
    start = max(min(moment_s - MAX_HEARD_S / 2.0, last - MAX_HEARD_S), first)
    end = min(start + MAX_HEARD_S, last)
    # The left part reaches beyond the right one on both sides: the lag is known roughly.
    left_start, left_end = max(start - AROUND_S, 0.0), min(end + AROUND_S, durations_s[0])
    right_start, right_end = max(start - lag_s, 0.0), min(end - lag_s, durations_s[1])
    parts = [_part(left, left_start, left_end), _part(right, right_start, right_end)]
    return parts, left_start - right_start


def _part(clip: Clip, start_s: float, end_s: float) -> Clip:
    origin = clip.start_s or 0.0
    return Clip(clip.path, origin + start_s, origin + end_s)


def _decode(clip: Clip) -> tuple[np.ndarray, int]:
    with local_copy(clip.path) as path:
        return load_audio(path, start_s=clip.start_s, end_s=clip.end_s)


def match_pairs(
    clips: Sequence[Clip],
    durations_s: np.ndarray,
    suspects: pd.DataFrame,
    *,
    n_jobs: int | None = None,
) -> list[Match | None]:
    """Listen to pairs of clips.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    durations_s : np.ndarray of shape (n_samples,)
        Their lengths.
    suspects : pd.DataFrame
        What `features.checking.suspects.find_suspects` gives.
    n_jobs : int or None
        Worker processes, as in `features.extraction.extract_table`.

    Returns
    -------
    list of Match or None
        One a pair; None where a clip can no longer be decoded.
    """
    columns = (suspects[name].tolist() for name in ("left", "right", "lag_s", "moment_s"))
    pairs = [
        (
            clips[left],
            clips[right],
            {
                "lag_s": lag_s,
                "moment_s": moment_s,
                "durations_s": (float(durations_s[left]), float(durations_s[right])),
            },
        )
        for left, right, lag_s, moment_s in zip(*columns, strict=True)
    ]
    batches = [pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH)]
    if joblib.effective_n_jobs(n_jobs or 1) == 1 or len(batches) < 2:
        found = map(_match_batch, batches)
    else:
        found = joblib.Parallel(n_jobs=n_jobs)(map(joblib.delayed(_match_batch), batches))
    return [match for batch in found for match in batch]


def _match_batch(pairs: Sequence[tuple[Clip, Clip, dict[str, Any]]]) -> list[Match | None]:
    found: list[Match | None] = []
    with threadpool_limits(limits=1):
        for left, right, settings in pairs:
            try:
                found.append(match_clips(left, right, **settings))
            except (AudioDecodeError, OSError):
                found.append(None)
    return found
