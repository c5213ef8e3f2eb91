"""All that a training is at the end of an epoch, and its form on disk: tensors and plain values."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from deep.training.averaging import MovingAverage, Weights, copy_weights
from deep.training.parameter_groups import parameter_groups
from deep.training.record import TrainingRecord, epochs_to_keep
from deep.training.settings import TrainingSettings


def create_optimizer(network: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Make the optimiser; its rate is set with each step.

    Parameters
    ----------
    network : nn.Module
        Whose parameters it moves.
    settings : TrainingSettings
        How.

    Returns
    -------
    Optimizer
        AdamW over `parameter_groups`.
    """
    groups = parameter_groups(
        network, layer_decay=settings.layer_decay, weight_decay=settings.weight_decay
    )
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Weights:
    """Give the state of an optimiser.

    Parameters
    ----------
    optimizer : Optimizer
        After some steps.

    Returns
    -------
    dict of Tensor
        Named by the number of the parameter and the name of the value; copies on the CPU.
    """
    return {
        f"{number}/{name}": value.detach().cpu().clone()
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put an optimiser into a state.

    Parameters
    ----------
    optimizer : Optimizer
        Over the same parameters.
    tensors : mapping of str to Tensor
        From `optimizer_tensors`.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split("/")
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:
            # In the parameter's own order in memory, which rounding may depend on.
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


@dataclass(slots=True)
class TrainingState:
    """A training between two epochs.

    Parameters
    ----------
    network : nn.Module
        Trained in place.
    optimizer : Optimizer
        Over its parameters.
    average : MovingAverage or None
        Of its weights.
    record : TrainingRecord
        Up to now.
    kept : dict of int to dict of Tensor
        Weights of the epochs worth keeping, on the CPU.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: MovingAverage | None
    record: TrainingRecord = field(default_factory=TrainingRecord)
    kept: dict[int, Weights] = field(default_factory=dict)

    @classmethod
    def begin(cls, network: nn.Module, settings: TrainingSettings) -> TrainingState:
        """Make the state before the first epoch.

        Parameters
        ----------
        network : nn.Module
            On the device to train on.
        settings : TrainingSettings
            How.

        Returns
        -------
        TrainingState
            With nothing done yet.
        """
        decay = settings.ema_decay
        average = None if decay is None else MovingAverage(network, decay)
        return cls(network, create_optimizer(network, settings), average)

    @property
    def weights(self) -> Weights | None:
        """What is validated and kept in place of the network's own weights."""
        return None if self.average is None else self.average.weights

    def keep(self, settings: TrainingSettings) -> None:
        """Keep the weights of the epoch just done if they are worth it, and drop others.

        Parameters
        ----------
        settings : TrainingSettings
            Tell what is worth it.
        """
        wanted = epochs_to_keep(self.record, keep=settings.keep, count=settings.average)
        done = len(self.record.history)
        if done in wanted:
            self.kept[done] = (
                copy_weights(self.network) if self.weights is None else _copies(self.weights)
            )
        self.kept = {epoch: self.kept[epoch] for epoch in wanted}

    def tensors(self) -> Weights:
        """Give all tensors but the kept weights.

        Returns
        -------
        dict of Tensor
            Named by what they belong to.
        """
        parts = {
            "network": copy_weights(self.network),
            "optimizer": optimizer_tensors(self.optimizer),
            "average": _copies(self.weights or {}),
        }
        return {f"{part}/{name}": t for part, named in parts.items() for name, t in named.items()}

    def values(self) -> dict[str, Any]:
        """Give all that is no tensor.

        Returns
        -------
        dict
            JSON-able.
        """
        n_updates = None if self.average is None else self.average.n_updates
        return {"record": asdict(self.record), "n_updates": n_updates}

    def load(
        self, tensors: Mapping[str, Tensor], values: Mapping[str, Any], kept: dict[int, Weights]
    ) -> None:
        """Become the state that was written.

        Parameters
        ----------
        tensors : mapping of str to Tensor
            From `tensors`.
        values : mapping
            From `values`.
        kept : dict of int to dict of Tensor
            Kept weights by epoch.
        """
        parts: dict[str, Weights] = {"network": {}, "optimizer": {}, "average": {}}
        for key, tensor in tensors.items():
            part, _, name = key.partition("/")
            parts[part][name] = tensor
        self.network.load_state_dict(parts["network"])
        load_optimizer_tensors(self.optimizer, parts["optimizer"])
        if self.average is not None:
            for name, tensor in parts["average"].items():
                self.average.weights[name].copy_(tensor)
            self.average.n_updates = values["n_updates"]
        self.record, self.kept = TrainingRecord(**copy.deepcopy(values["record"])), kept


def _copies(weights: Mapping[str, Tensor]) -> Weights:
    return {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
