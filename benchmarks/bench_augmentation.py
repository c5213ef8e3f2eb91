"""Each kind of augmentation, and recipes of five, beside a training step of the CRNN.

    python benchmarks/bench_augmentation.py [--device cpu] [--turns 20]

A batch is 32 clips of 2 s at 22,050 Hz. Steps and augmentations take turns, so that a busy machine
is as busy for both; times are medians over the turns, of the processor's time on a CPU (one thread)
and of the clock on a GPU.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch.nn import functional

from deep.augmentation import create_augmentation, list_augmentations
from deep.backbones import create_backbone

N_SAMPLES, SECONDS, SR, N_CLASSES = 32, 2, 22050, 11


def make_recipes(folder: Path) -> dict[str, object]:
    noise = np.random.default_rng(0).standard_normal(10 * SR) * 0.1
    soundfile.write(folder / "noise.wav", noise, SR)
    needed = {"recorded_noise": {"folder": str(folder)}}
    kinds = {name: {name: needed.get(name, {})} for name in list_augmentations()}
    every = {
        f"{name}, all clips": {name: {**needed.get(name, {}), "probability": 1.0}}
        for name in list_augmentations()
    }
    cheap = dict.fromkeys(("gain", "polarity", "noise", "time_shift", "time_mask"))
    dear = dict.fromkeys(("pitch_shift", "time_stretch", "reverb", "filters")) | needed
    fives = {"five: rough": "rough", "five: the cheap": cheap, "five: the dearest": dear}
    return kinds | every | fives


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device, on_cpu = torch.device(args.device), args.device == "cpu"
    waveforms = 0.1 * torch.randn(N_SAMPLES, SECONDS * SR, device=device)
    lengths = torch.full((N_SAMPLES,), SECONDS * SR)
    classes = torch.randint(N_CLASSES, (N_SAMPLES,), device=device)
    targets = functional.one_hot(classes, N_CLASSES).float()
    network = create_backbone("crnn", n_classes=N_CLASSES).to(device)
    frames, n_frames = network.frames(waveforms, lengths)
    optimizer = torch.optim.AdamW(network.parameters())
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=not on_cpu):
            logits = network(waveforms, lengths)
        optimizer.zero_grad()
        functional.cross_entropy(logits.float(), targets).backward()
        optimizer.step()

    def measure(work: Callable[[], None]) -> float:
        clock = time.process_time if on_cpu else time.perf_counter
        start = clock()
        work()
        if not on_cpu:
            torch.cuda.synchronize()
        return 1000 * (clock() - start)

    with tempfile.TemporaryDirectory() as name:
        augmentations = {
            title: create_augmentation(recipe, sr=SR, multi_label=True)
            for title, recipe in make_recipes(Path(name)).items()
        }
        times: dict[str, list[float]] = {title: [] for title in ("step", *augmentations)}
        for turn in range(-2, args.turns):
            found = {"step": measure(step)}
            for title, augmentation in augmentations.items():

                def augment(augmentation=augmentation) -> None:
                    augmentation.on_waveforms(waveforms, lengths, targets, generator=generator)
                    augmentation.on_frames(frames, n_frames, targets, generator=generator)

                found[title] = measure(augment)
            # The first turns allocate memory and make banks of noise.
            if turn >= 0:
                for title, spent in found.items():
                    times[title].append(spent)
    whole = statistics.median(times["step"])
    for title, spent in times.items():
        middle = statistics.median(spent)
        print(f"{title:32s}{middle:8.2f} ms{100 * middle / whole:7.1f} % of a step")


if __name__ == "__main__":
    main()
