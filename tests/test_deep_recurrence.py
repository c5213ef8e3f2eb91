"""An LSTM over sequences of different lengths gives what torch's packed sequences give."""

import pytest
import torch
from torch import nn

from deep.backbones.recurrence import _read_packed, read_sequences

CASES = [(1, True), (2, True), (3, True), (2, False)]


def make_case(n_layers: int, bidirectional: bool) -> tuple[nn.LSTM, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    lstm = nn.LSTM(5, 4, n_layers, batch_first=True, bidirectional=bidirectional)
    return lstm, torch.randn(6, 9, 5, requires_grad=True), torch.tensor([9, 1, 4, 9, 7, 2])


@pytest.mark.parametrize(("n_layers", "bidirectional"), CASES)
def test_states_and_gradients_are_those_of_packed_sequences(n_layers, bidirectional):
    lstm, steps, n_steps = make_case(n_layers, bidirectional)
    results = []
    for read in (read_sequences, _read_packed):
        states, final = read(lstm, steps, n_steps)
        value = final.square().sum() + states.sin().sum()
        results.append([states, final, *torch.autograd.grad(value, [steps, *lstm.parameters()])])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_what_lies_past_an_end_has_no_say():
    lstm, steps, n_steps = make_case(2, True)
    other = steps.detach().clone()
    other[torch.arange(9) >= n_steps[:, None]] = 1e6
    for first, second in zip(
        read_sequences(lstm, steps, n_steps), read_sequences(lstm, other, n_steps), strict=True
    ):
        torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_a_sequence_gives_the_same_alone_and_beside_longer_ones():
    lstm, steps, n_steps = make_case(2, True)
    _, together = read_sequences(lstm, steps, n_steps)
    alone = [
        read_sequences(lstm, s[None, :n], n[None])[1] for s, n in zip(steps, n_steps, strict=True)
    ]
    torch.testing.assert_close(together, torch.cat(alone))


def test_values_are_dropped_between_layers_only_in_training():
    lstm, steps, n_steps = make_case(2, True)
    lstm.dropout = 0.5
    _, first = read_sequences(lstm, steps, n_steps)
    _, second = read_sequences(lstm, steps, n_steps)
    assert not torch.equal(first, second)
    lstm.eval()
    _, third = read_sequences(lstm, steps, n_steps)
    _, fourth = read_sequences(lstm, steps, n_steps)
    assert torch.equal(third, fourth)
