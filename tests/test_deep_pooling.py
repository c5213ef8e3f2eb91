"""Pooling over time looks at valid steps only, and does what its name says."""

import numpy as np
import pytest
import torch

from deep.backbones.pooling import POOLINGS, AttentionPooling, MeanMaxPooling, create_pooling

STEPS = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [99.0, 99.0]], [[0.0, 1.0], [2.0, 5.0], [4.0, 0.0]]])
N_STEPS = torch.tensor([2, 3])


def test_mean_plus_maximum_by_hand_computation():
    found = MeanMaxPooling()(STEPS, N_STEPS)
    np.testing.assert_allclose(found, [[2 + 3, 1 + 2], [2 + 4, 2 + 5]])


def test_attention_by_hand_computation():
    pooling = AttentionPooling(2, n_weights=2)
    with torch.no_grad():
        # The first value waits for itself, the second is heard alike at all steps.
        pooling.weigh.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
        pooling.weigh.bias.zero_()
    found = pooling(STEPS, N_STEPS).detach().numpy()
    late = np.exp(3) / (np.exp(1) + np.exp(3))
    np.testing.assert_allclose(found[0], [1 * (1 - late) + 3 * late, 1.0], rtol=1e-6)
    share = np.exp([0.0, 2.0, 4.0]) / np.exp([0.0, 2.0, 4.0]).sum()
    np.testing.assert_allclose(found[1], [share @ [0, 2, 4], 2.0], rtol=1e-6)


@pytest.mark.parametrize("name", POOLINGS)
def test_what_follows_the_last_valid_step_does_not_matter(name):
    torch.manual_seed(0)
    pooling, steps = create_pooling(name, 16), torch.randn(2, 7, 16)
    other = steps.clone()
    other[0, 4:] = 1e6
    n_steps = torch.tensor([4, 7])
    torch.testing.assert_close(pooling(other, n_steps), pooling(steps, n_steps))
    torch.testing.assert_close(pooling(steps[:1, :4], n_steps[:1]), pooling(steps, n_steps)[:1])


def test_values_must_be_dealt_evenly_and_names_be_known():
    with pytest.raises(ValueError, match="must divide the 10 values, got 4"):
        AttentionPooling(10, n_weights=4)
    with pytest.raises(ValueError, match=r"pooling must be one of .* got 'sum'"):
        create_pooling("sum", 8)
