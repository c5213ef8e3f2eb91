"""Running an LSTM over sequences of different lengths, both ways, so that padding has no say."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def read_sequences(lstm: nn.LSTM, steps: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
    """Read each sequence from its first to its last valid step, and backwards if the LSTM does.

    Parameters
    ----------
    lstm : nn.LSTM
        ``batch_first``, with biases and without projection.
    steps : Tensor of shape (n_samples, longest, n_inputs), float32
        Padded sequences.
    n_steps : Tensor of shape (n_samples,), int64, on the CPU
        Valid steps of each, at least 1.

    Returns
    -------
    states : Tensor of shape (n_samples, longest, n_directions * hidden_size)
        After each step, the directions side by side; zero past each end.
    final : Tensor of shape (n_samples, n_directions * hidden_size)
        After the last step of each direction.
    """
    if steps.is_cuda:
        return _read_packed(lstm, steps, n_steps)
    return _read_reversed(lstm, steps, n_steps)


def _read_packed(lstm: nn.LSTM, steps: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
    """Let torch take care of the lengths: one kernel on a GPU."""
    packed = pack_padded_sequence(steps, n_steps, batch_first=True, enforce_sorted=False)
    states, (final, _) = lstm(packed)
    n_directions = 2 if lstm.bidirectional else 1
    padded, _ = pad_packed_sequence(states, batch_first=True, total_length=steps.shape[1])
    return padded, torch.cat(list(final[-n_directions:]), dim=1)


def _read_reversed(lstm: nn.LSTM, steps: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
    """Turn each sequence round within its own length, and read forwards twice.

    On a processor torch cuts packed sequences step by step, and the gradient of each cut is as
    large as the whole: the time grows with the square of the length.
    """
    longest = steps.shape[1]
    rows, places = torch.arange(len(steps))[:, None], torch.arange(longest)
    # Turning round twice gives what was there before; padding stays past the end.
    turned = torch.where(places < n_steps[:, None], n_steps[:, None] - 1 - places, places)
    last, valid = n_steps - 1, (places < n_steps[:, None])[:, :, None]
    states, ends = steps, []
    for layer in range(lstm.num_layers):
        if layer:
            states = functional.dropout(states, lstm.dropout, lstm.training)
        onwards = _read_layer(lstm, states, f"l{layer}")
        ends = [onwards[rows[:, 0], last]]
        if lstm.bidirectional:
            backwards = _read_layer(lstm, states[rows, turned], f"l{layer}_reverse")
            ends.append(backwards[rows[:, 0], last])
            onwards = torch.cat([onwards, backwards[rows, turned]], dim=2)
        states = onwards
    return states * valid, torch.cat(ends, dim=1)


def _read_layer(lstm: nn.LSTM, steps: Tensor, name: str) -> Tensor:
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = [getattr(lstm, f"{kind}_{name}") for kind in kinds]
    start = steps.new_zeros(1, len(steps), lstm.hidden_size)
    states, _, _ = torch.lstm(
        steps, [start, start], weights, True, 1, 0.0, lstm.training, False, True
    )
    return states
