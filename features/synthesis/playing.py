"""The loop that plays one sample: interpolation, low-pass filter and level.

Conventions: what changes slowly is given once per `FILTER_BLOCK` (pitch and filter) or
`LEVEL_BLOCK` (level) time points.
"""

from __future__ import annotations

import numpy as np

from features.compiled import compiled

# Pitch and filter: 12 ms at 44,100 Hz, in which vibrato moves by about a cent.
FILTER_BLOCK = 512

# Level: 1.5 ms at 44,100 Hz, joined by straight lines.
LEVEL_BLOCK = 64

# Time points around a place that its interpolation reads: one before, three from it on.
N_BEFORE, N_AFTER = 1, 3


def make_tape(waveform: np.ndarray, loop: tuple[int, int] | None) -> np.ndarray:
    """Surround a sample by what interpolation reads beyond its ends.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The sample.
    loop : tuple of int or None
        First and one past the last time point that repeat.

    Returns
    -------
    np.ndarray of shape (n_tape,), float32
        Silence, the sample, and then silence or, after the loop's end, its beginning.
    """
    before, after = np.zeros(N_BEFORE, np.float32), np.zeros(N_AFTER, np.float32)
    if loop is not None:
        first, last = loop
        waveform, after = waveform[:last], np.resize(waveform[first:last], N_AFTER)
    return np.concatenate([before, waveform, after])


@compiled
def add_sample(
    note: np.ndarray,
    tape: np.ndarray,
    loop_length: int,
    steps: np.ndarray,
    filters: np.ndarray,
    levels: np.ndarray,
) -> None:
    """Play a sample and add it to a note.

    Parameters
    ----------
    note : np.ndarray of shape (n_timepoints,), float32
        What is added to.
    tape : np.ndarray of shape (n_tape,), float32
        The sample: see `make_tape`.
    loop_length : int
        How far to step back at the end of the tape; 0 ends the sound there.
    steps : np.ndarray of shape (n_filter_blocks,), float64
        Time points of the sample per time point of the note.
    filters : np.ndarray of shape (n_filter_blocks, 3), float64
        Gain of the input and the two feedback coefficients of a low-pass filter; of length 0 for
        an open filter.
    levels : np.ndarray of shape (n_level_blocks + 1,), float64
        Level where each block begins, and where the last one ends.

    Notes
    -----
    Interpolation is of third order (Catmull-Rom). The filter's zeros are both at half the
    sampling rate; its state is kept as in the transposed direct form II.
    """
    n_timepoints, filtered = len(note), len(filters) > 0
    # As far as a place and the three time points from it on are within the tape.
    end = np.float64(len(tape) - N_AFTER)
    position, first_state, second_state = 0.0, 0.0, 0.0
    gain, first_feedback, second_feedback = 1.0, 0.0, 0.0
    for start in range(0, n_timepoints, LEVEL_BLOCK):
        block = note[start : min(start + LEVEL_BLOCK, n_timepoints)]
        step = steps[start // FILTER_BLOCK]
        if filtered:
            gain = filters[start // FILTER_BLOCK, 0]
            first_feedback = filters[start // FILTER_BLOCK, 1]
            second_feedback = filters[start // FILTER_BLOCK, 2]
            # Numbers near the smallest there are take the processor a hundred times as long.
            if abs(first_state) + abs(second_state) < 1e-30:
                first_state, second_state = 0.0, 0.0
        level = levels[start // LEVEL_BLOCK]
        rise = (levels[start // LEVEL_BLOCK + 1] - level) / LEVEL_BLOCK
        for i in range(len(block)):
            if position >= end:
                if loop_length == 0:
                    return
                position -= loop_length * np.ceil((position - end + 1e-9) / loop_length)
            index = np.uint64(position)
            x = position - index
            place = tape[index : index + np.uint64(4)]
            before, here = np.float64(place[0]), np.float64(place[1])
            after, later = np.float64(place[2]), np.float64(place[3])
            slope, curve = after - before, 2.0 * before - 5.0 * here + 4.0 * after - later
            cubic = 3.0 * (here - after) + later - before
            value = here + 0.5 * x * (slope + x * (curve + x * cubic))
            if filtered:
                value *= gain
                output = value + first_state
                first_state = 2.0 * value - first_feedback * output + second_state
                second_state = value - second_feedback * output
                value = output
            block[i] += value * level
            level += rise
            position += step
