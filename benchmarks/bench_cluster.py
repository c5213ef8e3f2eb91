"""Two Dask workers on this machine beside two local ones and one process, with the same clips.

    python benchmarks/bench_cluster.py [--clips 3000] [--turns 2]

The scheduler and its two workers are started on loopback, and stopped at the end. Start-up is left
out: each way computes 256 clips first. The tables must be equal bit for bit.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import tempfile
import time
from pathlib import Path

from bench_corpus import stretches, write_sound
from distributed import LocalCluster

from features.extraction import extract_to_file
from features.table import read_values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=3000)
    parser.add_argument("--turns", type=int, default=2)
    args = parser.parse_args()
    rates: dict[str, float] = {}

    def measure(folder: Path, way: str, **settings) -> None:
        extract_to_file(few, folder / f"few {way}.parquet", **settings)
        for turn in range(args.turns):
            start = time.perf_counter()
            extract_to_file(many, folder / f"{turn} {way}.parquet", **settings)
            rates[way] = args.clips / (time.perf_counter() - start)
            print(
                f"{way:20s}{rates[way]:6.0f} clips/s{3 * rates[way]:8.0f} x real time", flush=True
            )

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sound(folder / "sound.wav", 600.0)
        few = stretches(folder / "sound.wav", 256, seconds=3.0)
        many = stretches(folder / "sound.wav", args.clips, seconds=3.0)
        measure(folder, "one process", n_jobs=1, use_cache=False)
        measure(folder, "two local workers", n_jobs=2, use_cache=False)
        # Dask comes last: it sets this process up to give memory back, which slows down the others.
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
            measure(folder, "two Dask workers", scheduler=cluster.scheduler_address)
        bits = {read_values(folder / f"0 {way}.parquet").to_numpy().tobytes() for way in rates}
        print(f"tables equal bit for bit: {len(bits) == 1}")


if __name__ == "__main__":
    main()
