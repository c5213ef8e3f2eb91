"""What a soundfont says of one sample: its pitch, loop, envelopes, oscillators and filter.

Conventions: times in seconds, pitches in MIDI keys (69 is A4, 440 Hz), small intervals in cents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Envelope:
    """A delay, attack, hold, decay, sustain, release envelope on a scale from 0 to 1.

    Parameters
    ----------
    delay_s, attack_s, hold_s : float
        How long it stays at 0, rises to 1, stays at 1.
    decay_s, release_s : float
        How long a full fall from 1 to 0 would take.
    sustain : float
        The level where the decay ends.
    hold_cents, decay_cents : float
        By how much hold and decay get longer for each key below 60 (1200 doubles them).
    """

    delay_s: float
    attack_s: float
    hold_s: float
    decay_s: float
    sustain: float
    release_s: float
    hold_cents: float
    decay_cents: float


@dataclass(frozen=True, slots=True)
class Oscillator:
    """A low-frequency triangle that starts after a delay."""

    delay_s: float
    rate_hz: float


@dataclass(frozen=True, slots=True)
class Region:
    """One sample, and how it sounds over a range of keys and velocities.

    Parameters
    ----------
    keys, velocities : tuple of int
        Lowest and highest, both included.
    tape : callable
        Reads the recorded sample: a tape as `features.synthesis.playing.make_tape` makes it, and
        how far to step back at its end, 0 where it plays once.
    sr : int
        Its sampling rate in Hz.
    root_key : float
        The key at which the sample sounds as it was recorded, all tunings included.
    cents_per_key : float
        100 but for instruments that do not follow the keyboard.
    attenuation_db : float
        How much softer than full scale.
    cutoff_cents, resonance_db : float
        Of the low-pass filter, in cents above 8.176 Hz.
    volume, modulation : Envelope
        Of the level, and of what the next two name.
    modulation_to_cutoff, modulation_to_pitch : float
        Reach of the modulation envelope in cents.
    lfo, vibrato : Oscillator
        The two low-frequency oscillators.
    lfo_to_pitch, vibrato_to_pitch : float
        Their reach in cents.
    lfo_to_volume_db : float
        Tremolo in dB.
    """

    keys: tuple[int, int]
    velocities: tuple[int, int]
    tape: Callable[[], tuple[np.ndarray, int]]
    sr: int
    root_key: float
    cents_per_key: float
    attenuation_db: float
    cutoff_cents: float
    resonance_db: float
    volume: Envelope
    modulation: Envelope
    modulation_to_cutoff: float
    modulation_to_pitch: float
    lfo: Oscillator
    vibrato: Oscillator
    lfo_to_pitch: float
    vibrato_to_pitch: float
    lfo_to_volume_db: float
