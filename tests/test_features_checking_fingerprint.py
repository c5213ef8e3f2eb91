"""Fingerprints: known levels, what leaves them as they are, which parts of long clips are kept."""

import numpy as np
import pytest

from features.checking.fingerprint import (
    HIGHEST_HZ,
    HOP_LENGTH,
    LOWEST_DB,
    LOWEST_HZ,
    MARGIN,
    MAX_FRAMES,
    MAX_STRETCHES,
    N_BANDS,
    NO_SOUND,
    SR,
    STEP_DB,
    STRETCH,
    make_fingerprint,
    stack_fingerprints,
)
from features.checking.level_distance import level_distances


def noise(rng, seconds):
    """Give noise whose level rises and falls, so that no moment is like another."""
    n = round(seconds * SR)
    knots = np.arange(0, n + 2000, 2000)
    swell = np.interp(np.arange(n), knots, rng.uniform(0.1, 1.0, len(knots)))
    return (0.1 * swell * rng.standard_normal(n)).astype(np.float32)


def distance(left, right, lag=0):
    both = stack_fingerprints([left, right])
    distances, lags = level_distances(both, np.array([0]), np.array([1]), np.array([lag]))
    return distances[0], lags[0]


def test_a_sine_of_full_scale_has_0_db_in_its_band_and_nothing_far_away():
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, N_BANDS + 2)
    sine = np.sin(2 * np.pi * edges[16] * np.arange(SR) / SR).astype(np.float32)
    levels = make_fingerprint([sine]).levels[MARGIN + 10] * STEP_DB + LOWEST_DB
    assert levels.argmax() == 15
    assert levels[15] == pytest.approx(0.0, abs=3.0)
    assert levels[:10].max() < -80


def test_frames_are_counted_from_the_beginning_with_silence_around():
    fingerprint = make_fingerprint([np.ones(SR, dtype=np.float32)])
    n_frames = -(-SR // HOP_LENGTH) + 1
    assert fingerprint.times.tolist() == list(range(-MARGIN, n_frames + MARGIN))
    assert not fingerprint.levels[:MARGIN].any()
    assert not fingerprint.levels[-MARGIN:].any()


@pytest.mark.parametrize("n_timepoints", [1, HOP_LENGTH, HOP_LENGTH + 1])
def test_the_shortest_clips_have_one(n_timepoints):
    fingerprint = make_fingerprint([np.ones(n_timepoints, dtype=np.float32)])
    assert len(fingerprint.times) == 2 * MARGIN + -(-n_timepoints // HOP_LENGTH) + 1


def test_gain_adds_a_constant_and_distance_takes_it_away(rng):
    waveform = noise(rng, 1.0)
    loud, quiet = make_fingerprint([waveform]), make_fingerprint([waveform * 0.1])
    inner = slice(MARGIN, -MARGIN)
    steps = loud.levels[inner].astype(int) - quiet.levels[inner]
    assert np.median(steps) == 20 / STEP_DB
    found, lag = distance(loud, quiet)
    assert found < 0.3
    assert lag == 0


def test_a_shift_is_found_to_a_quarter_of_a_hop(rng):
    waveform = noise(rng, 1.0)
    shift = 7 * HOP_LENGTH + HOP_LENGTH // 2
    found, lag = distance(make_fingerprint([waveform]), make_fingerprint([waveform[shift:]]), lag=7)
    assert lag == 7.5
    assert found < 1.5


def test_other_noise_is_far_away(rng):
    found, _ = distance(make_fingerprint([noise(rng, 1.0)]), make_fingerprint([noise(rng, 1.0)]))
    assert found > 3.0


def test_clips_without_common_frames_are_infinitely_far(rng):
    print_ = make_fingerprint([noise(rng, 1.0)])
    assert distance(print_, print_, lag=60)[0] == np.inf
    assert distance(print_, NO_SOUND)[0] == np.inf


def test_blocks_give_nearly_the_same_as_one_piece(rng):
    waveform = noise(rng, 2.0)
    whole = make_fingerprint([waveform])
    cut = make_fingerprint([waveform[: 50 * HOP_LENGTH], waveform[50 * HOP_LENGTH :]])
    assert cut.times.tolist() == whole.times.tolist()
    differing = np.flatnonzero((cut.levels != whole.levels).any(axis=1)) - MARGIN
    assert set(differing) <= {49, 50, 51}


def test_of_a_long_clip_the_loudest_moments_are_kept_wherever_it_begins(rng):
    waveform = noise(rng, 12.0) * 0.01
    for second in (2.0, 5.0, 6.5, 8.0, 10.0):
        waveform[round(second * SR) :][: SR // 10] *= 80
    shift = 64
    whole, cut = (make_fingerprint([w]) for w in (waveform, waveform[shift * HOP_LENGTH :]))
    assert len(whole.times) == MAX_STRETCHES * STRETCH <= MAX_FRAMES
    assert (np.diff(whole.times) > 0).all()
    assert np.array_equal(whole.times - shift, cut.times)
    assert distance(whole, cut, lag=shift) == (0.0, shift)


def test_clips_are_laid_end_to_end(rng):
    prints = [make_fingerprint([noise(rng, 0.3)]), NO_SOUND, make_fingerprint([noise(rng, 5.0)])]
    stacked = stack_fingerprints(prints)
    assert len(stacked) == 3
    for k, part in enumerate(prints):
        rows = slice(stacked.bounds[k], stacked.bounds[k + 1])
        assert np.array_equal(stacked.levels[rows], part.levels)
        assert np.array_equal(stacked.times[rows], part.times)
    assert len(stack_fingerprints([])) == 0
