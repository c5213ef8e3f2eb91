"""Damaged sound files: each gives a finite row or a reason; none a crash, a hang or a flood.

Run as a script, this file is the process that tries the mutants of one stretch:
``test_features_fuzz.py seed start stop folder``. It says which mutant comes next before trying it,
so that whoever started it knows which one it died of.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from features.audio import Clip
from features.clip_row import compute_row
from features.named_sets import get_feature_set

ROOT = Path(__file__).resolve().parents[1]

# A clip of a tenth of a second takes milliseconds; other tests may have the cores meanwhile.
MAX_CPU_S = 3.0
MAX_WALL_S = 30
# The process with all libraries takes 1 GiB of addresses; a block of 30 s may take several.
MAX_ADDRESSES = 6 * 2**30
MAX_GROWTH_KIB = 2**20

FORMATS = [
    ("wav", {"subtype": "PCM_16"}),
    ("wav", {"subtype": "FLOAT"}),
    ("wav", {"subtype": "PCM_24"}),
    ("flac", {}),
    ("ogg", {}),
    ("opus", {"format": "OGG", "subtype": "OPUS"}),
    ("mp3", {}),
    ("aiff", {}),
    ("au", {}),
]

EXTREMES = [0, 1, 2, 255, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
MAGICS = [b"RIFF\0\0\0\0WAVE", b"RF64\xff\xff\xff\xffWAVE", b"fLaC", b"OggS\0", b"ID3\x04", b".snd",
          b"\xff\xfb\x90", b"FORM\0\0\0\0AIFF", b"FORM\0\0\0\0AIFC"]  # fmt: skip

# Where sizes, channels and rates lie; other fields are hit by chance.
FIELDS = {
    "wav": [(4, 4), (16, 4), (20, 2), (22, 2), (24, 4), (28, 4), (32, 2), (34, 2), (40, 4)],
    "aiff": [(4, 4), (16, 4), (20, 2), (22, 4), (26, 2), (28, 2), (30, 4), (42, 4), (46, 4)],
    "au": [(4, 4), (8, 4), (12, 4), (16, 4), (20, 4)],
    "flac": [(4, 4), (8, 2), (10, 2), (12, 4), (18, 4), (22, 4)],
    "ogg": [(5, 1), (6, 8), (26, 1), (39, 1), (40, 4), (44, 4), (56, 1)],
    "opus": [(5, 1), (6, 8), (26, 1), (37, 1), (38, 2), (40, 4), (44, 2)],
    "mp3": [(0, 4), (36, 4), (40, 4), (44, 4), (48, 4)],
}


def make_originals(folder):
    """Give (ending, content) of a short sound in every format, in one and two channels."""
    rng = np.random.default_rng(0)
    originals = []
    for number, (ending, settings) in enumerate(FORMATS * 2):
        n_channels = 1 + number // len(FORMATS)
        waveform = np.cumsum(rng.uniform(-0.02, 0.02, (2400, n_channels)), axis=0)
        path = folder / f"original{number}.{ending}"
        soundfile.write(path, np.clip(waveform, -0.9, 0.9), 24000, **settings)
        originals.append((ending, path.read_bytes()))
    return originals


def flip_bits(content, ending, rng):
    # Half of all hits go to the head, where a bit means more.
    stop = len(content) if rng.random() < 0.5 else min(128, len(content))
    for position in rng.integers(0, stop, rng.integers(1, 20)):
        content[position] ^= 1 << int(rng.integers(8))


def truncate(content, ending, rng):
    del content[rng.integers(len(content)) :]


def splice(content, ending, rng):
    start, stop = sorted(rng.integers(0, len(content), 2))
    place = int(rng.integers(len(content)))
    piece = content[start:stop]
    if rng.random() < 0.5:
        del content[start:stop]
    content[place:place] = piece


def set_field(content, ending, rng):
    offset, size = FIELDS[ending][rng.integers(len(FIELDS[ending]))]
    if rng.random() < 0.3:
        offset, size = int(rng.integers(0, 128)), int(rng.choice([1, 2, 4, 8]))
    value = int(rng.choice(EXTREMES)) if rng.random() < 0.7 else int(rng.integers(2**32))
    order = "little" if rng.random() < 0.5 else "big"
    content[offset : offset + size] = (value % 2 ** (8 * size)).to_bytes(size, order)


def insert_bytes(content, ending, rng):
    place = int(rng.integers(len(content)))
    content[place:place] = rng.bytes(int(rng.integers(1, 200)))


def remove_bytes(content, ending, rng):
    place = int(rng.integers(len(content)))
    del content[place : place + int(rng.integers(1, 200))]


def overwrite_with_garbage(content, ending, rng):
    keep = int(rng.integers(4, 64))
    content[keep:] = rng.bytes(int(rng.integers(0, 4096)))


def begin_with_magic(content, ending, rng):
    magic = MAGICS[rng.integers(len(MAGICS))]
    content[: len(magic)] = magic


def make_extreme_samples(content, ending, rng):
    """Set whole words: NaN, infinity and the largest numbers where the samples are floats."""
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(content) // 4)) * 4
        content[place : place + 4] = np.float32(
            rng.choice([np.nan, np.inf, -np.inf, 3e38, 1e30, 1e-45, -1e29])
        ).tobytes()


MUTATIONS = [
    flip_bits, truncate, splice, set_field, set_field, set_field, insert_bytes, remove_bytes,
    overwrite_with_garbage, begin_with_magic, make_extreme_samples,
]  # fmt: skip


def make_mutant(originals, seed, number):
    """Give ending and content of a mutant, which depend on seed and number alone."""
    rng = np.random.default_rng([seed, number])
    ending, original = originals[rng.integers(len(originals))]
    content = bytearray(original)
    for _ in range(rng.integers(1, 4)):
        if len(content) > 8:
            MUTATIONS[rng.integers(len(MUTATIONS))](content, ending, rng)
    return ending, bytes(content)


def make_clip(path, seed, number):
    """Take the whole of most mutants, a part of some."""
    rng = np.random.default_rng([seed, number, 1])
    start_s, end_s = sorted(rng.uniform(0, 0.11, 2))
    return Clip(str(path), start_s, end_s) if rng.random() < 0.2 else Clip(str(path))


def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def try_mutants(seed, start, stop, folder):
    """Try mutants, saying each one's number before and what became of it after."""
    compact = get_feature_set("compact-v1")
    originals = make_originals(folder)
    for ending, content in originals:
        path = folder / f"whole.{ending}"
        path.write_bytes(content)
        assert compute_row(Clip(str(path)), compact).values is not None
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESSES, MAX_ADDRESSES))
    warnings.simplefilter("error")
    for number in range(start, stop):
        ending, content = make_mutant(originals, seed, number)
        path = folder / f"mutant.{ending}"
        path.write_bytes(content)
        say(number=number)
        # Left to do what it does by default, the alarm ends native code too.
        signal.alarm(MAX_WALL_S)
        cpu_s, before_kib = time.process_time(), peak_kib()
        # Samples next to nothing are no fault: their mean may well be nothing.
        with np.errstate(all="raise", under="ignore"):
            row = compute_row(make_clip(path, seed, number), compact)
        cpu_s, growth_kib = time.process_time() - cpu_s, peak_kib() - before_kib
        signal.alarm(0)
        problems = []
        if cpu_s > MAX_CPU_S:
            problems.append(f"took {cpu_s:.1f} s")
        if growth_kib > MAX_GROWTH_KIB:
            problems.append(f"took {growth_kib / 1024:.0f} MiB more")
        if row.values is None and not row.reason:
            problems.append("no row and no reason")
        if row.values is not None and not np.isfinite(row.values).all():
            problems.append("a row that is not finite")
        say(has_row=row.values is not None, reason=row.reason, problems=problems)


def say(**words):
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def try_stretch(seed, start, stop, folder):
    """Try mutants in processes of their own; give what was found, and how many gave a row."""
    findings, n_rows, reasons = {}, 0, set()
    while start < stop:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, __file__, *map(str, (seed, start, stop, folder))]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        numbers = [words["number"] for words in said if "number" in words]
        results = [words for words in said if "number" not in words]
        for number, result in zip(numbers, results, strict=False):
            n_rows += result["has_row"]
            reasons.add(re.sub(r"[\d.]+", "0", result["reason"])[:60])
            if result["problems"]:
                findings[number] = result["problems"]
        if done.returncode == 0:
            break
        assert numbers, done.stderr
        findings[numbers[-1]] = f"ended by {done.returncode}: {done.stderr[-600:]}"
        start = numbers[-1] + 1
    return findings, n_rows, reasons


@pytest.mark.parametrize(
    "n_mutants", [10_000, pytest.param(100_000, marks=pytest.mark.slow)], ids=str
)
def test_a_damaged_file_gives_a_finite_row_or_a_reason(tmp_path, n_mutants):
    seed = int(os.environ.get("TIMBRESTACK_FUZZ_SEED", "0"))
    middle = n_mutants // 2
    stretches = [(seed, 0, middle, tmp_path / "a"), (seed, middle, n_mutants, tmp_path / "b")]
    with ThreadPoolExecutor(2) as threads:
        tried = list(threads.map(lambda stretch: try_stretch(*stretch), stretches))
    findings = {number: what for found, _, _ in tried for number, what in found.items()}
    assert findings == {}, f"with TIMBRESTACK_FUZZ_SEED={seed}"
    # Neither all mutants whole nor all refused, or the mutations would say nothing.
    n_rows = sum(count for _, count, _ in tried)
    assert 0.1 < n_rows / n_mutants < 0.9
    assert len(set.union(*(reasons for _, _, reasons in tried))) > 10


if __name__ == "__main__":
    try_mutants(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
