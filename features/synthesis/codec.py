"""Lossy coding: a waveform as it comes back from an MP3, Ogg Vorbis or Opus file.

`quality` is one scale for every codec, 0 the worst and 1 the best; what it costs in kb/s is the
codec's own. Measured on 14.5 s of orchestral notes, one channel (libsndfile 1.2.2):

| codec | at | 0 | 0.25 | 0.5 | 0.75 | 1 |
|---|---|---|---|---|---|---|
| mp3 | 44,100 Hz | 32 | 96 | 161 | 257 | 321 |
| mp3 | 16,000 Hz | 8 | 48 | 81 | 129 | 161 |
| vorbis | 44,100 Hz | 36 | 60 | 72 | 95 | 179 |
| vorbis | 16,000 Hz | 16 | 22 | 30 | 42 | 55 |
| opus | 48,000 Hz | 7 | 70 | 133 | 196 | 259 |
| opus | 16,000 Hz | 7 | 70 | 133 | 195 | 259 |

mp3 takes the nearest constant rate of its standard: from 32,000 Hz up 32 + 288 * quality kb/s (64
at a quality of 1/9), below that half of it and less. opus aims at 6 + 252 * quality; vorbis has
no rate but a quality.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile

from features.audio import MAX_SR, MIN_SR, resample

# libsndfile hands a whole write to libvorbis, whose stack a minute's samples overrun.
BLOCK_LENGTH = 65_536

# An MP3 frame at a low rate has no room for the tag that tells the decoder where the sound begins:
# then LAME's 576 samples and the decoder's 529 are left in front of it, and padding behind.
UNTOLD_DELAY = 576 + 529

# libsndfile refuses to take an MP3 down to a compression level of 1, its lowest rate.
MAX_COMPRESSION = 0.9999


@dataclass(frozen=True, slots=True)
class Codec:
    """A lossy coding that libsndfile writes.

    Parameters
    ----------
    format, subtype : str
        Container and coding, as libsndfile calls them.
    rates : tuple of int
        Sampling rates in Hz that it takes, ascending.
    bitrate_mode : str or None
        How it spends its bits; None where it knows one way only.
    """

    format: str
    subtype: str
    rates: tuple[int, ...]
    bitrate_mode: str | None = None


CODECS = {
    # ISO/IEC 11172-3 and 13818-3, and the MPEG 2.5 extension below 16 kHz.
    "mp3": Codec(
        "MP3",
        "MPEG_LAYER_III",
        (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
        "CONSTANT",
    ),
    # Vorbis takes any rate, but libvorbis crashes above 200 kHz; these are the ones in use.
    "vorbis": Codec(
        "OGG",
        "VORBIS",
        (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000),
    ),
    # RFC 6716, section 2.1.3.
    "opus": Codec("OGG", "OPUS", (8_000, 12_000, 16_000, 24_000, 48_000)),
}


def list_codecs() -> list[str]:
    """Name the codecs.

    Returns
    -------
    list of str
        What `recode` takes as `codec`.
    """
    return list(CODECS)


def recode(waveform: np.ndarray, sr: int, *, codec: str, quality: float) -> np.ndarray:
    """Encode and decode a waveform, in memory.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        One channel, finite; may be empty.
    sr : int
        Its sampling rate in Hz. A rate that the codec does not take is changed to the next higher
        one that it does, or its highest, and back.
    codec : str
        One of `list_codecs()`.
    quality : float
        From 0, the worst, to 1, the best; see the table above for kb/s.

    Returns
    -------
    np.ndarray of shape (n_timepoints,), float32
        The waveform with the codec's marks, in time with the input: encoder delay and padding are
        taken off.

    Raises
    ------
    ValueError
        If `codec` is unknown, `quality` is outside 0 to 1, `sr` is outside 1,000 to 768,000 Hz, or
        the waveform is not one-dimensional and finite.
    """
    if codec not in CODECS:
        raise ValueError(f"codec must be one of {', '.join(CODECS)}, got {codec!r}")
    if not 0 <= quality <= 1:
        raise ValueError(f"quality must be 0 to 1, got {quality}")
    if not MIN_SR <= sr <= MAX_SR:
        raise ValueError(f"sr must be {MIN_SR} to {MAX_SR} Hz, got {sr}")
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise ValueError(
            f"a waveform must be one-dimensional and finite, got shape {waveform.shape}"
        )
    if not len(waveform):
        return np.zeros(0, dtype=np.float32)
    rates = CODECS[codec].rates
    coded_sr = next((rate for rate in rates if rate >= sr), rates[-1])
    coded = resample(waveform, from_sr=sr, to_sr=coded_sr)
    decoded = resample(_code(coded, coded_sr, CODECS[codec], quality), from_sr=coded_sr, to_sr=sr)
    # Two roundings of the length may leave it a few samples off.
    missing = max(0, len(waveform) - len(decoded))
    return np.pad(decoded, (0, missing))[: len(waveform)]


def _code(waveform: np.ndarray, sr: int, codec: Codec, quality: float) -> np.ndarray:
    """Encode and decode at a rate that the codec takes, aligned with the input."""
    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream,
        "w",
        samplerate=sr,
        channels=1,
        format=codec.format,
        subtype=codec.subtype,
        compression_level=min(1 - quality, MAX_COMPRESSION),
        bitrate_mode=codec.bitrate_mode,
    ) as file:
        for start in range(0, len(waveform), BLOCK_LENGTH):
            file.write(waveform[start : start + BLOCK_LENGTH])
    stream.seek(0)
    decoded = soundfile.read(stream, dtype="float32")[0]
    # libsndfile takes delay and padding off where the file tells of them: no sample is left over.
    delay = UNTOLD_DELAY if len(decoded) >= len(waveform) + UNTOLD_DELAY else 0
    return decoded[delay : delay + len(waveform)]
