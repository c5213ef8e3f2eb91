"""The sampler's loop, against numpy and scipy, as machine code and as Python."""

import numpy as np
import pytest
from scipy.signal import lfilter

from features.synthesis.playing import FILTER_BLOCK, LEVEL_BLOCK, add_sample, make_tape

OPEN = np.empty((0, 3))


@pytest.fixture(params=["machine code", "Python"])
def play(request):
    """Give the loop with defaults: one block's pitch, no filter, full level, onto silence."""
    loop = add_sample if request.param == "machine code" else add_sample.__wrapped__

    def call(tape, n, *, loop_length=0, step=1.0, filters=OPEN, levels=None, note=None):
        note = np.zeros(n, np.float32) if note is None else note
        steps = np.full(-(-n // FILTER_BLOCK), step)
        levels = np.ones(-(-n // LEVEL_BLOCK) + 1) if levels is None else levels
        loop(note, tape, loop_length, steps, filters, levels)
        return note

    return call


def white(rng, n):
    return rng.standard_normal(n).astype(np.float32)


def test_at_its_own_pitch_a_sample_comes_out_as_it_is_and_then_silence(rng, play):
    sample = white(rng, 700)
    note = play(make_tape(sample, None), 1000)
    np.testing.assert_allclose(note[:700], sample, rtol=1e-6)
    assert not note[700:].any()


def test_a_loop_repeats_its_part(rng, play):
    sample = white(rng, 100)
    note = play(make_tape(sample, (40, 90)), 500, loop_length=50)
    expected = np.concatenate([sample[:90], np.tile(sample[40:90], 9)])[:500]
    np.testing.assert_allclose(note, expected, atol=1e-6)


@pytest.mark.parametrize("step", [0.5, 1.5, 7.3])
def test_between_its_points_a_cubic_is_met_exactly_but_for_its_third_order(play, step):
    # Catmull-Rom interpolation gives back parabolas.
    times = np.arange(400)
    sample = (1e-3 * (times - 150.0) ** 2).astype(np.float32)
    n = int(390 / step)
    note = play(make_tape(sample, None), n, step=step)
    places = np.arange(n) * step
    inside = places >= 1
    np.testing.assert_allclose(
        note[inside], 1e-3 * (places[inside] - 150.0) ** 2, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("loop_length", [1, 3, 50])
def test_steps_longer_than_the_loop_stay_on_the_tape(rng, play, loop_length):
    tape = make_tape(white(rng, 100), (100 - loop_length, 100))
    note = play(tape, 300, loop_length=loop_length, step=123.4)
    assert np.isfinite(note).all()
    assert np.abs(note).max() < 10


def test_the_filter_is_that_of_scipy(rng, play):
    sample = white(rng, 2000)
    n_blocks = -(-2000 // FILTER_BLOCK)
    note = play(make_tape(sample, None), 2000, filters=np.tile([0.02, -1.6, 0.68], (n_blocks, 1)))
    expected = lfilter([0.02, 0.04, 0.02], [1, -1.6, 0.68], sample)
    np.testing.assert_allclose(note, expected, atol=1e-6)


def test_a_filter_that_changes_keeps_its_state(rng, play):
    sample = white(rng, 1000)
    rows = np.array([[0.02, -1.6, 0.68], [0.2, -0.4, 0.2]])
    note = play(make_tape(sample, None), 1000, filters=rows)
    first, state = lfilter([0.02, 0.04, 0.02], [1, -1.6, 0.68], sample[:512], zi=np.zeros(2))
    second, _ = lfilter([0.2, 0.4, 0.2], [1, -0.4, 0.2], sample[512:], zi=state)
    np.testing.assert_allclose(note, np.concatenate([first, second]), atol=1e-6)


def test_levels_are_joined_by_straight_lines(play):
    levels = np.array([0.0, 1.0, 0.25])
    note = play(make_tape(np.ones(200, np.float32), None), 2 * LEVEL_BLOCK, levels=levels)
    expected = np.interp(np.arange(2 * LEVEL_BLOCK) / LEVEL_BLOCK, [0, 1, 2], levels)
    np.testing.assert_allclose(note, expected, atol=1e-6)


def test_a_sample_is_added_to_what_is_there(rng, play):
    sample, there = white(rng, 300), white(rng, 300)
    note = play(make_tape(sample, None), 300, note=there.copy())
    np.testing.assert_allclose(note, there + sample, atol=1e-6)
