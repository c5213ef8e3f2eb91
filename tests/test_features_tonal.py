"""Chroma and tonal centroids: tones fall on their pitch class, fifths lie close; librosa."""

import librosa
import numpy as np
import pytest

from features.analysis import ClipAnalysis
from features.tonal import chroma, chroma_cqt, tonnetz

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


def note(semitones_above_c4, n_timepoints=3 * SR):
    frequency = 440.0 * 2 ** ((semitones_above_c4 - 9) / 12)
    return np.sin(2 * np.pi * frequency * np.arange(n_timepoints) / SR)


@pytest.fixture
def chords(rng):
    """Give a chord of fading tones that glides up, in noise."""
    time = np.arange(3 * SR) / SR
    turns = np.cumsum(220.0 * 2 ** (time / 3)) / SR
    tones = sum(
        np.sin(2 * np.pi * turns * h * 2 ** (k / 12)) / h for h in (1, 2) for k in (0, 4, 7)
    )
    return ClipAnalysis(tones * np.exp(-time) + 0.05 * rng.standard_normal(3 * SR), SR)


@pytest.mark.parametrize("octave", [-2, 0, 2])
@pytest.mark.parametrize("pitch_class", range(12))
def test_a_note_is_strongest_in_its_pitch_class_of_the_constant_q_transform(pitch_class, octave):
    analysis = ClipAnalysis(note(pitch_class + 12 * octave), SR)
    contours = chroma_cqt(analysis)[:, 40:-40]
    assert (contours.argmax(axis=0) == pitch_class).all()
    np.testing.assert_allclose(contours.max(axis=0), 1.0)


def test_a_bass_semitone_is_told_apart_by_the_constant_q_transform_only():
    analysis = ClipAnalysis(note(-24) + note(-23), SR)
    strengths = {f: f(analysis)[:, 60] for f in (chroma, chroma_cqt)}
    assert set(strengths[chroma_cqt].argsort()[-2:]) == {0, 1}
    assert strengths[chroma_cqt][[2, 11]].max() < 0.1
    assert strengths[chroma][[2, 11]].max() > 0.3


def test_silence_long_after_a_bass_note_has_no_pitch_class():
    analysis = ClipAnalysis(np.append(note(-36), np.zeros(3 * SR)), SR)
    beyond = -(-(3 * SR + 26270) // 512)
    contours = chroma_cqt(analysis)
    assert contours[:, : beyond - 30].max(axis=0).all()
    assert not contours[:, beyond:].any()
    assert not tonnetz(analysis)[:, beyond:].any()


@pytest.mark.parametrize("n_chroma", [12, 36])
def test_chroma_of_the_constant_q_transform_is_librosas(chords, n_chroma):
    waveform = chords.waveform.astype(np.float64)
    expected = librosa.feature.chroma_cqt(y=waveform, sr=SR, tuning=0.0, n_chroma=n_chroma)
    ours = chroma_cqt(chords, n_chroma=n_chroma)
    # librosa leaves out 1 % of each filter and resamples.
    np.testing.assert_allclose(ours, expected, atol=0.03)
    assert np.abs(ours - expected).mean() < 0.004


def test_tonal_centroids_are_librosas(chords):
    expected = librosa.feature.tonnetz(chroma=chroma_cqt(chords))
    np.testing.assert_allclose(tonnetz(chords), expected, atol=1e-12)


def test_a_fifth_is_close_on_the_circle_of_fifths_and_a_tritone_opposite():
    places = {k: tonnetz(ClipAnalysis(note(k), SR))[:2, 60] for k in (0, 6, 7)}

    def angle(k):
        cosine = places[0] @ places[k] / np.linalg.norm(places[0]) / np.linalg.norm(places[k])
        return np.degrees(np.arccos(np.clip(cosine, -1, 1)))

    # Not quite 30 and 180 degrees: a tone's filter leaks into the neighbouring classes.
    assert angle(7) == pytest.approx(30, abs=2)
    assert angle(6) == pytest.approx(180, abs=2)


@pytest.mark.parametrize("descriptor", [chroma_cqt, tonnetz])
def test_silence_has_zeros(descriptor):
    assert not descriptor(ClipAnalysis(np.zeros(5000), SR)).any()


@pytest.mark.parametrize("descriptor", [chroma_cqt, tonnetz])
@pytest.mark.parametrize(
    "waveform",
    [np.ones(1), np.ones(30000), np.tile([1.0, -1.0], 5000), np.eye(1, 9000, 4000)[0]],
    ids=["one sample", "constant", "half the rate", "impulse"],
)
def test_every_finite_waveform_gives_finite_numbers(descriptor, waveform):
    with np.errstate(all="raise"):
        contours = descriptor(ClipAnalysis(waveform, SR))
    assert np.isfinite(contours).all()


@pytest.mark.parametrize("descriptor", [chroma_cqt, tonnetz])
def test_blocks_joined_are_the_whole_up_to_what_filters_hear_from_afar(chords, descriptor):
    joined = np.concatenate([descriptor(block) for block in chords.blocks(7)], axis=1)
    np.testing.assert_allclose(joined, descriptor(chords), atol=2e-5)


@pytest.mark.parametrize("descriptor", [chroma_cqt, tonnetz])
def test_gain_does_not_matter(chords, descriptor):
    quiet = descriptor(ClipAnalysis(0.1 * chords.waveform, SR))
    np.testing.assert_allclose(quiet, descriptor(chords), atol=2e-5)


def test_descriptors_share_one_transform(chords, monkeypatch):
    expected = tonnetz(chords)
    monkeypatch.setattr("features.tonal.constant_q", None)
    assert chroma_cqt(chords) is chroma_cqt(chords)
    np.testing.assert_array_equal(tonnetz(chords), expected)


def test_bins_that_do_not_share_into_pitch_classes_are_refused():
    with pytest.raises(ValueError, match="multiple of n_chroma, got 36 and 24"):
        chroma_cqt(ClipAnalysis(np.ones(100), SR), n_chroma=24)
