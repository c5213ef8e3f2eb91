"""How fast the built-in corpus is rendered, and where the time goes.

    python benchmarks/bench_render.py [--repeats 3] [--backing] [--soundfont FILE]

One process, one thread, processor time: 1,020 clips of 3 s at 22,050 Hz, with room and noise, coded
as FLAC and written. The best of the repeats counts; the first rendering, which compiles or loads
the sampler's loop and reads the samples, is shown apart. Stages are timed in a further rendering.
`--backing` adds drums and accompaniment to half of the clips each.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import platform
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import soundfile

from features.synthesis import clip, render
from features.synthesis.render import render_corpus

N_CLIPS, SECONDS = 660 + 120 + 240, 3.0

STAGES = {
    "notes (sampler)": (clip, "render_note"),
    "when notes end": (clip, "_sounding_end"),
    "levels": (clip, "_judge"),
    "resampling": (clip, "resample"),
    "room": (clip, "record"),
    "noise": (clip, "make_noise"),
    "FLAC, written": (soundfile, "write"),
}


def render_once(settings: dict) -> float:
    """Seconds of processor time of one rendering."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        render_corpus(Path(folder) / "corpus", **settings)
        return time.process_time() - start


def time_stages(settings: dict) -> tuple[float, Counter]:
    """Seconds in all and in each stage."""
    spent: Counter = Counter()

    def timed(stage, function):
        def call(*arguments, **keywords):
            start = time.process_time()
            try:
                return function(*arguments, **keywords)
            finally:
                spent[stage] += time.process_time() - start

        return call

    patches = [
        mock.patch.object(module, name, timed(stage, getattr(module, name)))
        for stage, (module, name) in STAGES.items()
    ]
    for patch in patches:
        patch.start()
    try:
        total = render_once(settings)
    finally:
        mock.patch.stopall()
    return total, spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--backing", action="store_true")
    parser.add_argument("--soundfont", type=Path)
    args = parser.parse_args()
    settings = {"soundfont": args.soundfont}
    if args.backing:
        settings |= {"drums": 0.5, "accompaniment": 0.5}
    sound_s = N_CLIPS * SECONDS
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
          f"numpy {np.__version__}, {render.CORPUS}: {N_CLIPS} clips of {SECONDS} s")  # fmt: skip
    first = render_once(settings)
    best = min(render_once(settings) for _ in range(args.repeats))
    print(f"first  {first:6.2f} s  {sound_s / first:6.0f} x real time on one core")
    print(f"best   {best:6.2f} s  {sound_s / best:6.0f} x real time on one core, "
          f"{1000 * best / N_CLIPS:.2f} ms a clip")  # fmt: skip
    total, spent = time_stages(settings)
    spent["the rest"] = total - sum(spent.values())
    for stage, seconds in spent.most_common():
        print(f"  {stage:16} {100 * seconds / total:5.1f} %  {1000 * seconds / N_CLIPS:6.2f} ms")


if __name__ == "__main__":
    main()
