"""How fast features are extracted, beside the floor, librosa and openSMILE.

    python benchmarks/bench_extraction.py [--repeats 20]

All on one thread, in one process, taking turns of ten calls: the same 3 s clip (44.1 kHz wav),
decoding and resampling to 22,050 Hz included. The floor is what nobody can leave out:
`soundfile.read`, soxr in high quality, framing, window and `rfft`; it profits like the rest from
the C library being told to keep freed memory. Times drift with the machine: read the ratios. The
first call of each, which loads kernels and builds bases, is shown apart.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import platform
import tempfile
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import librosa
import numpy as np
import scipy.fft
import scipy.stats
import soundfile
import soxr

from features import get_feature_set, load_audio
from features.analysis import ClipAnalysis
from features.harmonic import harmonic_percussive
from features.pitch import yin
from features.tonal import chroma_cqt

CALLS = 10
SECONDS, SR, TARGET_SR, N_FFT, HOP = 3.0, 44_100, 22_050, 2048, 512
WINDOW = np.hanning(N_FFT + 1)[:-1].astype(np.float32)


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
    scipy.fft.rfft(frames * WINDOW, axis=1)


def statistics_of(contour: np.ndarray) -> None:
    """The eight statistics that standard-v1 takes of a contour."""
    time_axis = np.arange(contour.shape[1])
    contour.mean(axis=1), contour.std(axis=1)
    scipy.stats.skew(contour, axis=1), scipy.stats.kurtosis(contour, axis=1)
    np.polyfit(time_axis, contour.T, 1)
    np.percentile(contour, (10, 50, 90), axis=1)


def librosa_contours(y: np.ndarray, sr: int) -> list[np.ndarray]:
    """What librosa has of standard-v1 (no entropies, no moments), one call a feature."""
    feature = librosa.feature
    mfcc = feature.mfcc(y=y, sr=sr, n_mfcc=20, n_mels=40)
    return [
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
        feature.chroma_stft(y=y, sr=sr, tuning=0.0),
        feature.zero_crossing_rate(y),
        feature.rms(y=y),
    ]


def librosa_more(y: np.ndarray, sr: int) -> list[np.ndarray]:
    """What librosa has of full-v1 beyond standard-v1."""
    harmonic, percussive = librosa.decompose.hpss(np.abs(librosa.stft(y)))
    chroma = librosa.feature.chroma_cqt(y=y, sr=sr, tuning=0.0)
    return [
        (harmonic**2).sum(axis=0, keepdims=True),
        (percussive**2).sum(axis=0, keepdims=True),
        chroma,
        librosa.feature.tonnetz(chroma=chroma),
        librosa.yin(y, fmin=65.4, fmax=2093.0, sr=sr)[None],
    ]


def librosa_calls(path: Path) -> None:
    librosa_contours(*librosa.load(path, sr=TARGET_SR))


def librosa_standard(path: Path) -> None:
    for contour in librosa_contours(*librosa.load(path, sr=TARGET_SR)):
        statistics_of(contour)


def librosa_full(path: Path) -> None:
    y, sr = librosa.load(path, sr=TARGET_SR)
    for contour in librosa_contours(y, sr) + librosa_more(y, sr):
        statistics_of(contour)


def ours(name: str):
    features = get_feature_set(name)
    return lambda path: features.compute(load_audio(path, sr=features.sr)[0])


def parts(path: Path) -> dict:
    """Single descriptors beside librosa's, from the same decoded waveform or spectrum."""
    y = load_audio(path, sr=TARGET_SR)[0]

    def fresh() -> ClipAnalysis:
        return ClipAnalysis(y, TARGET_SR)

    spectrum = np.abs(librosa.stft(y))
    kept = fresh()
    assert kept.magnitude.shape == spectrum.shape
    return {
        "HPSS, ours": lambda _: harmonic_percussive(kept),
        "HPSS, librosa": lambda _: librosa.decompose.hpss(spectrum),
        "CQT chroma, ours": lambda _: chroma_cqt(fresh()),
        "CQT chroma, librosa": lambda _: librosa.feature.chroma_cqt(y=y, sr=TARGET_SR, tuning=0.0),
        "yin, ours": lambda _: yin(fresh()),
        "yin, librosa": lambda _: librosa.yin(y, fmin=65.4, fmax=2093.0, sr=TARGET_SR),
    }


def opensmile_sets() -> dict:
    if find_spec("opensmile") is None:
        print("openSMILE is not installed: its rows are left out")
        return {}
    import opensmile

    functionals = opensmile.FeatureLevel.Functionals
    sets = opensmile.FeatureSet
    smiles = {
        "openSMILE eGeMAPSv02 (88)": opensmile.Smile(sets.eGeMAPSv02, functionals),
        "openSMILE ComParE 2016 (6373)": opensmile.Smile(sets.ComParE_2016, functionals),
    }
    return {name: lambda path, s=smile: s.process_file(str(path)) for name, smile in smiles.items()}


def take_turns(rows: dict, path: Path, repeats: int) -> tuple[dict, dict]:
    """Give the first call and the median of the others, in ms."""
    first, times = {}, {name: [] for name in rows}
    for name, row in rows.items():
        start = time.perf_counter()
        row(path)
        first[name] = 1e3 * (time.perf_counter() - start)
    for _ in range(repeats):
        for name, row in rows.items():
            # Some calls on end, as in a corpus: the code of one method stays in the cache.
            for _ in range(CALLS):
                start = time.perf_counter()
                row(path)
                times[name].append(1e3 * (time.perf_counter() - start))
    return first, {name: float(np.median(taken)) for name, taken in times.items()}


def versions() -> str:
    found = []
    for name in ("numpy", "scipy", "numba", "soxr", "soundfile", "librosa", "opensmile"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore")
    sizes = {name: get_feature_set(name).n_features for name in ("standard-v1", "full-v1")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        soundfile.write(path, make_clip(), SR)
        rows = {
            "floor": floor,
            "compact-v1 (28)": ours("compact-v1"),
            f"standard-v1 ({sizes['standard-v1']})": ours("standard-v1"),
            f"full-v1 ({sizes['full-v1']})": ours("full-v1"),
            "librosa calls of standard-v1": librosa_calls,
            "  and their statistics": librosa_standard,
            "librosa calls of full-v1": librosa_full,
            **opensmile_sets(),
            **parts(path),
        }
        first, ms = take_turns(rows, path, repeats)
    print(
        f"{processor()}, Python {platform.python_version()}, one thread, {repeats} turns of {CALLS}"
    )
    print(versions())
    print(f"\n{'':32s}{'ms':>8s}{'x floor':>9s}{'x real time':>13s}{'first, ms':>11s}")
    for name, taken in ms.items():
        real_time = "" if name.endswith(("ours", "librosa")) else f"{SECONDS * 1e3 / taken:.0f}"
        ratio = taken / ms["floor"]
        print(f"{name:32s}{taken:8.2f}{ratio:9.2f}{real_time:>13s}{first[name]:11.0f}")
    standard, full = (next(v for k, v in ms.items() if k.startswith(n)) for n in sizes)
    print()
    ratio_of = {
        "standard-v1 / floor": standard / ms["floor"],
        "full-v1 / floor": full / ms["floor"],
        "librosa's calls / standard-v1": ms["librosa calls of standard-v1"] / standard,
        "  and their statistics / standard-v1": ms["  and their statistics"] / standard,
        "librosa's calls and statistics / full-v1": ms["librosa calls of full-v1"] / full,
        **{f"{name} / standard-v1": ms[name] / standard for name in ms if "openSMILE" in name},
        **{
            f"{what}, librosa's / ours": ms[f"{what}, librosa"] / ms[f"{what}, ours"]
            for what in ("HPSS", "CQT chroma", "yin")
        },
    }
    for what, ratio in ratio_of.items():
        print(f"{what:44s}{ratio:7.1f}")


if __name__ == "__main__":
    main()
