"""Several processes that train one network together, over torch.distributed.

A step's batch is computed in parts; processes share the parts and add up gradients. So what is
learned is a matter of the settings, not of how many processes there are, up to rounding. A wrapper
such as accelerate's or DistributedDataParallel would cut the data by process instead, average
batch normalisation statistics wrongly, and change randomness with the number of processes; what is
left to do here is one sum per step. Any launcher that sets the usual variables (``torchrun``,
``accelerate launch``) starts the processes; `joined_processes` reads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed, nn

# The first process decodes a corpus, asks a teacher and predicts while the others wait; one that
# dies is noticed by the launcher.
PATIENCE = timedelta(hours=12)

T = TypeVar("T")
S = TypeVar("S", list[Any], np.ndarray)


def n_processes() -> int:
    """Count the processes that train together.

    Returns
    -------
    int
        1 without others.
    """
    return distributed.get_world_size() if distributed.is_initialized() else 1


def process_number() -> int:
    """Tell which of the processes this is.

    Returns
    -------
    int
        From zero; number 0 writes files and shows progress.
    """
    return distributed.get_rank() if distributed.is_initialized() else 0


@contextmanager
def joined_processes() -> Iterator[None]:
    """Join the other processes that a launcher has started, if it has.

    Yields
    ------
    None
        In the group, which is left afterwards.
    """
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    if alone or distributed.is_initialized():
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def share(items: S) -> S:
    """Give the items that this process has to do.

    Parameters
    ----------
    items : list or np.ndarray
        The same in every process.

    Returns
    -------
    list or np.ndarray
        Every n-th.
    """
    return items[process_number() :: n_processes()]


def agree(value: T) -> T:
    """Give what the first process says.

    Parameters
    ----------
    value : object
        What this one says.

    Returns
    -------
    object
        The same in every process.
    """
    if n_processes() == 1:
        return value
    said: list[Any] = [value]
    distributed.broadcast_object_list(said, src=0)
    return said[0]


def ask_first(compute: Callable[[], T]) -> T:
    """Let the first process compute something, and tell the others.

    Parameters
    ----------
    compute : callable
        Without arguments; called in the first process only.

    Returns
    -------
    object
        The same in every process.
    """
    said: list[Any] = [compute() if process_number() == 0 else None]
    if n_processes() > 1:
        distributed.broadcast_object_list(said, src=0)
    return said[0]


def gather_rows(rows: np.ndarray) -> np.ndarray:
    """Put together the rows that the processes computed for their `share`.

    Parameters
    ----------
    rows : np.ndarray of shape (n_own, n)
        Of this process.

    Returns
    -------
    np.ndarray of shape (n_all, n)
        In the order of the shared sequence.
    """
    if n_processes() == 1:
        return rows
    parts: list[Any] = [None] * n_processes()
    distributed.all_gather_object(parts, rows)
    whole = np.empty((sum(map(len, parts)), rows.shape[1]), dtype=rows.dtype)
    for number, part in enumerate(parts):
        whole[number :: n_processes()] = part
    return whole


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Add up the gradients of all processes.

    Parameters
    ----------
    parameters : iterable of nn.Parameter
        Those in training; a process that had no part to compute counts as zero.
    """
    if n_processes() == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in trained:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    _sum_in_place([parameter.grad for parameter in trained if parameter.grad is not None])


def _sum_in_place(tensors: list[Tensor]) -> None:
    if not tensors:
        return
    # One message instead of one for each tensor.
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, summed in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(summed.view(tensor.shape))


class SharedStatistics:
    """Running statistics of batch normalisations, as if one process had seen all parts in turn.

    Such a statistic is a sum: that from before, times what the parts leave of it, plus one term for
    each part. So every process starts from its share, lets it fade for the parts of others, and in
    the end the shares are added up.

    Parameters
    ----------
    network : nn.Module
        In training; frozen normalisations are left alone.
    """

    def __init__(self, network: nn.Module) -> None:
        modules = network.modules() if n_processes() > 1 else ()
        norms = [m for m in modules if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        self.norms = [norm for norm in norms if norm.training and norm.track_running_stats]

    def _tensors(self) -> list[Tensor]:
        both = ((norm.running_mean, norm.running_var) for norm in self.norms)
        return [tensor for pair in both for tensor in pair if tensor is not None]

    @torch.no_grad()
    def begin(self) -> None:
        """Start a step."""
        if n_processes() > 1:
            torch._foreach_div_(self._tensors(), n_processes())

    @torch.no_grad()
    def skip(self) -> None:
        """Let the share fade for a part that another process computes."""
        for norm in self.norms:
            # Without momentum torch averages over all batches ever seen, which does not fade.
            fading = 1 - (norm.momentum or 0.0)
            for tensor in (norm.running_mean, norm.running_var):
                if tensor is not None:
                    tensor.mul_(fading)
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.add_(1)

    @torch.no_grad()
    def end(self) -> None:
        """End a step: add up the shares."""
        if n_processes() > 1:
            _sum_in_place(self._tensors())
