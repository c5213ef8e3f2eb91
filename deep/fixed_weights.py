"""Weights that no training moves, whatever else of the network it trains."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional


class FixedBatchNorm(nn.Module):
    """A batch normalisation that keeps its statistics, in training too.

    Parameters
    ----------
    norm : nn.BatchNorm1d or nn.BatchNorm2d
        With statistics; the names of its weights are kept.
    """

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor | None

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.eps, self.momentum, self.kind = norm.eps, norm.momentum, type(norm)
        for name, value in (*norm.named_parameters(), *norm.named_buffers()):
            self.register_buffer(name, value.detach())

    def forward(self, values: Tensor) -> Tensor:
        """Normalise.

        Parameters
        ----------
        values : Tensor of shape (n_samples, n_channels, ...)
            What a batch normalisation takes.

        Returns
        -------
        Tensor of the same shape
            Each row's own, whatever the others are.
        """
        return functional.batch_norm(
            values, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


def fix_weights(network: nn.Module, *, but: Callable[[str], bool] = lambda name: False) -> None:
    """Turn parameters into buffers, and batch normalisations into ones that stay as they are.

    Buffers have no gradient and no place in an optimiser, even where a training unfreezes all
    parameters that it finds; they are saved and loaded under the same names.

    Parameters
    ----------
    network : nn.Module
        Changed in place; must not be a batch normalisation itself.
    but : callable
        Tells by its name whether a parameter stays one.
    """
    for prefix, module in list(network.named_modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.modules.batchnorm._BatchNorm) and child.track_running_stats:
                setattr(module, name, FixedBatchNorm(child))
        for name, parameter in list(module.named_parameters(recurse=False)):
            if but(f"{prefix}.{name}" if prefix else name):
                continue
            delattr(module, name)
            module.register_buffer(name, parameter.detach())
            _fixed_names(module).append(name)


def free_weights(network: nn.Module) -> None:
    """Undo `fix_weights`: what it fixed can be trained again, from the values that it has.

    Parameters
    ----------
    network : nn.Module
        Changed in place; what was never fixed stays as it is.
    """
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, FixedBatchNorm):
                setattr(module, name, _thaw(child))
        for name in _fixed_names(module):
            value = getattr(module, name)
            delattr(module, name)
            module.register_parameter(name, nn.Parameter(value.clone()))
        _fixed_names(module).clear()


def _fixed_names(module: nn.Module) -> list[str]:
    """Give the names of the parameters that were fixed, which the module itself keeps."""
    names: list[str] = module.__dict__.setdefault("_fixed_names", [])
    return names


def _thaw(fixed: FixedBatchNorm) -> nn.Module:
    norm = fixed.kind(
        len(fixed.running_mean),
        eps=fixed.eps,
        momentum=fixed.momentum,
        affine=fixed.weight is not None,
    )
    norm.load_state_dict(fixed.state_dict())
    return norm.to(fixed.running_mean.device).train(fixed.training)
