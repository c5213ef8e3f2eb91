"""Recurrences over the steps of a clip."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from deep.backbones.layers_file.layer import Layer
from deep.backbones.layers_file.option import Options, count, flag, share, word
from deep.backbones.layers_file.section import Section
from deep.backbones.layers_file.shape import Shape
from deep.backbones.recurrence import read_sequences

_OPTIONS: Options = {
    "hidden_size": count(),
    "num_layers": count(1),
    "bidirectional": flag(False),
    "dropout": share(0.0),
}


class _Recurrence(Layer):
    """Time first, then values; each clip is read from its first to its last valid step."""

    kind: ClassVar[type[nn.Module]]

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__(section, shape)
        if len(shape) != 2 or shape.time != 0:
            raise self.refuse_axes("time and values")
        settings: dict[str, Any] = dict(self.settings)
        if settings["num_layers"] == 1:
            # It is between layers.
            settings["dropout"] = 0.0
        both_ways = settings["bidirectional"]
        size = settings["hidden_size"] * (2 if both_ways else 1)
        self.shape = Shape((None, size), both_ways=both_ways)
        self.module = self.kind(shape.sizes[1], batch_first=True, **settings)

    def forward(self, values: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
        values = values[:, : int(n_steps.max())].float()
        # Errors of a coarse arithmetic would add up over the steps.
        with torch.autocast(values.device.type, enabled=False):
            return self.read(values, n_steps), n_steps

    def read(self, values: Tensor, n_steps: Tensor) -> Tensor:
        packed = pack_padded_sequence(values, n_steps, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(
            self.module(packed)[0], batch_first=True, total_length=values.shape[1]
        )
        return states


class Lstm(_Recurrence):
    """Long short-term memory."""

    kind, options = nn.LSTM, _OPTIONS

    def read(self, values: Tensor, n_steps: Tensor) -> Tensor:  # noqa: D102 - see _Recurrence
        return read_sequences(cast(nn.LSTM, self.module), values, n_steps)[0]


class Gru(_Recurrence):
    """Gated recurrent units."""

    kind, options = nn.GRU, _OPTIONS


class Rnn(_Recurrence):
    """The plain recurrence."""

    kind, options = nn.RNN, {**_OPTIONS, "nonlinearity": word(("tanh", "relu"))}
