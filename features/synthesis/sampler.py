"""Playing notes from a soundfont: samples at the asked pitch, filtered and shaped.

What is rendered: tuning, loops, layers, both envelopes, both low-frequency oscillators, the
low-pass filter, and velocity. What is not: stereo, the chorus and reverb sends, and modulators
other than the two defaults of velocity. References: SoundFont Technical Specification 2.04,
sections 8.1.3, 8.4.1, 8.4.2 and 9.1.
"""

from __future__ import annotations

import numpy as np

from features.synthesis.playing import FILTER_BLOCK, LEVEL_BLOCK, add_sample
from features.synthesis.region import Envelope, Oscillator, Region
from features.synthesis.soundfont import OPEN_CUTOFF_CENTS, PERCUSSION_BANK, Soundfont

# A soft key stroke closes the filter by up to two octaves: the second default modulator.
VELOCITY_TO_CUTOFF_CENTS = -2400.0

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
    bank: int = 0,
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
    bank : int
        0, or 128 for percussion, where every key is a sound of its own.
    sr : int
        Sampling rate of the result in Hz.

    Returns
    -------
    np.ndarray of shape (n_timepoints,), float32
        The note with its release, at most 0.6 s of it.

    Raises
    ------
    ValueError
        If the soundfont has no such program, or no sample for this velocity or, in percussion, key.

    Examples
    --------
    >>> from features.synthesis.soundfont import Soundfont, find_soundfont
    >>> flute = render_note(Soundfont(find_soundfont()), program=73, pitch=69, duration_s=0.5)
    >>> bool(abs(flute).max() > 0.1)
    True
    """
    regions = soundfont.regions(program, bank=bank)
    chosen = _choose(regions, round(pitch), velocity, exactly=bank == PERCUSSION_BANK)
    if not chosen:
        raise ValueError(
            f"soundfont {soundfont.path} must have a sample for program {program} of bank {bank} "
            f"at key {round(pitch)} and velocity {velocity}; it has none"
        )
    longest_s = max(region.volume.release_s for region in chosen)
    release_s = min(max(longest_s, MIN_SEGMENT_S), MAX_RELEASE_S)
    note = np.zeros(round((duration_s + release_s) * sr), dtype=np.float32)
    for region in chosen:
        _add_region(note, region, pitch, velocity, duration_s, sr)
    # Where the release is cut short, its last 20 ms fade: a jump would click.
    fade = round(min(release_s, 0.02) * sr)
    note[len(note) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return note


def _choose(regions: tuple[Region, ...], key: int, velocity: int, *, exactly: bool) -> list[Region]:
    """Choose the regions that sound at a key: those of the nearest key that has any.

    Soundfonts have gaps; TimGM6mb's alto saxophone has no E4.
    """
    playable = [r for r in regions if r.velocities[0] <= velocity <= r.velocities[1]]
    distances = [max(r.keys[0] - key, key - r.keys[1], 0) for r in playable]
    nearest = 0 if exactly else min(distances, default=0)
    return [r for r, distance in zip(playable, distances, strict=True) if distance == nearest]


def _add_region(
    note: np.ndarray, region: Region, pitch: float, velocity: int, duration_s: float, sr: int
) -> None:
    times = np.arange(0, len(note), FILTER_BLOCK) / sr
    modulation = _envelope_level(region.modulation, times, duration_s, pitch)
    cents = (
        region.cents_per_key * (pitch - region.root_key)
        + region.modulation_to_pitch * modulation
        + region.lfo_to_pitch * _triangle(region.lfo, times)
        + region.vibrato_to_pitch * _triangle(region.vibrato, times)
    )
    cutoff_cents = (
        min(region.cutoff_cents, OPEN_CUTOFF_CENTS)
        + region.modulation_to_cutoff * modulation
        + VELOCITY_TO_CUTOFF_CENTS * (1 - velocity / 127)
    )
    tape, loop_length = region.tape()
    gain = 10 ** (-region.attenuation_db / 20) * (velocity / 127) ** 2
    n_level_blocks = -(-len(note) // LEVEL_BLOCK)
    edges = np.arange(n_level_blocks + 1) * (LEVEL_BLOCK / sr)
    add_sample(
        note,
        tape,
        loop_length,
        region.sr / sr * 2.0 ** (cents / 1200),
        _low_pass(cutoff_cents, region.resonance_db, sr),
        gain * _amplitude(region, edges, duration_s, pitch),
    )


def _low_pass(cutoff_cents: np.ndarray, resonance_db: float, sr: int) -> np.ndarray:
    """Coefficients of a two-pole low-pass, one row a cutoff; none for a filter that stays open."""
    highest_hz = 0.45 * sr
    cutoff_hz = np.minimum(8.176 * 2 ** (cutoff_cents / 1200), highest_hz)
    if (cutoff_hz == highest_hz).all():
        return np.empty((0, 3))
    # 0 dB of resonance means a flat (Butterworth) pass band, hence the 3.01 dB.
    q = 10 ** ((resonance_db - 3.01) / 20)
    omega = 2 * np.pi * cutoff_hz / sr
    alpha, cosine = np.sin(omega) / (2 * q), np.cos(omega)
    coefficients = np.stack([(1 - cosine) / 2, -2 * cosine, 1 - alpha], axis=1)
    return coefficients / (1 + alpha)[:, None]


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
    held = np.minimum(times, duration_s)
    pressed = _pressed_level(envelope, held, pitch)
    attack_end_s = envelope.delay_s + max(envelope.attack_s, MIN_SEGMENT_S)
    amplitude = np.where(held < attack_end_s, pressed, 10 ** (5 * (pressed - 1)))
    fall = np.maximum(times - duration_s, 0) / max(envelope.release_s, MIN_SEGMENT_S)
    amplitude = np.where(fall < 1, amplitude * 10 ** (-5 * fall), 0)
    if region.lfo_to_volume_db == 0:
        return amplitude
    return amplitude * 10 ** (region.lfo_to_volume_db * _triangle(region.lfo, times) / 20)


def _triangle(oscillator: Oscillator, times: np.ndarray) -> np.ndarray:
    """Swing between -1 and 1, starting at 0 upwards."""
    turns = np.maximum(times - oscillator.delay_s, 0) * oscillator.rate_hz
    return 1 - 4 * np.abs((turns + 0.25) % 1 - 0.5)
