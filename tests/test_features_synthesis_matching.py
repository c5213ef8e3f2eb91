"""What goes together: known keys, pitches and tempi are found, noise and silence have none."""

import numpy as np
import pytest

from features.synthesis.matching import (
    MATCHES,
    MATCHING_SR,
    estimate_key,
    estimate_pitch,
    estimate_tempo,
    get_match,
    is_consonant,
    is_equal,
    is_in_tempo,
)

ESTIMATES = [estimate_key, estimate_pitch, estimate_tempo]
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


def tone(semitones, seconds=1.0):
    """Ten partials, above A4."""
    times = np.arange(round(seconds * MATCHING_SR)) / MATCHING_SR
    frequency = 440.0 * 2.0 ** (semitones / 12)
    partials = [np.sin(2 * np.pi * k * frequency * times) / k for k in range(1, 11)]
    return 0.1 * np.sum([p for k, p in enumerate(partials, 1) if k * frequency < 10_000], axis=0)


def melody(tonic, scale):
    """A scale with its triad, from a MIDI key."""
    degrees = [*scale, 12, 0, scale[2], scale[4], 0]
    return np.concatenate([tone(tonic + degree - 69, 0.25) for degree in degrees])


def clicks(beats_per_minute, seconds=8.0):
    waveform = np.zeros(round(seconds * MATCHING_SR))
    for beat in np.arange(0.1, seconds - 0.1, 60 / beats_per_minute):
        start = round(beat * MATCHING_SR)
        waveform[start : start + 500] = np.sin(np.arange(500) * 0.3) * np.exp(-np.arange(500) / 100)
    return waveform


@pytest.mark.parametrize("tonic", range(60, 72))
@pytest.mark.parametrize(("scale", "first"), [(MAJOR, 0), (MINOR, 12)], ids=["major", "minor"])
def test_the_key_of_a_scale_is_found(tonic, scale, first):
    assert estimate_key(melody(tonic, scale)) == first + tonic % 12


@pytest.mark.parametrize("semitones", [-41, -20, 0, 0.3, 7, 25])
def test_the_pitch_of_a_tone_is_found(semitones):
    assert estimate_pitch(tone(semitones)) == pytest.approx(semitones, abs=0.1)


def test_a_tones_silence_and_tail_do_not_change_its_pitch(rng):
    quiet = np.concatenate([tone(3), np.zeros(MATCHING_SR), 1e-5 * rng.standard_normal(40_000)])
    assert estimate_pitch(quiet) == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("beats_per_minute", [72, 100, 120, 150])
def test_the_tempo_of_clicks_is_found(beats_per_minute):
    found = estimate_tempo(clicks(beats_per_minute))
    assert is_in_tempo(beats_per_minute, np.array([found]))[0]


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_silence_and_a_single_sample_match_nothing(estimate):
    for waveform in (np.zeros(MATCHING_SR), np.ones(1)):
        assert np.isnan(estimate(waveform))


@pytest.mark.parametrize("estimate", ESTIMATES[1:])
def test_noise_has_neither_pitch_nor_tempo(estimate, rng):
    assert np.isnan(estimate(rng.standard_normal(3 * MATCHING_SR)))


@pytest.mark.parametrize("estimate", ESTIMATES)
def test_level_changes_nothing(estimate):
    waveform = np.concatenate([melody(62, MAJOR)] * 2)
    assert estimate(0.01 * waveform) == pytest.approx(estimate(waveform), nan_ok=True)


@pytest.mark.parametrize(
    ("interval", "consonant"),
    [(0, 1), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 0), (7, 1), (8, 1), (9, 1), (10, 0)],
)
@pytest.mark.parametrize("moved", [-12.0, 0.0, 24.3])
def test_consonances_are_those_of_the_textbook_in_any_octave(interval, consonant, moved):
    above = is_consonant(1.5, np.array([1.5 + interval + moved]))
    assert above.tolist() == [bool(consonant)]
    assert is_consonant(1.5 + interval + moved, np.array([1.5])).tolist() == above.tolist()


def test_tempi_go_together_within_four_per_cent_and_an_octave():
    others = np.array([100, 103.9, 104.1, 96.5, 200, 207, 50, 48.5, 150, 66.7, 400])
    expected = [True, True, False, True, True, True, True, True, False, False, False]
    assert is_in_tempo(100.0, others).tolist() == expected


@pytest.mark.parametrize("agree", [is_equal, is_consonant, is_in_tempo])
def test_what_could_not_be_measured_goes_with_nothing(agree):
    assert agree(60.0, np.array([60.0, np.nan])).tolist() == [True, False]
    assert agree(np.nan, np.array([60.0, np.nan])).tolist() == [False, False]


def test_any_clips_go_together_unless_asked():
    assert get_match("any", []).agree(np.nan, np.full(3, np.nan)).all()


def test_a_match_is_known_or_a_column():
    assert get_match("key", ["genre"]) is MATCHES["key"]
    assert get_match("genre", ["genre"]).measure is None
    with pytest.raises(
        ValueError, match=r"any, key, pitch, tempo or a column .*\(genre, mood\), got 'gnre'"
    ):
        get_match("gnre", ["genre", "mood"])
