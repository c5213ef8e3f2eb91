"""Playing notes from a soundfont: samples at the asked pitch, filtered and shaped.

What is rendered: tuning, loops, layers, both envelopes, both low-frequency oscillators, the
low-pass filter, and velocity. What is not: stereo, the chorus and reverb sends, and modulators
other than the two defaults of velocity. References: SoundFont Technical Specification 2.04,
sections 8.1.3, 8.4.1, 8.4.2 and 9.1.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.signal import lfilter

from features.synthesis.region import Envelope, Oscillator, Region
from features.synthesis.soundfont import OPEN_CUTOFF_CENTS, Soundfont

# Pitch and filter are renewed once per block of this many time points: 12 ms at 44,100 Hz, in
# which vibrato moves by about a cent.
BLOCK = 512

# A soft key stroke closes the filter by up to two octaves: the second default modulator.
VELOCITY_TO_CUTOFF_CENTS = -2400.0

# Cutoffs are rounded to a quarter tone.
CUTOFF_STEP_CENTS = 50.0

MAX_RELEASE_S = 0.6

# No envelope is steeper, lest it clicks.
MIN_SEGMENT_S = 1e-3


def render_note(
    soundfont: Soundfont,
    *,
    program: int,
    pitch: float,
    duration_s: float,
    velocity: int = 100,
    sr: int = 44_100,
) -> np.ndarray:
    """Play one note.

    Parameters
    ----------
    soundfont : Soundfont
        Where the samples come from.
    program : int
        General MIDI program, counted from 0.
    pitch : float
        MIDI key, 69 for A4; fractions detune.
    duration_s : float
        From key down to key up, in seconds; what the release adds comes on top.
    velocity : int
        1 to 127: level goes with its square, brightness rises with it.
    sr : int
        Sampling rate of the result in Hz.

    Returns
    -------
    np.ndarray of shape (n_timepoints,), float32
        The note with its release, at most 0.6 s of it.

    Raises
    ------
    ValueError
        If the soundfont has no such program, or no sample for this velocity.

    Examples
    --------
    >>> from features.synthesis.soundfont import Soundfont, find_soundfont
    >>> flute = render_note(Soundfont(find_soundfont()), program=73, pitch=69, duration_s=0.5)
    >>> bool(abs(flute).max() > 0.1)
    True
    """
    chosen = _choose(soundfont.regions(program), round(pitch), velocity)
    if not chosen:
        raise ValueError(
            f"soundfont {soundfont.path} must have a sample for program {program} at velocity "
            f"{velocity}; it has none"
        )
    longest_s = max(region.volume.release_s for region in chosen)
    release_s = min(max(longest_s, MIN_SEGMENT_S), MAX_RELEASE_S)
    times = np.arange(round((duration_s + release_s) * sr)) / sr
    note = np.zeros(len(times))
    for region in chosen:
        note += _render_region(region, pitch, velocity, duration_s, times, sr)
    # Where the release is cut short, its last 20 ms fade: a jump would click.
    fade = round(min(release_s, 0.02) * sr)
    note[len(note) - fade :] *= np.linspace(1, 0, fade)
    return note.astype(np.float32)


def _choose(regions: tuple[Region, ...], key: int, velocity: int) -> list[Region]:
    """Choose the regions that sound at a key: those of the nearest key that has any.

    Soundfonts have gaps; TimGM6mb's alto saxophone has no E4.
    """
    playable = [r for r in regions if r.velocities[0] <= velocity <= r.velocities[1]]
    distances = [max(r.keys[0] - key, key - r.keys[1], 0) for r in playable]
    nearest = min(distances, default=0)
    return [r for r, distance in zip(playable, distances, strict=True) if distance == nearest]


def _render_region(
    region: Region, pitch: float, velocity: int, duration_s: float, times: np.ndarray, sr: int
) -> np.ndarray:
    blocks = times[::BLOCK]
    modulation = _envelope_level(region.modulation, blocks, duration_s, pitch)
    lfo = _triangle(region.lfo, blocks)
    cents = (
        region.cents_per_key * (pitch - region.root_key)
        + region.modulation_to_pitch * modulation
        + region.lfo_to_pitch * lfo
        + region.vibrato_to_pitch * _triangle(region.vibrato, blocks)
    )
    cutoff_cents = (
        min(region.cutoff_cents, OPEN_CUTOFF_CENTS)
        + region.modulation_to_cutoff * modulation
        + VELOCITY_TO_CUTOFF_CENTS * (1 - velocity / 127)
    )
    waveform = _play(region, region.sr / sr * 2.0 ** (cents / 1200), len(times))
    waveform = _low_pass(waveform, cutoff_cents, region.resonance_db, sr)
    gain = 10 ** (-region.attenuation_db / 20) * (velocity / 127) ** 2
    return waveform * gain * _amplitude(region, times, duration_s, pitch)


def _play(region: Region, step: np.ndarray, n_timepoints: int) -> np.ndarray:
    """Read the sample, each time `step` (one value a block) further, interpolating in between.

    The interpolation is of third order (Catmull-Rom).
    """
    position = np.cumsum(np.repeat(step, BLOCK)[:n_timepoints])
    position -= position[0]
    index = position.astype(np.int64)
    needed = int(index[-1]) + 4
    samples = region.waveform
    if region.loop is not None and needed > region.loop[1]:
        first, last = region.loop
        samples = np.concatenate([samples[:last], np.resize(samples[first:last], needed - last)])
    padding = np.zeros(max(0, needed - len(samples)), dtype=np.float32)
    samples = np.concatenate([np.zeros(1, dtype=np.float32), samples, padding])
    before, here, after, later = (samples[index + i] for i in range(4))
    x = (position - index).astype(np.float32)
    slope, curve = after - before, 2 * before - 5 * here + 4 * after - later
    cubic = 3 * (here - after) + later - before
    return here + 0.5 * x * (slope + x * (curve + x * cubic))


def _low_pass(
    waveform: np.ndarray, cutoff_cents: np.ndarray, resonance_db: float, sr: int
) -> np.ndarray:
    """Two-pole low-pass with one cutoff a block; an open filter leaves the waveform as it is."""
    highest_hz = 0.45 * sr
    # Filtering many short blocks is slow, so those of nearly one cutoff are filtered as one.
    steps = np.round(cutoff_cents / CUTOFF_STEP_CENTS)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(steps)) + 1])
    cutoff_hz = np.minimum(8.176 * 2 ** (steps[starts] * CUTOFF_STEP_CENTS / 1200), highest_hz)
    if (cutoff_hz == highest_hz).all():
        return waveform
    # 0 dB of resonance means a flat (Butterworth) pass band, hence the 3.01 dB.
    q = 10 ** ((resonance_db - 3.01) / 20)
    omega = 2 * np.pi * cutoff_hz / sr
    alpha, cosine = np.sin(omega) / (2 * q), np.cos(omega)
    b = np.stack([(1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2], axis=1) / (1 + alpha)[:, None]
    a = np.stack([1 + alpha, -2 * cosine, 1 - alpha], axis=1) / (1 + alpha)[:, None]
    filtered, state = np.empty(len(waveform)), np.zeros(2)
    edges = [*(starts * BLOCK), len(waveform)]
    for i, (start, end) in enumerate(pairwise(edges)):
        filtered[start:end], state = lfilter(b[i], a[i], waveform[start:end], zi=state)
    return filtered


def _envelope_level(
    envelope: Envelope, times: np.ndarray, duration_s: float, pitch: float
) -> np.ndarray:
    """Level from 0 to 1 at the given times, all segments straight lines."""
    pressed = _pressed_level(envelope, np.minimum(times, duration_s), pitch)
    fall = np.maximum(times - duration_s, 0) / max(envelope.release_s, MIN_SEGMENT_S)
    return np.maximum(pressed - fall, 0)


def _pressed_level(envelope: Envelope, times: np.ndarray, pitch: float) -> np.ndarray:
    hold_s = envelope.hold_s * 2 ** (envelope.hold_cents * (60 - pitch) / 1200)
    decay_s = envelope.decay_s * 2 ** (envelope.decay_cents * (60 - pitch) / 1200)
    attack_s = max(envelope.attack_s, MIN_SEGMENT_S)
    corners = np.cumsum(
        [envelope.delay_s, attack_s, hold_s, max(decay_s, MIN_SEGMENT_S) * (1 - envelope.sustain)]
    )
    return np.interp(times, corners, [0, 1, 1, envelope.sustain])


def _amplitude(region: Region, times: np.ndarray, duration_s: float, pitch: float) -> np.ndarray:
    """Volume envelope and tremolo: a straight attack, then straight lines in dB.

    The envelope's full scale is 100 dB.
    """
    envelope = region.volume
    attack_end_s = envelope.delay_s + max(envelope.attack_s, MIN_SEGMENT_S)
    # Straight lines in dB are followed every 2 ms, and exactly at both corners.
    corners = [attack_end_s, duration_s]
    grid = np.unique(np.concatenate([np.arange(0, times[-1] + 2e-3, 2e-3), corners]))
    held = np.minimum(grid, duration_s)
    pressed = _pressed_level(envelope, held, pitch)
    amplitude = np.where(held < attack_end_s, pressed, 10 ** (5 * (pressed - 1)))
    fall = np.maximum(grid - duration_s, 0) / max(envelope.release_s, MIN_SEGMENT_S)
    amplitude = np.where(fall < 1, amplitude * 10 ** (-5 * fall), 0)
    tremolo = 10 ** (region.lfo_to_volume_db * _triangle(region.lfo, grid) / 20)
    return np.interp(times, grid, amplitude * tremolo)


def _triangle(oscillator: Oscillator, times: np.ndarray) -> np.ndarray:
    """Swing between -1 and 1, starting at 0 upwards."""
    turns = np.maximum(times - oscillator.delay_s, 0) * oscillator.rate_hz
    return 1 - 4 * np.abs((turns + 0.25) % 1 - 0.5)
