"""How fast features are extracted, beside the floor and beside one librosa call per feature.

    python benchmarks/bench_extraction.py [--repeats 30]

All on one thread, one process, the same 3 s clip (44.1 kHz wav, resampled to 22,050 Hz), decoding
and resampling included. The floor is what nobody can leave out: `soundfile.read`, soxr in high
quality, framing and `rfft`. Times drift with the machine: read the ratios, which come from one run.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import librosa
import numpy as np
import scipy.fft
import soundfile
import soxr

from features.audio import load_audio
from features.feature_set import get_feature_set

SECONDS, SR, TARGET_SR, N_FFT, HOP = 3.0, 44_100, 22_050, 2048, 512


def make_clip() -> np.ndarray:
    """A decaying harmonic tone with noise: sound enough for every descriptor."""
    rng = np.random.default_rng(0)
    t = np.arange(round(SECONDS * SR)) / SR
    tone = sum(np.sin(2 * np.pi * 220 * k * t) / k for k in range(1, 20))
    return 0.2 * tone * np.exp(-t) + 0.01 * rng.standard_normal(len(t))


def floor(path: Path) -> None:
    waveform, sr = soundfile.read(path, dtype="float32")
    waveform = soxr.resample(waveform, sr, TARGET_SR, quality="HQ")
    padded = np.pad(waveform, N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    scipy.fft.rfft(frames * np.hanning(N_FFT).astype(np.float32), axis=1)


def librosa_calls(path: Path) -> None:
    """The spectral part of standard-v1, one call a feature, as most scripts do."""
    y, sr = librosa.load(path, sr=TARGET_SR)
    feature = librosa.feature
    mfcc = feature.mfcc(y=y, sr=sr, n_mfcc=20)
    contours = [
        mfcc,
        feature.delta(mfcc),
        feature.delta(mfcc, order=2),
        librosa.power_to_db(feature.melspectrogram(y=y, sr=sr, n_mels=40)),
        feature.spectral_centroid(y=y, sr=sr),
        feature.spectral_bandwidth(y=y, sr=sr),
        *(feature.spectral_rolloff(y=y, sr=sr, roll_percent=p) for p in (0.5, 0.85, 0.95)),
        feature.spectral_flatness(y=y),
        feature.spectral_contrast(y=y, sr=sr),
        librosa.onset.onset_strength(y=y, sr=sr)[None],
        feature.chroma_stft(y=y, sr=sr),
        feature.zero_crossing_rate(y),
        feature.rms(y=y),
    ]
    for contour in contours:
        contour.mean(axis=1), contour.std(axis=1), np.percentile(contour, (10, 50, 90), axis=1)


def milliseconds(function, path: Path, repeats: int) -> float:
    function(path)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(path)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    rows = {"floor": floor}
    for name in ("compact-v1", "standard-v1"):
        features = get_feature_set(name)
        rows[f"{name} ({features.n_features})"] = lambda path, features=features: features.compute(
            load_audio(path, sr=features.sr)[0]
        )
    rows["librosa, a call a feature"] = librosa_calls
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        soundfile.write(path, make_clip(), SR)
        measured = {name: milliseconds(row, path, repeats) for name, row in rows.items()}
    libraries = ("numpy", "scipy", "soxr", "librosa")
    print(platform.processor() or platform.machine(), platform.python_version())
    print(", ".join(f"{name} {version(name)}" for name in libraries))
    print(f"{'':28s}{'ms':>8s}{'x floor':>9s}{'x real time':>13s}")
    for name, ms in measured.items():
        ratio = ms / measured["floor"]
        print(f"{name:28s}{ms:8.2f}{ratio:9.2f}{SECONDS * 1e3 / ms:13.0f}")
    standard = next(ms for name, ms in measured.items() if name.startswith("standard"))
    print(f"librosa / standard-v1: {measured['librosa, a call a feature'] / standard:.1f}")


if __name__ == "__main__":
    main()
