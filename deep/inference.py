"""Running a trained network over whole clips, in the same numbers wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor

from deep.backbones.network import AudioNetwork
from deep.batches import length_batches, window_batches
from deep.clips import Waveforms
from deep.windows import covering_windows
from features.freed_memory import keep_freed_memory

# Clips in memory at once.
CLIPS_PER_CHUNK = 128


@contextmanager
def reproducible_arithmetic() -> Iterator[None]:
    """Fix what rounding depends on: threads per operation, TF32, cuDNN's choice of algorithms.

    A sum that is split over threads rounds differently, so every operation runs on one thread
    and parallel work is made of whole batches.

    Yields
    ------
    None
        Everything is restored afterwards.
    """
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            yield
    finally:
        torch.set_num_threads(before)


def resolve_device(device: str) -> torch.device:
    """Turn ``"auto"`` into CUDA if there is any, else the CPU.

    Parameters
    ----------
    device : str
        ``"auto"`` or a torch device.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If there is no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device must be auto, cpu, cuda, cuda:1 or alike, got {device!r}"
        ) from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} must be here: torch finds {torch.cuda.device_count()} GPUs"
        )
    return found


def forward_clips(
    network: AudioNetwork,
    store: Waveforms,
    rows: np.ndarray,
    *,
    max_length: int,
    batch_size: int,
    n_jobs: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Give logits and embeddings of whole clips: the mean over covering windows.

    Parameters
    ----------
    network : AudioNetwork
        Put into evaluation mode.
    store : WaveformStore or sequence of np.ndarray
        Waveforms by row.
    rows : np.ndarray of shape (n_samples,), int64
        Rows wanted.
    max_length : int
        Longest window in samples.
    batch_size : int
        Windows per batch; does not change the numbers beyond rounding.
    n_jobs : int or None
        Threads that decode clips and compute batches; does not change the numbers.

    Returns
    -------
    logits : np.ndarray of shape (n_samples, n_classes), float32
        Mean over each clip's windows.
    embeddings : np.ndarray of shape (n_samples, embedding_size), float32
        Mean over each clip's windows.
    """
    network.eval()
    parts = []
    with Parallel(n_jobs=n_jobs, backend="threading") as parallel:
        for chunk in np.array_split(rows, -(-len(rows) // CLIPS_PER_CHUNK)):
            waveforms = parallel(delayed(store.__getitem__)(row) for row in chunk)
            covers = [covering_windows(len(waveform), max_length) for waveform in waveforms]
            owners = np.repeat(np.arange(len(chunk)), [len(cover) for cover in covers])
            windows = np.column_stack([owners, np.concatenate(covers)])
            batches = length_batches(windows[:, 2] - windows[:, 1], batch_size)
            outputs = parallel(
                delayed(_forward_batch)(network, batch, lengths)
                for _, batch, lengths in window_batches(waveforms, windows, batches)
            )
            in_order = np.argsort(np.concatenate(batches))
            parts.append(_mean_by(owners, np.concatenate(outputs)[in_order], len(chunk)))
    joined = np.concatenate(parts)
    n_classes = joined.shape[1] - network.embedding_size
    return joined[:, :n_classes], joined[:, n_classes:]


def _forward_batch(network: AudioNetwork, waveforms: Tensor, lengths: Tensor) -> np.ndarray:
    """Give logits and embeddings side by side."""
    # Whether gradients are wanted is a thread's own affair, so it is said here.
    with torch.inference_mode():
        device = _find_device(network)
        outputs = network.outputs(waveforms.to(device), lengths)
        return torch.cat(outputs, dim=1).float().cpu().numpy()


def _find_device(network: AudioNetwork) -> torch.device:
    # What is kept from training altogether has buffers alone.
    return next(chain(network.parameters(), network.buffers())).device


def _mean_by(owners: np.ndarray, values: np.ndarray, n_owners: int) -> np.ndarray:
    total = np.zeros((n_owners, values.shape[1]))
    np.add.at(total, owners, values)
    return (total / np.bincount(owners, minlength=n_owners)[:, None]).astype(np.float32)
