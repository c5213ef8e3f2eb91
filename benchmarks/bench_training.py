"""How fast the crnn trains and embeds, beside a plain PyTorch loop that does the same work.

    python benchmarks/bench_training.py [--clips 256] [--rounds 3] [--compile] [--bfloat16]

The same wav files, made on the spot (2 to 4 s, 22,050 Hz), for both: a random window of 2 s a clip
and epoch, batches of 32, log-mel, one time mask, three convolution blocks, a two-layer LSTM both
ways, cross-entropy with label smoothing, clipped gradients, AdamW on a one-cycle schedule. Ours
is what `fit` runs. The plain loop is what one writes in an afternoon: Dataset, DataLoader,
torchaudio's MelSpectrogram, AmplitudeToDB and TimeMasking, Conv2d-BatchNorm2d-ELU-MaxPool2d, and
`nn.LSTM` over the padded batch. It reads its clips decoded beforehand (a list of tensors in
memory), or decodes them on the fly.

All take turns in one process; the first epoch of each turn, which compiles and fills caches, is
left out, and the median over turns is shown. On a processor both run on one thread, as training
does here for the sake of equal numbers; `--threads 1 2` adds two. Waiting is the share of an epoch
in which the next batch was not there yet; frontend is the share of a step that goes from waveform
to frames. Times drift with the machine: read the ratios; where others are busy on it, those of the
processor's time, loading thread included, are the surer ones.
"""

import argparse
import contextlib
import platform
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from deep.augmentation.registry import create_augmentation
from deep.backbones.creation import create_backbone
from deep.clips import WaveformStore
from deep.inference import forward_clips, reproducible_arithmetic
from deep.loading import load_batches
from deep.losses.registry import create_losses
from deep.training.loop import Losses, train_network
from deep.training.settings import TrainingSettings
from deep.training_data import TrainingData
from features.freed_memory import keep_freed_memory

SR, MAX_LENGTH, BATCH_SIZE, N_CLASSES = 22_050, 44_100, 32, 15
N_FFT, HOP, N_MELS = 2048, 1024, 64
EPOCHS = 3  # a turn: one to warm up, the others are timed


@dataclass
class Row:
    """One way to do the work, and how it went."""

    name: str
    threads: int
    train: list[float] = field(default_factory=list)  # clips per second
    cost: list[float] = field(default_factory=list)  # processor seconds per clip
    embed: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)  # shares
    frontend: list[float] = field(default_factory=list)


def write_clips(folder: Path, n_clips: int) -> tuple[list[str], np.ndarray]:
    """Decaying tones in noise, one pitch a class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, N_CLASSES, n_clips)
    for i, label in enumerate(labels):
        t = np.arange(int(SR * rng.uniform(2, 4))) / SR
        tone = sum(np.sin(2 * np.pi * 110 * 2 ** (label / 6) * k * t) / k for k in range(1, 8))
        sound = 0.2 * tone * np.exp(-t) + 0.02 * rng.standard_normal(len(t))
        soundfile.write(folder / f"{i:05d}.wav", sound, SR)
    return [str(folder / f"{i:05d}.wav") for i in range(n_clips)], labels


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Ours:
    """What `AudioBackboneClassifier.fit` and `embed` run."""

    def __init__(self, paths, labels, device, cache, *, precision="float32", compiled=False):
        self.store = WaveformStore(paths, sr=SR, directory=cache)
        self.rows = np.arange(len(paths))
        targets = np.eye(N_CLASSES, dtype=np.float32)[labels]
        nothing = np.array([], dtype=np.int64)
        lengths = self.store.lengths()
        self.data = TrainingData(self.store, lengths, targets, self.rows, nothing, False)
        torch.manual_seed(0)
        self.network = create_backbone("crnn", n_classes=N_CLASSES, sr=SR).to(device)
        self.device = device
        self.losses = Losses(
            *create_losses(
                "cross_entropy",
                torch.from_numpy(targets).to(device),
                multi_label=False,
                label_smoothing=0.05,
            )
        )
        self.settings = TrainingSettings(
            epochs=EPOCHS,
            batch_size=BATCH_SIZE,
            max_length=MAX_LENGTH,
            augmentation=create_augmentation("default", sr=SR, multi_label=False),
            precision=precision,
            compile=compiled,
        )

    def train(self, row: Row) -> None:
        spent: list[float] = []
        record = train_network(
            self.network,
            self.data,
            settings=self.settings,
            losses=self.losses,
            classes=np.arange(N_CLASSES),
            on_epoch=lambda _: spent.append(time.process_time()),
        )
        row.cost += list(np.diff(spent) / len(self.rows))
        timed = record.history[1:]
        row.train += [entry["clips_per_second"] for entry in timed]
        row.waiting += [entry["share_waiting"] for entry in timed]
        frontend = self._frontend_seconds() / len(self.rows)
        row.frontend += [frontend * entry["clips_per_second"] for entry in timed]

    def _frontend_seconds(self) -> float:
        windows = self.data.training_windows(MAX_LENGTH, np.random.default_rng(0))
        batches = np.array_split(self.rows, -(-len(self.rows) // BATCH_SIZE))
        seconds = 0.0
        for _, waveforms, lengths in load_batches(self.store, windows, batches, device=self.device):
            synchronize(self.device)
            start = time.perf_counter()
            self.network.frames(waveforms, lengths)
            synchronize(self.device)
            seconds += time.perf_counter() - start
        return seconds

    def embed(self, row: Row) -> None:
        start = time.perf_counter()
        forward_clips(
            self.network, self.store, self.rows, max_length=MAX_LENGTH, batch_size=BATCH_SIZE
        )
        row.embed.append(len(self.rows) / (time.perf_counter() - start))


class PlainClips(Dataset):
    def __init__(self, paths, labels, *, decoded: bool) -> None:
        self.paths, self.labels = paths, labels
        self.waveforms = [self.read(path) for path in paths] if decoded else None
        self.cropped = True

    def read(self, path) -> torch.Tensor:
        return torch.from_numpy(soundfile.read(path, dtype="float32")[0])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i):
        waveform = self.read(self.paths[i]) if self.waveforms is None else self.waveforms[i]
        if self.cropped and len(waveform) > MAX_LENGTH:
            start = int(torch.randint(len(waveform) - MAX_LENGTH + 1, (1,)))
            waveform = waveform[start : start + MAX_LENGTH]
        return waveform, int(self.labels[i])


def pad_batch(batch):
    waveforms, labels = zip(*batch, strict=True)
    return pad_sequence(waveforms, batch_first=True), torch.tensor(labels)


class PlainNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.frontend = nn.Sequential(
            torchaudio.transforms.MelSpectrogram(SR, N_FFT, hop_length=HOP, n_mels=N_MELS),
            torchaudio.transforms.AmplitudeToDB(),
        )
        self.time_mask = torchaudio.transforms.TimeMasking(6, iid_masks=True)
        layers, n_in = [], 1
        for n_out, pool in ((32, (2, 2)), (64, (2, 2)), (64, (4, 1))):
            layers += [
                nn.Conv2d(n_in, n_out, 3, padding=1),
                nn.BatchNorm2d(n_out),
                nn.ELU(),
                nn.MaxPool2d(pool),
                nn.Dropout(0.1),
            ]
            n_in = n_out
        self.blocks = nn.Sequential(*layers)
        self.lstm = nn.LSTM(256, 64, 2, batch_first=True, bidirectional=True, dropout=0.1)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(128, N_CLASSES))

    def frames(self, waveforms):
        frames = self.frontend(waveforms)
        return (frames - frames.mean()) / frames.std()

    def embed(self, frames):
        maps = self.blocks(frames[:, None])
        _, (final, _) = self.lstm(maps.permute(0, 3, 1, 2).flatten(2))
        return torch.cat([final[-2], final[-1]], dim=1)

    def forward(self, waveforms):
        frames = self.frames(waveforms)
        if self.training:
            frames = self.time_mask(frames)
        return self.head(self.embed(frames))


class Plain:
    """The hand-written loop."""

    def __init__(self, paths, labels, device, *, decoded: bool) -> None:
        self.clips = PlainClips(paths, labels, decoded=decoded)
        self.device = device
        torch.manual_seed(0)
        self.network = PlainNetwork().to(device)
        pinned = device.type == "cuda"
        self.loader = DataLoader(
            self.clips, BATCH_SIZE, shuffle=True, collate_fn=pad_batch, pin_memory=pinned
        )

    def train(self, row: Row) -> None:
        self.clips.cropped = True
        self.network.train()
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=3e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 3e-3, total_steps=EPOCHS * len(self.loader)
        )
        criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
        for epoch in range(EPOCHS):
            started, waited, frontend = time.perf_counter(), 0.0, 0.0
            spent = time.process_time()
            loader = iter(self.loader)
            for _ in range(len(self.loader)):
                asked = time.perf_counter()
                waveforms, labels = next(loader)
                waited += time.perf_counter() - asked
                waveforms = waveforms.to(self.device, non_blocking=True)
                labels = labels.to(self.device, non_blocking=True)
                optimizer.zero_grad()
                loss = criterion(self.network(waveforms), labels)
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
                optimizer.step()
                schedule.step()
            loss.item()
            seconds, spent = time.perf_counter() - started, time.process_time() - spent
            if not epoch:
                continue
            for waveforms, _ in self.loader:
                waveforms = waveforms.to(self.device)
                synchronize(self.device)
                start = time.perf_counter()
                self.network.frames(waveforms)
                synchronize(self.device)
                frontend += time.perf_counter() - start
            row.train.append(len(self.clips) / seconds)
            row.cost.append(spent / len(self.clips))
            row.waiting.append(waited / seconds)
            row.frontend.append(frontend / seconds)

    @torch.inference_mode()
    def embed(self, row: Row) -> None:
        self.clips.cropped = False
        self.network.eval()
        start = time.perf_counter()
        loader = DataLoader(self.clips, BATCH_SIZE, collate_fn=pad_batch)
        for waveforms, _ in loader:
            # The same work as ours: windows of at most 2 s that overlap by half.
            waveforms = waveforms.to(self.device)
            for begin in range(0, max(1, waveforms.shape[1] - MAX_LENGTH // 2), MAX_LENGTH // 2):
                window = waveforms[:, begin : begin + MAX_LENGTH]
                self.network.embed(self.network.frames(window)).cpu()
        row.embed.append(len(self.clips) / (time.perf_counter() - start))


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def take_turns(ways: dict[str, object], device: torch.device, threads: int, rounds: int) -> list:
    rows = {name: Row(name, threads) for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            with contextlib.ExitStack() as stack:
                if isinstance(way, Ours):
                    stack.enter_context(reproducible_arithmetic())
                torch.set_num_threads(threads)
                way.train(rows[name])
                way.embed(rows[name])
    return list(rows.values())


def show(rows: list[Row], device: torch.device) -> None:
    print(f"\n{device.type}, {rows[0].threads} thread(s)")
    words = ("clips/s", "x plain", "cpu ms", "x plain", "waiting", "frontend", "embed/s", "x plain")
    print(f"{'':26s}" + "".join(f"{word:>9s}" for word in words))
    plain = next(row for row in rows if row.name == "plain, decoded")
    train, cost, embed = np.median(plain.train), np.median(plain.cost), np.median(plain.embed)
    for row in rows:
        speed, spent, embedding = np.median(row.train), np.median(row.cost), np.median(row.embed)
        print(
            f"{row.name:26s}{speed:9.0f}{speed / train:9.2f}{1e3 * spent:9.2f}{cost / spent:9.2f}"
            f"{np.median(row.waiting):9.1%}{np.median(row.frontend):9.1%}"
            f"{embedding:9.0f}{embedding / embed:9.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="*", default=[1])
    parser.add_argument("--bfloat16", action="store_true", help="on the processor, too")
    parser.add_argument("--compile", action="store_true", help="add rows with a compiled backbone")
    options = parser.parse_args()
    keep_freed_memory()
    devices = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
    print(f"{processor()}, Python {platform.python_version()}, torch {torch.__version__}")
    print(torch.cuda.get_device_name() if len(devices) > 1 else "no CUDA device: not run on a GPU")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths, labels = write_clips(folder, options.clips)
        for device in devices:
            on_gpu = device.type == "cuda"
            settings = [{}]
            settings += [{"precision": "bfloat16"}] * (on_gpu or options.bfloat16)
            if options.compile:
                settings += [{**each, "compiled": True} for each in settings]
            ways: dict[str, object] = {}
            for each in settings:
                words = [each.get("precision", "float32")] + ["compiled"] * ("compiled" in each)
                ways[f"ours, {', '.join(words)}"] = Ours(
                    paths, labels, device, folder / "cache", **each
                )
            ways["plain, decoded"] = Plain(paths, labels, device, decoded=True)
            ways["plain, decoding on the fly"] = Plain(paths, labels, device, decoded=False)
            for threads in [1] if on_gpu else dict.fromkeys(options.threads):
                show(take_turns(ways, device, threads, options.rounds), device)


if __name__ == "__main__":
    main()
