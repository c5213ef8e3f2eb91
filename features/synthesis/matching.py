"""Which sounds may meet in a mix: all, those of one genre or key, of consonant pitch or one tempo.

A match is measured once of each clip, as a number, and tells of two numbers whether their clips go
together. Where nothing can be measured (noise has no pitch) the number is NaN, and nothing matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from features.analysis import BLOCK_FRAMES, ClipAnalysis
from features.functionals import pulse
from features.pitch import LEAST_VOICING, yin
from features.spectral import onset_strength
from features.temporal import rms
from features.tonal import chroma_cqt

# In Hz; what the pulse's periods and the pitch's range are made for.
MATCHING_SR = 22_050
HOP_LENGTH = 512

# Ratings of how well the twelve pitch classes fit a key of C, major and minor.
KEY_PROFILES = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)

# A correlation of twelve values that chance passes one time in twenty.
LEAST_CORRELATION = 0.576

# A0 to C8, the piano's range.
LOWEST_HZ, HIGHEST_HZ = 27.5, 4186.0

# Semitones, octaves apart or not: unison, thirds, fourth, fifth, sixths.
CONSONANCES = (0, 3, 4, 5, 7, 8, 9)

# A frame so far below the loudest (40 dB) is the sound's tail, or the room's.
AUDIBLE = 1e-2

# A period of the onsets must stand out of what noise has by three standard errors.
STANDARD_ERRORS = 3.0

# Two tempi are the same within 4 per cent.
TEMPO_TOLERANCE = 0.04


@dataclass(frozen=True)
class Match:
    """A way in which clips go together.

    Parameters
    ----------
    measure : callable or None
        From a waveform at `MATCHING_SR` to a number, NaN where there is none; None where the sound
        need not be known.
    agree : callable
        From a number, and numbers of shape (n_clips,), to whether they go together, (n_clips,).
    """

    measure: Callable[[np.ndarray], float] | None
    agree: Callable[[float, np.ndarray], np.ndarray]


def estimate_key(waveform: np.ndarray) -> float:
    """Estimate the key.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        One channel at `MATCHING_SR`.

    Returns
    -------
    float
        0 for C major to 11 for B major, 12 for C minor to 23 for B minor; NaN where no key's
        profile has a correlation of 0.576 with the pitch classes.

    Notes
    -----
    The strengths of the pitch classes in the constant-Q transform, averaged over frames by level,
    are correlated with the profiles of all keys; the largest correlation tells.

    References
    ----------
    Krumhansl, C. L. (1990). Cognitive Foundations of Musical Pitch. Oxford University Press. The
    profiles are those of Krumhansl and Kessler (1982), Psychological Review 89(4).
    """
    strengths = _contours(waveform, lambda block: chroma_cqt(block) * rms(block)).mean(axis=1)
    if np.ptp(strengths) == 0.0:
        return np.nan
    profiles = np.array([np.roll(profile, k) for profile in KEY_PROFILES for k in range(12)])
    correlations = np.corrcoef(strengths, profiles)[0, 1:]
    best = int(correlations.argmax())
    return float(best) if correlations[best] >= LEAST_CORRELATION else np.nan


def estimate_pitch(waveform: np.ndarray) -> float:
    """Estimate the pitch of a clip that has one.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        One channel at `MATCHING_SR`.

    Returns
    -------
    float
        Median of the periodic frames' fundamental frequencies, in semitones from A4; NaN if less
        than half of the frames within 40 dB of the loudest are periodic.
    """
    contours = _contours(
        waveform, lambda block: np.vstack([rms(block), yin(block, fmin=LOWEST_HZ, fmax=HIGHEST_HZ)])
    )
    level, semitones, voicing = contours
    audible = (level > AUDIBLE * level.max()) & (level > 0.0)
    voiced = audible & (voicing >= LEAST_VOICING)
    if not audible.any() or 2 * voiced.sum() < audible.sum():
        return np.nan
    return float(np.median(semitones[voiced]))


def estimate_tempo(waveform: np.ndarray) -> float:
    """Estimate the tempo.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        One channel at `MATCHING_SR`.

    Returns
    -------
    float
        Beats per minute, 30 to 290, from the period of `features.functionals.pulse`; NaN where it
        does not stand out of what noise of that length has by three standard errors.

    References
    ----------
    Bartlett, M. S. (1946). On the theoretical specification and sampling properties of
    autocorrelated time-series. Journal of the Royal Statistical Society 8(1).
    """
    onsets = _contours(waveform, onset_strength)
    period, strength, _ = pulse(onsets.astype(np.float32))[:, 0]
    if period == 0.0 or strength < STANDARD_ERRORS / np.sqrt(onsets.shape[1]):
        return np.nan
    return float(60.0 * MATCHING_SR / HOP_LENGTH / period)


def _contours(waveform: np.ndarray, describe: Callable[[ClipAnalysis], np.ndarray]) -> np.ndarray:
    """Describe a clip block by block, for long ones need much memory in one piece."""
    blocks = ClipAnalysis(waveform, MATCHING_SR, hop_length=HOP_LENGTH).blocks(BLOCK_FRAMES)
    return np.concatenate([describe(block) for block in blocks], axis=1)


def is_any(value: float, others: np.ndarray) -> np.ndarray:
    """Let all clips meet.

    Parameters
    ----------
    value : float
        Ignored.
    others : np.ndarray of shape (n_clips,)
        Values of other clips.

    Returns
    -------
    np.ndarray of shape (n_clips,), bool
        True.
    """
    return np.ones(len(others), dtype=bool)


def is_equal(value: float, others: np.ndarray) -> np.ndarray:
    """Whether keys, or genres, are the same.

    Parameters
    ----------
    value : float
        That of one clip.
    others : np.ndarray of shape (n_clips,)
        Those of others.

    Returns
    -------
    np.ndarray of shape (n_clips,), bool
        False for NaN.
    """
    return others == value


def is_consonant(value: float, others: np.ndarray) -> np.ndarray:
    """Whether pitches are consonant, whatever their octaves.

    Parameters
    ----------
    value : float
        That of one clip, in semitones.
    others : np.ndarray of shape (n_clips,)
        Those of others.

    Returns
    -------
    np.ndarray of shape (n_clips,), bool
        True for unison or octave, thirds, fourth, fifth and sixths, to the nearest semitone.

    References
    ----------
    Plomp, R. and Levelt, W. J. M. (1965). Tonal consonance and critical bandwidth. Journal of the
    Acoustical Society of America 38(4).
    """
    # Of either clip upwards from the other: the fourth is the fifth turned round.
    return np.isin(np.round(np.abs(others - value)) % 12, CONSONANCES)


def is_in_tempo(value: float, others: np.ndarray) -> np.ndarray:
    """Whether tempi are the same, or one twice the other.

    Parameters
    ----------
    value : float
        That of one clip, in beats per minute.
    others : np.ndarray of shape (n_clips,)
        Those of others.

    Returns
    -------
    np.ndarray of shape (n_clips,), bool
        True for a ratio within 4 per cent of 1, 2 or 1/2.

    References
    ----------
    Gouyon, F. et al. (2006). An experimental comparison of audio tempo induction algorithms. IEEE
    Transactions on Audio, Speech and Language Processing 14(5).
    """
    octaves = np.abs(np.log2(others / value))
    return np.minimum(octaves, np.abs(octaves - 1.0)) <= np.log2(1.0 + TEMPO_TOLERANCE)


MATCHES = {
    "any": Match(None, is_any),
    "key": Match(estimate_key, is_equal),
    "pitch": Match(estimate_pitch, is_consonant),
    "tempo": Match(estimate_tempo, is_in_tempo),
}


def get_match(name: str, columns: Sequence[str]) -> Match:
    """Look a match up by its name.

    Parameters
    ----------
    name : str
        ``"any"``, ``"key"``, ``"pitch"``, ``"tempo"``, or a column of the manifest such as
        ``"genre"``: clips that go together are equal in it.
    columns : sequence of str
        Columns of the manifest.

    Returns
    -------
    Match
        What to measure and to compare.

    Raises
    ------
    ValueError
        If there is neither such a match nor such a column.
    """
    if name in MATCHES:
        return MATCHES[name]
    if name in columns:
        return Match(None, is_equal)
    raise ValueError(
        f"match must be {', '.join(MATCHES)} or a column of the manifest ({', '.join(columns)}), "
        f"got {name!r}"
    )
