"""Chroma: tones fall on their pitch class; librosa."""

import librosa
import numpy as np
import pytest

from features.analysis import ClipAnalysis
from features.tonal import chroma

SR = 22050


@pytest.mark.parametrize("octave", [4, 5, 6])
@pytest.mark.parametrize("pitch_class", range(12))
def test_a_note_is_strongest_in_its_pitch_class(pitch_class, octave):
    frequency = 440.0 * 2 ** ((pitch_class - 9) / 12 + octave - 4)
    tone = np.sin(2 * np.pi * frequency * np.arange(SR) / SR)
    contours = chroma(ClipAnalysis(tone, SR))[:, 3:-3]
    assert (contours.argmax(axis=0) == pitch_class).all()
    np.testing.assert_allclose(contours.max(axis=0), 1.0)


def test_silence_has_no_pitch_class():
    assert not chroma(ClipAnalysis(np.zeros(5000), SR)).any()


def test_chroma_is_librosas(rng):
    signal = np.sin(np.arange(SR) ** 1.3 / 30) + 0.1 * rng.standard_normal(SR)
    analysis = ClipAnalysis(signal, SR)
    spectrum = np.abs(librosa.stft(analysis.waveform.astype(np.float64))) ** 2
    expected = librosa.feature.chroma_stft(S=spectrum, sr=SR, tuning=0.0)
    np.testing.assert_allclose(chroma(analysis), expected, atol=1e-5)


def test_blocks_joined_are_the_whole(rng):
    analysis = ClipAnalysis(rng.standard_normal(SR), SR)
    joined = np.concatenate([chroma(block) for block in analysis.blocks(7)], axis=1)
    np.testing.assert_allclose(joined, chroma(analysis), rtol=1e-6)
