"""How surely changed copies are found among real recordings, and how fast.

    python benchmarks/bench_duplicates.py FOLDER [--clips N] [--jobs 1]   recall, false pairs, scan
    python benchmarks/bench_duplicates.py --search 100000 [--jobs 2]      the search alone

Each recording below FOLDER is changed in one way after another: 20 dB quieter, at 16 kHz, through
64 kb/s MP3, 0.3 s of silence put before, its first 0.3 s cut off, and the last two with each of
the first three. Originals and changed copies are written, scanned and searched together, every
clip a group of its own, so that all pairs count. Recall is the share of copies found as copies of
their originals; a false pair is any other pair. What a cut leaves must sound to be found: its
recall is given for all clips longer than 0.3 s, and for those of which 0.2 s are left within 30 dB
of their loudest moment. Times are processor time where one process works, else wall-clock time.

The search alone is fed with made-up fingerprints of clips of 5 s, one in a hundred a copy of
another: shifted, quieter, with a step of noise on every level.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr

from features.audio import list_audio_files, load_audio
from features.checking.audio_scan import AudioScan, scan_audio
from features.checking.duplicates import find_duplicates
from features.checking.fingerprint import MARGIN, MAX_FRAMES, N_BANDS, Fingerprints
from features.checking.suspects import find_suspects
from features.manifest import Manifest, make_manifest

SHIFT_S = 0.3
SOUNDING_DB, SOUNDING_S = 30.0, 0.2
# Of its range of bit rates, the encoder takes a share: at 32 kHz and above, 32 to 320 kb/s.
LEVEL_OF_64_KBPS = (320 - 64) / (320 - 32)

Sound = tuple[np.ndarray, int]


def gain(sound: Sound) -> Sound:
    return 0.1 * sound[0], sound[1]


def at_16_khz(sound: Sound) -> Sound:
    return soxr.resample(*sound, 16_000), 16_000


def later(sound: Sound) -> Sound:
    return np.pad(sound[0], (round(SHIFT_S * sound[1]), 0)), sound[1]


def cut(sound: Sound) -> Sound:
    return sound[0][round(SHIFT_S * sound[1]) :], sound[1]


def write_wav(sound: Sound, path: Path) -> Path:
    path = path.with_suffix(".wav")
    soundfile.write(path, *sound, subtype="PCM_16")
    return path


def write_mp3(sound: Sound, path: Path) -> Path:
    path = path.with_suffix(".mp3")
    settings = {"bitrate_mode": "CONSTANT", "compression_level": LEVEL_OF_64_KBPS}
    soundfile.write(path, *sound, format="MP3", subtype="MPEG_LAYER_III", **settings)
    return path


CHANGES: dict[str, tuple[list[Callable[[Sound], Sound]], Callable[[Sound, Path], Path]]] = {
    "-20 dB": ([gain], write_wav),
    "16 kHz": ([at_16_khz], write_wav),
    "64 kb/s MP3": ([], write_mp3),
    "0.3 s before": ([later], write_wav),
    "0.3 s before, -20 dB": ([later, gain], write_wav),
    "0.3 s before, 16 kHz": ([later, at_16_khz], write_wav),
    "0.3 s before, MP3": ([later], write_mp3),
    "0.3 s cut": ([cut], write_wav),
    "0.3 s cut, -20 dB": ([cut, gain], write_wav),
    "0.3 s cut, 16 kHz": ([cut, at_16_khz], write_wav),
    "0.3 s cut, MP3": ([cut], write_mp3),
}


def each_its_own_group(paths: list[Path], root: Path) -> Manifest:
    names = [str(path) for path in paths]
    return make_manifest(pd.DataFrame({"path": names, "group": names, "labels": "x"}), root)


def left_sounding_s(path: Path) -> float:
    """Give how much of a recording sounds after the cut."""
    waveform, sr = load_audio(path)
    hop = sr // 100
    moments = waveform[: len(waveform) // hop * hop].reshape(-1, hop).astype(np.float64)
    power = (moments**2).mean(axis=1)
    loud = power >= power.max() * 10 ** (-SOUNDING_DB / 10)
    return float(loud[round(SHIFT_S * 100) :].sum() / 100)


def joined(one: AudioScan, other: AudioScan) -> AudioScan:
    a, b = one.fingerprints, other.fingerprints
    prints = Fingerprints(
        np.concatenate([a.times, b.times]),
        np.concatenate([a.levels, b.levels]),
        np.concatenate([a.bounds, a.bounds[-1] + b.bounds[1:]]),
    )
    return AudioScan(pd.concat([one.clips, other.clips], ignore_index=True), prints)


def change_all(paths: list[Path], name: str, folder: Path) -> tuple[list[Path], np.ndarray]:
    """Write changed copies; give them and the positions of their originals."""
    changes, write = CHANGES[name]
    copies, originals = [], []
    for k, path in enumerate(paths):
        sound = load_audio(path)
        if "cut" in name and len(sound[0]) <= round(SHIFT_S * sound[1]):
            continue
        for change in changes:
            sound = change(sound)
        copies.append(write(sound, folder / f"{k:06d}"))
        originals.append(k)
    return copies, np.array(originals)


def measure_recall(folder: Path, n_clips: int | None, n_jobs: int) -> None:
    paths = list_audio_files(folder)[:n_clips]
    manifest = each_its_own_group(paths, folder)
    scan_audio(manifest.select(np.arange(min(len(paths), 8))))  # loads what is loaded late
    clock = time.process_time if n_jobs == 1 else time.perf_counter
    start = clock()
    scan = scan_audio(manifest, n_jobs=n_jobs)
    took = clock() - start
    seconds = scan.clips["duration_s"].sum()
    print(f"{len(paths)} recordings, {seconds:.0f} s; scan {took:.1f} s: {len(paths) / took:.0f} "
          f"clips/s, {seconds / took:.0f} x real time with {n_jobs} jobs")  # fmt: skip
    start = clock()
    found = find_duplicates(manifest, scan, n_jobs=n_jobs)
    n_pairs = len(paths) * (len(paths) - 1) // 2
    print(f"originals: {len(found.pairs)} pairs found among {n_pairs:,}; {clock() - start:.1f} s")
    for pair in found.pairs.itertuples():
        print(f"  {paths[pair.left].name} {paths[pair.right].name} {pair.kind} {pair.correlation}")
    sounding = np.array([left_sounding_s(path) for path in paths]) >= SOUNDING_S
    print(f"\n{'':22s}{'copies':>8s}{'recall':>9s}{'false pairs':>13s}{'search, s':>11s}"
          f"{'least correlation':>19s}")  # fmt: skip
    for name in CHANGES:
        with tempfile.TemporaryDirectory() as temporary:
            copies, originals = change_all(paths, name, Path(temporary))
            changed = each_its_own_group(copies, Path(temporary))
            both = each_its_own_group([*paths, *copies], folder)
            whole = joined(scan, scan_audio(changed, n_jobs=n_jobs))
            start = clock()
            pairs = find_duplicates(both, whole, n_jobs=n_jobs).pairs
            took = clock() - start
        left, right = pairs["left"].to_numpy(int), pairs["right"].to_numpy(int)
        is_copy = right >= len(paths)
        is_copy[is_copy] = originals[right[is_copy] - len(paths)] == left[is_copy]
        hit = np.isin(np.arange(len(paths)), left[is_copy])[originals]
        least = pairs["correlation"][is_copy].min()
        print(f"{name:22s}{len(hit):8d}{hit.mean():9.4f}{(~is_copy).sum():13d}{took:11.1f}"
              f"{least:19.4f}", flush=True)  # fmt: skip
        if "cut" in name:
            rest = hit[sounding[originals]]
            print(f"{'  of what still sounds':22s}{len(rest):8d}{rest.mean():9.4f}")


def make_up(n_clips: int, rng: np.random.Generator) -> Fingerprints:
    """Give levels that wander around a spectrum of their own, and copies at the end."""
    n_frames, n_copies, shift = MAX_FRAMES, n_clips // 100, 19
    levels = np.zeros((n_clips, n_frames + 2 * MARGIN, N_BANDS), dtype=np.uint8)
    for start in range(0, n_clips, 2000):
        n = min(2000, n_clips - start)
        steps = rng.standard_normal((n, n_frames + 8, N_BANDS)).astype(np.float32)
        steps = np.cumsum(steps, axis=1)
        wandering = 8.0 * (steps[:, 8:] - steps[:, :-8]) / np.sqrt(8.0)
        swelling = np.cumsum(rng.normal(0.0, 1.0, (n, n_frames, 1)), axis=1)
        found = rng.normal(130.0, 12.0, (n, 1, N_BANDS)) + wandering + swelling
        levels[start : start + n, MARGIN:-MARGIN] = np.clip(found, 1, 255)
    inner = levels[:, MARGIN:-MARGIN]
    noise = rng.integers(-1, 2, (n_copies, n_frames - shift, N_BANDS))
    quieter = inner[:n_copies, shift:].astype(int) - 30 + noise
    inner[n_clips - n_copies :] = 0
    inner[n_clips - n_copies :, : n_frames - shift] = np.clip(quieter, 0, 255)
    times = np.tile(np.arange(-MARGIN, n_frames + MARGIN, dtype=np.int32), n_clips)
    bounds = np.arange(n_clips + 1, dtype=np.int64) * levels.shape[1]
    return Fingerprints(times, levels.reshape(-1, N_BANDS), bounds)


def measure_search(n_clips: int, n_jobs: int) -> None:
    rss_mb = partial(resource.getrusage, resource.RUSAGE_SELF)
    find_suspects(make_up(300, np.random.default_rng(1)))  # loads what is loaded late
    prints = make_up(n_clips, np.random.default_rng(0))
    before = rss_mb().ru_maxrss / 1e3
    start, start_cpu = time.perf_counter(), time.process_time()
    found = find_suspects(prints, n_jobs=n_jobs)
    took, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    n_copies = n_clips // 100
    hits = (found["right"] - found["left"] == n_clips - n_copies).sum()
    print(f"{n_clips:,} clips, fingerprints of {prints.levels.nbytes / 1e6:.0f} MB: {took:.0f} s, "
          f"{cpu:.0f} s of processor time with {n_jobs} threads; {hits} of {n_copies} copies "
          f"found, {len(found) - hits} others; memory at most {before:.0f} MB before, "
          f"{rss_mb().ru_maxrss / 1e3:.0f} MB during the search")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--clips", type=int, help="only the first so many recordings")
    parser.add_argument("--search", type=int, help="made-up fingerprints to search")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.folder is None and arguments.search is None:
        parser.error("name a folder of recordings, or --search N")
    print(f"{platform.machine()}, Python {platform.python_version()}")
    if arguments.folder is not None:
        measure_recall(arguments.folder, arguments.clips, arguments.jobs)
    if arguments.search is not None:
        measure_search(arguments.search, arguments.jobs)


if __name__ == "__main__":
    main()
