"""Write the rows that hold the frozen feature sets in place.

    PYTHONPATH=. python tests/write_golden_rows.py

A set with a version never changes under its name: run this for a new set or version only, never to
make a failing test pass. The sound is made of sines and of a congruential generator, so that no
library's random numbers can change it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("golden_rows.json")
SR = 22050
DURATION_S = 2.5


def golden_sound() -> np.ndarray:
    """Give three decaying, slightly stretched notes in faint noise, (n_timepoints,), float32."""
    n = round(DURATION_S * SR)
    state, noise = 1, np.empty(n)
    for i in range(n):
        state = (1103515245 * state + 12345) % 2**31
        noise[i] = state / 2**30 - 1.0
    time = np.arange(n) / SR
    waveform = 2e-3 * noise
    for onset_s, pitch_hz in ((0.1, 220.0), (0.8, 329.63), (1.6, 146.83)):
        since = np.maximum(time - onset_s, 0.0)
        for k in range(1, 13):
            partial_hz = k * pitch_hz * np.sqrt(1 + 2e-4 * k**2)
            partial = np.exp(-1.5 * k * since) * np.sin(2 * np.pi * partial_hz * since) / k
            waveform += 0.2 * (1 - np.exp(-80 * since)) * partial
    return waveform.astype(np.float32)


def main() -> None:
    from features import get_feature_set, list_feature_sets

    rows = {}
    for name in list_feature_sets():
        feature_set = get_feature_set(name)
        if not hasattr(feature_set, "parts"):
            continue  # another package's numbers
        rows[name] = {
            "digest": feature_set.digest,
            "row": [float(f"{value:.7g}") for value in feature_set.compute(golden_sound())],
        }
    GOLDEN.write_text(json.dumps(rows, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
