"""Averages of weights: a moving one over steps, a plain one over epochs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]


def copy_weights(network: nn.Module) -> Weights:
    """Copy parameters and buffers.

    Parameters
    ----------
    network : nn.Module
        Where from.

    Returns
    -------
    dict of Tensor
        On the CPU, where it does not take room from the training.
    """
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.preserve_format)
        for name, tensor in network.state_dict().items()
    }


class MovingAverage:
    """Exponential moving average of a network's weights.

    The statistics of batch normalisations are averaged like parameters, since they belong to them;
    counters are copied.

    Parameters
    ----------
    network : nn.Module
        Whose weights are the first average.
    decay : float
        Share of the old average that each update keeps; less at first, so that the untrained
        weights are soon forgotten.

    References
    ----------
    A. Tarvainen, H. Valpola, Mean teachers are better role models, 2017,
    https://arxiv.org/abs/1703.01780
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.n_updates = decay, 0
        self.weights = {name: t.detach().clone() for name, t in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's weights.

        Parameters
        ----------
        network : nn.Module
            After a step.
        """
        self.n_updates += 1
        decay = min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                self.weights[name].lerp_(tensor, 1 - decay)
            else:
                self.weights[name].copy_(tensor)


@contextmanager
def wearing(network: nn.Module, weights: Mapping[str, Tensor] | None) -> Iterator[None]:
    """Lend a network other weights for the block.

    Parameters
    ----------
    network : nn.Module
        Has its own back afterwards, bit for bit.
    weights : mapping of str to Tensor, or None
        None leaves its own.

    Yields
    ------
    None
        While it wears them.
    """
    if weights is None:
        yield
        return
    own = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(weights)
    try:
        yield
    finally:
        network.load_state_dict(own)


def mean_weights(several: Sequence[Mapping[str, Tensor]]) -> Weights:
    """Average weights; counters are those of the first.

    Parameters
    ----------
    several : sequence of mappings
        Of networks of one shape, that of the best epoch first.

    Returns
    -------
    dict of Tensor
        Their mean.

    References
    ----------
    P. Izmailov et al., Averaging weights leads to wider optima and better generalization, 2018,
    https://arxiv.org/abs/1803.05407
    """
    return {
        name: torch.stack([weights[name] for weights in several]).mean(dim=0)
        if first.is_floating_point()
        else first
        for name, first in several[0].items()
    }


@torch.no_grad()
def refresh_batch_norm(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Measure the statistics of batch normalisations anew, as averaged weights need it.

    Parameters
    ----------
    network : nn.Module
        Its batch normalisations are changed; left in evaluation mode.
    batches : iterable of (waveforms, lengths)
        Training clips, on the network's device.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        # Without momentum every batch counts alike.
        norm.momentum = None
        norm.train()
    for waveforms, lengths in batches if norms else ():
        if len(waveforms) > 1:
            network(waveforms, lengths)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
