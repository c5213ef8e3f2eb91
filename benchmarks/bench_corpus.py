"""How extraction behaves on a corpus: throughput, workers, memory.

    python benchmarks/bench_corpus.py tiles [--clips 100000]   throughput and memory along the way
    python benchmarks/bench_corpus.py workers                  two workers against one
    python benchmarks/bench_corpus.py seconds                  400 clips of 5 s, start-up apart
    python benchmarks/bench_corpus.py hours [--hours 3]        one very long file

Clips are stretches of one noisy rendered sound, each of its own content. Memory is resident memory
as the system tells it, of this process and of its workers.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from features import get_feature_set
from features.extraction import extract_to_file
from features.manifest import make_manifest

SR = 44_100


def write_sound(path: Path, seconds: float, *, sr: int = SR) -> None:
    """Notes in noise, written minute by minute."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", sr, 1, "PCM_16") as file:
        left = round(seconds * sr)
        while left > 0:
            t = np.arange(min(left, 60 * sr)) / sr
            pitch = 110.0 * 2 ** (rng.integers(0, 36) / 12)
            tone = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 12))
            noise = 0.01 * rng.standard_normal(len(t))
            file.write(0.15 * tone * np.exp(-(t % 0.7) * 3) + noise)
            left -= len(t)


def stretches(path: Path, n: int, *, seconds: float):
    """Give a manifest of parts of one file, all different."""
    starts = np.linspace(0.0, soundfile.info(path).duration - seconds, n).round(4)
    rows = pd.DataFrame({"path": str(path), "labels": "x", "group": "g", "start_s": starts})
    rows["end_s"] = rows["start_s"] + seconds
    rows["clip_id"] = [f"clip_{k:06d}" for k in range(n)]
    return make_manifest(rows, path.parent)


def resident_mb() -> dict[int, float]:
    """Resident memory of this process and its descendants, by process number."""
    parents, resident = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = dict(
                    line.split(":", 1) for line in (folder / "status").read_text().splitlines()
                )
                parents[int(folder.name)] = int(fields["PPid"])
                resident[int(folder.name)] = int(fields.get("VmRSS", "0 kB").split()[0]) / 1024
            except (OSError, KeyError, ValueError):
                continue
    family = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        if not more:
            return {pid: resident[pid] for pid in sorted(family)}
        family |= more


def tiles(args: argparse.Namespace, folder: Path) -> None:
    sound = folder / "sound.wav"
    write_sound(sound, 1200.0)
    manifest = stretches(sound, args.clips, seconds=3.0)
    marks = []

    def progress(done: int, total: int) -> None:
        if not marks or done - marks[-1][0] >= total / 20 or done == total:
            marks.append((done, time.perf_counter(), resident_mb()))

    start = time.perf_counter()
    extract_to_file(
        manifest,
        folder / "X.parquet",
        feature_set=args.feature_set,
        n_jobs=args.jobs,
        use_cache=args.cache,
        progress=progress,
    )
    print(f"{args.clips} clips of 3 s, {args.jobs} workers, {time.perf_counter() - start:.0f} s")
    print(f"{'clips':>8s}{'clips/s':>9s}{'this, MB':>10s}{'others, MB':>12s}")
    rates = []
    for (before, t_0, _), (done, t_1, memory) in pairwise(marks):
        rates.append((done - before) / (t_1 - t_0))
        here = memory.pop(os.getpid())
        others = " ".join(f"{mb:.0f}" for mb in memory.values())
        print(f"{done:8d}{rates[-1]:9.0f}{here:10.0f}  {others}")
    n = max(1, len(rates) // 5)
    first, last = np.median(rates[:n]), np.median(rates[-n:])
    print(f"throughput of the last fifth / first fifth: {last / first:.3f}")


def timed(manifest, out: Path, feature_set: str, jobs: int) -> float:
    start = time.perf_counter()
    extract_to_file(manifest, out, feature_set=feature_set, n_jobs=jobs, use_cache=False)
    return time.perf_counter() - start


def workers(args: argparse.Namespace, folder: Path) -> None:
    sound = folder / "sound.wav"
    write_sound(sound, 600.0)
    few, many = stretches(sound, 64, seconds=3.0), stretches(sound, args.clips, seconds=3.0)
    for jobs in (1, 2):  # workers start, kernels load
        timed(few, folder / f"warm_{jobs}.parquet", args.feature_set, jobs)
    seconds = {jobs: [] for jobs in (1, 2)}
    for turn in range(3):
        for jobs in (1, 2):
            out = folder / f"{turn}_{jobs}.parquet"
            seconds[jobs].append(timed(many, out, args.feature_set, jobs))
    one, two = (float(np.median(seconds[jobs])) for jobs in (1, 2))
    for jobs, taken in ((1, one), (2, two)):
        rate = args.clips / taken
        print(f"{jobs} workers: {taken:6.1f} s, {rate:6.0f} clips/s, {rate * 3:8.0f} x real time")
    print(f"two against one: {one / two:.2f}")


def seconds(args: argparse.Namespace, folder: Path) -> None:
    sound = folder / "sound.wav"
    write_sound(sound, 2000.0)
    started = timed(stretches(sound, 64, seconds=5.0), folder / "w.parquet", args.feature_set, 2)
    taken = timed(stretches(sound, 400, seconds=5.0), folder / "X.parquet", args.feature_set, 2)
    print(f"start-up and 64 clips: {started:.2f} s; 400 clips of 5 s, 2 workers: {taken:.2f} s")


def hours(args: argparse.Namespace, folder: Path) -> None:
    sound = folder / "long.wav"
    write_sound(sound, args.hours * 3600)
    code = (
        "import resource, sys, time, pandas as pd\n"
        "from pathlib import Path\n"
        "from features.extraction import extract_to_file\n"
        "from features.manifest import make_manifest\n"
        "path = Path(sys.argv[1])\n"
        "clips = make_manifest(pd.DataFrame({'path': [str(path)], 'labels': ['x']}), path.parent)\n"
        "mb = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before, start = mb(), time.perf_counter()\n"
        "extract_to_file(clips, path.parent / 'L.parquet', feature_set=sys.argv[2], n_jobs=1)\n"
        "taken = time.perf_counter() - start\n"
        "print(f'{taken:.1f} s; peak {mb():.0f} MB, of which {before:.0f} MB the libraries')\n"
    )
    print(f"{args.hours} hours at {SR} Hz, {args.feature_set}: ", end="", flush=True)
    subprocess.run([sys.executable, "-c", code, str(sound), args.feature_set], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["tiles", "workers", "seconds", "hours"])
    parser.add_argument("--clips", type=int, default=4000)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--feature-set", default="standard-v1")
    parser.add_argument("--cache", action="store_true", help="keep finished rows, as by default")
    args = parser.parse_args()
    n_features = get_feature_set(args.feature_set).n_features
    print(f"{args.feature_set} ({n_features} features), Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        {"tiles": tiles, "workers": workers, "seconds": seconds, "hours": hours}[args.what](
            args, Path(folder)
        )


if __name__ == "__main__":
    main()
