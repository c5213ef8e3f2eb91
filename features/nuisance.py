"""Descriptors of the recording rather than the source: level, loudness, bandwidth, flaws, length.

Conventions: one row; one column per frame or per segment (0.1 s). They serve audits, which ask
whether a label could be guessed from how the clips were made. Level, loudness and DC offset are
those of the clip as it was, before its level was normalised: full scale is a sample of 1.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from features.analysis import LOG_FLOOR, ClipAnalysis
from features.compiled import compiled

# Level in dBFS and loudness in LUFS that silence has: far below the noise of 16-bit recordings.
SILENCE_LEVEL = -120.0

# From Recommendation ITU-R BS.1770-4: length of a block, of which one ends with each segment; what
# brings a tone of 997 Hz to its level; the two gates on the way to the loudness of the whole.
BLOCK_S = 0.4
SEGMENTS_PER_BLOCK = 4
LOUDNESS_OFFSET = -0.691
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0

# Its filters at 48 kHz, a shelf for the head and a high-pass: taps on the input, on the output.
K_WEIGHTING_SR = 48000
K_WEIGHTING = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285),
    (1.0, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0),
    (1.0, -1.99004745483398, 0.99007225036621),
)

# The high-pass forgets 300 dB within it.
RUN_IN_S = 0.15

# 400 dB below the clip's level: keeps the filters' memory from numbers so small that processors
# are slow with them.
DITHER = 1e-20

# Power so far below the frame's peak is noise, of the recording or of a coder.
BANDWIDTH_RANGE = 1e-6

# Two steps of 16 bits below full scale: the negative limit is one step beyond the positive.
CLIPPING_MARGIN = 2.0**-14


def level_dbfs(analysis: ClipAnalysis) -> np.ndarray:
    """Level of each frame as it was recorded.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        ``20 log10 sqrt(mean_i x[i]^2)`` in dBFS: -3.01 for a sine of full scale, -120 in silence.
    """
    power = analysis.frame_sums[0] * (analysis.level.rms**2 / analysis.n_fft)
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (SILENCE_LEVEL / 10.0)))[np.newaxis]


def loudness_lufs(analysis: ClipAnalysis) -> np.ndarray:
    """Momentary loudness: of the 400 ms up to the end of each segment.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``-0.691 + 10 log10 mean_i z[i]^2`` in LUFS, with z the K-weighted clip; -120 in silence.
        At the beginning, where there are no 400 ms yet, of the first 400 ms; of the whole if the
        clip is shorter.

    Raises
    ------
    ValueError
        If the sampling rate is not above 3364 Hz, twice the corner of the K-weighting.

    Notes
    -----
    The filters that the recommendation lists for 48 kHz are turned into analogue ones and back by
    the bilinear transform, with their corners where they are.

    References
    ----------
    Recommendation ITU-R BS.1770-4 (2015). Algorithms to measure audio programme loudness and
    true-peak audio level.
    """
    level, sr = analysis.level, analysis.sr
    sections = _k_weighting(sr)
    if analysis.n_segments == 0:
        return np.empty((1, 0))
    segments, length = analysis.segment_range, analysis.segment_length
    stops = np.arange(segments.start + 1, segments.stop + 1) * length
    block_length = min(round(BLOCK_S * sr), level.n_timepoints)
    starts = np.maximum(np.minimum(stops, level.n_timepoints) - block_length, 0)
    origin = int(starts[0]) - round(RUN_IN_S * sr)
    samples = analysis.stretch(origin, int(starts[-1]) + block_length)
    power = _block_powers(samples, sections, starts - origin, block_length) * level.rms**2
    floor = 10.0 ** ((SILENCE_LEVEL - LOUDNESS_OFFSET) / 10.0)
    return (LOUDNESS_OFFSET + 10.0 * np.log10(np.maximum(power, floor)))[np.newaxis]


def integrated_loudness(momentary: np.ndarray) -> float:
    """Loudness of a whole clip: the mean of its blocks without the quiet ones.

    Parameters
    ----------
    momentary : np.ndarray of shape (n_segments,) or (1, n_segments)
        What `loudness_lufs` gives of the whole clip, in segments of 0.1 s.

    Returns
    -------
    float
        LUFS: the mean power of the blocks above -70 LUFS and less than 10 below the mean power of
        those. -120 if there are none.

    References
    ----------
    Recommendation ITU-R BS.1770-4 (2015). Algorithms to measure audio programme loudness and
    true-peak audio level.
    """
    blocks = np.asarray(momentary, dtype=np.float64).ravel()
    # Until 400 ms are over, all values are those of the first block.
    blocks = blocks[min(SEGMENTS_PER_BLOCK, len(blocks)) - 1 :]
    loud = blocks[blocks > ABSOLUTE_GATE]
    if len(loud) == 0:
        return SILENCE_LEVEL
    return _mean_level(loud[loud > _mean_level(loud) + RELATIVE_GATE])


def _mean_level(levels: np.ndarray) -> float:
    return float(10.0 * np.log10(np.mean(10.0 ** (levels / 10.0))))


@lru_cache(maxsize=16)
def _k_weighting(sr: int) -> np.ndarray:
    """Give the filters at any sampling rate, (2 filters, input and output, 3 taps)."""
    taps = np.array(K_WEIGHTING).reshape(2, 2, 3)
    b_0, b_1, b_2 = np.moveaxis(taps, -1, 0)
    # In c = (1 - 1/z) / (1 + 1/z), which is i tan(pi f / sr): the analogue filter.
    analogue = np.stack([b_0 + b_1 + b_2, 2.0 * (b_0 - b_2), b_0 - b_1 + b_2], axis=-1)
    corners = np.sqrt(analogue[:, 1, :1] / analogue[:, 1, 2:])
    corners_hz = np.arctan(corners) * K_WEIGHTING_SR / math.pi
    if 2.0 * corners_hz.max() >= sr:
        raise ValueError(
            f"loudness needs a sampling rate above {2.0 * corners_hz.max():.0f} Hz, got {sr}"
        )
    ratios = corners / np.tan(math.pi * corners_hz / sr)
    p_0, p_1, p_2 = np.moveaxis(analogue * ratios[:, np.newaxis] ** [0, 1, 2], -1, 0)
    digital = np.stack([p_0 + p_1 + p_2, 2.0 * (p_0 - p_2), p_0 - p_1 + p_2], axis=-1)
    return np.ascontiguousarray(digital / digital[:, 1:, :1])


@compiled
def _block_powers(
    samples: np.ndarray, sections: np.ndarray, starts: np.ndarray, length: int
) -> np.ndarray:
    """Filter samples by two second-order sections; give the mean square of each block."""
    b_0, b_1, b_2 = sections[0, 0]
    _, a_1, a_2 = sections[0, 1]
    d_0, d_1, d_2 = sections[1, 0]
    _, c_1, c_2 = sections[1, 1]
    squares = np.empty(len(samples))
    y_1, y_2, z_1, z_2 = 0.0, 0.0, 0.0, 0.0
    dither = DITHER
    for i in range(len(samples)):
        # Transposed direct form: the shortest way from one output to the next.
        dither = -dither
        x = samples[i] + dither
        y = b_0 * x + y_1
        y_1, y_2 = (b_1 * x + y_2) - a_1 * y, b_2 * x - a_2 * y
        z = d_0 * y + z_1
        z_1, z_2 = (d_1 * y + z_2) - c_1 * z, d_2 * y - c_2 * z
        squares[i] = z * z
    powers = np.zeros(len(starts))
    for s in range(len(starts)):
        block = squares[starts[s] :]
        for i in range(length):
            powers[s] += block[i]
        powers[s] /= length
    return powers


def bandwidth_hz(analysis: ClipAnalysis) -> np.ndarray:
    """Highest frequency with power: where a coder or a lower sampling rate has cut the sound off.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float32
        Hz: the last bin within 60 dB of the frame's peak, and not below -100 dB (`LOG_FLOOR`);
        0 in silence.
    """
    thresholds = np.maximum(analysis.peak_power * np.float64(BANDWIDTH_RANGE), LOG_FLOOR)
    bins = _last_bins(analysis.power, thresholds.astype(np.float32))
    return analysis.frequencies[bins][np.newaxis]


@compiled
def _last_bins(spectrum: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Give the last bin of each frame that reaches its threshold; 0 without one."""
    n_bins, n_frames = spectrum.shape
    last = np.zeros(n_frames, dtype=np.int32)
    for f in range(n_bins):
        for t in range(n_frames):
            last[t] = f if spectrum[f, t] >= thresholds[t] else last[t]
    return last


def dc_offset(analysis: ClipAnalysis) -> np.ndarray:
    """Mean of each segment.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        Of full scale; 0 in silence.
    """
    offsets = analysis.segments.mean(axis=1, dtype=np.float64) * analysis.level.rms
    # Contours become float32, which has no room for the offsets of a vanishing clip.
    return np.where(np.abs(offsets) > np.finfo(np.float32).tiny, offsets, 0.0)[np.newaxis]


def clipped_share(analysis: ClipAnalysis) -> np.ndarray:
    """Share of samples that stand still at the clip's peak.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        Share of the segment's samples in runs of two or more equal ones within two 16-bit steps
        (0.0005 dB) of the clip's largest absolute value; 0 in silence, 1 for a constant.
    """
    peak = analysis.level.peak * analysis.level.gain
    return _standing_shares(analysis.segments, peak * (1.0 - CLIPPING_MARGIN))[np.newaxis]


@compiled
def _standing_shares(segments: np.ndarray, threshold: float) -> np.ndarray:
    """Give the share of samples at or beyond the threshold and equal to a neighbour."""
    n_segments, length = segments.shape
    shares = np.zeros(n_segments)
    if threshold <= 0.0:
        return shares
    for s in range(n_segments):
        inner, before, after = segments[s, 1:], segments[s], segments[s, 2:]
        count = 0
        for i in range(length - 2):
            equal = (inner[i] == before[i]) | (inner[i] == after[i])
            count += (abs(inner[i]) >= threshold) & equal
        count += (abs(before[0]) >= threshold) & (before[0] == inner[0])
        last, last_but_one = before[length - 1], before[length - 2]
        count += (abs(last) >= threshold) & (last == last_but_one)
        shares[s] = count / length
    return shares


def duration(analysis: ClipAnalysis) -> np.ndarray:
    """Length of the clip.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        Seconds: the same in every frame.
    """
    return np.full((1, analysis.n_frames), analysis.level.n_timepoints / analysis.sr)
