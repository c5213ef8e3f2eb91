"""Pooling over time looks at valid steps only, and does what its name says."""

import numpy as np
import pytest
import torch

from deep.backbones.pooling import (
    POOLINGS,
    AdditiveAttentionPooling,
    AttentionPooling,
    DictionaryPooling,
    MeanMaxPooling,
    create_pooling,
)

STEPS = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [99.0, 99.0]], [[0.0, 1.0], [2.0, 5.0], [4.0, 0.0]]])
N_STEPS = torch.tensor([2, 3])

every_pooling = pytest.mark.parametrize("name", POOLINGS)
every_weighing = pytest.mark.parametrize("name", [name for name in POOLINGS if name != "mean-max"])


def test_mean_plus_maximum_by_hand_computation():
    found = MeanMaxPooling(2)(STEPS, N_STEPS)
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


def test_additive_attention_by_hand_computation():
    pooling = AdditiveAttentionPooling(2)
    with torch.no_grad():
        pooling.hidden.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
        pooling.hidden.bias.copy_(torch.tensor([-1.0, 0.0]))
        pooling.score.weight.copy_(torch.tensor([[3.0, 2.0]]))
    steps = STEPS[1].numpy()
    scores = (3 * np.tanh(steps[:, 0] - 1) + 2 * np.tanh(0.5 * steps[:, 1])) / np.sqrt(2)
    weights = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(
        pooling.weights(STEPS, N_STEPS)[1, :, 0].detach(), weights, rtol=1e-6
    )
    np.testing.assert_allclose(pooling(STEPS, N_STEPS)[1].detach(), weights @ steps, rtol=1e-6)


def test_dictionary_is_the_formula_of_its_paper(rng):
    pooling = DictionaryPooling(3, n_words=4)
    with torch.no_grad():
        pooling.scales.copy_(torch.tensor([1.0, 0.5, -2.0, 0.0]))
    words, scales = pooling.words.detach().numpy(), pooling.scales.detach().numpy()
    steps = rng.normal(size=(5, 3)).astype(np.float32)
    residuals = steps[:, None] - words
    shares = np.exp(-(scales**2) * (residuals**2).sum(axis=2))
    shares /= shares.sum(axis=1, keepdims=True)
    expected = (shares[..., None] * residuals).sum(axis=0) / shares.sum(axis=0)[:, None]
    found = pooling(torch.from_numpy(steps)[None], torch.tensor([5])).detach().numpy()
    np.testing.assert_allclose(found[0], expected.ravel(), rtol=1e-5, atol=1e-6)


def test_a_dictionary_tells_steps_at_its_words_apart():
    pooling = DictionaryPooling(2, n_words=2)
    with torch.no_grad():
        pooling.words.copy_(torch.tensor([[0.0, 0.0], [9.0, 9.0]]))
    steps = torch.tensor([[[1.0, 0.0], [9.0, 8.0], [-1.0, 0.0]]])
    found = pooling(steps, torch.tensor([3])).detach().numpy()
    np.testing.assert_allclose(found, [[0.0, 0.0, 0.0, -1.0]], atol=1e-6)


def test_a_word_that_no_step_is_near_takes_the_nearest_and_stays_finite():
    pooling = DictionaryPooling(2, n_words=2)
    with torch.no_grad():
        pooling.words.copy_(torch.tensor([[0.0, 0.0], [1e3, 0.0]]))
    steps = torch.tensor([[[1.0, 0.0], [3.0, 0.0]]], requires_grad=True)
    found = pooling(steps, torch.tensor([2]))
    found.sum().backward()
    np.testing.assert_allclose(found.detach(), [[2.0, 0.0, -997.0, 0.0]], atol=1e-3)
    assert steps.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "size"),
    [("mean-max", 16), ("attention", 16), ("additive", 16), ("dictionary", 128)],
)
def test_embeddings_are_as_long_as_promised(name, size):
    pooling = create_pooling(name, 16)
    assert pooling.embedding_size == size
    assert pooling(torch.zeros(2, 3, 16), torch.tensor([3, 1])).shape == (2, size)


@every_weighing
def test_weights_sum_to_one_over_valid_steps_and_are_what_steps_are_pooled_by(name):
    torch.manual_seed(0)
    pooling, steps, n_steps = create_pooling(name, 16), torch.randn(2, 7, 16), torch.tensor([4, 7])
    weights = pooling.weights(steps, n_steps)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, weights.shape[2]))
    assert (weights[0, 4:] == 0).all()
    # A step that has all of every weight is what the clip is pooled to.
    torch.testing.assert_close(
        pooling(steps[:, :1].expand(-1, 7, -1), n_steps), pooling(steps, torch.tensor([1, 1]))
    )


def test_a_dictionary_keeps_to_float32_under_autocast(rng):
    pooling = DictionaryPooling(4)
    steps = torch.from_numpy(100 + rng.normal(size=(1, 6, 4))).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = pooling(steps, torch.tensor([6]))
    torch.testing.assert_close(found, pooling(steps, torch.tensor([6])), rtol=0, atol=0)


@every_pooling
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
