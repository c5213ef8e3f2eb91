"""Heads: cosines by the formula, whatever the length of an embedding or the precision around."""

import numpy as np
import pytest
import torch

from deep.heads.cosine import CosineHead, unit_length


def test_cosine_head_gives_scaled_cosines(rng):
    head = CosineHead(5, 3, scale=12.0)
    embeddings = rng.normal(size=(7, 5)).astype(np.float32)
    directions = head.weight.detach().numpy()
    lengths = np.linalg.norm(embeddings, axis=1)[:, None] * np.linalg.norm(directions, axis=1)
    expected = 12 * embeddings @ directions.T / lengths
    actual = head(torch.from_numpy(embeddings)).detach().numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gain", [1e-2, 1.0, 1e4])
def test_length_of_an_embedding_does_not_change_its_logits(gain, rng):
    head = CosineHead(6, 4)
    embeddings = torch.from_numpy(rng.normal(size=(5, 6))).float()
    torch.testing.assert_close(head(gain * embeddings), head(embeddings), rtol=1e-5, atol=1e-5)


def test_logits_of_a_class_direction_reach_the_scale():
    head = CosineHead(6, 4, scale=30.0)
    own = head(1.7 * head.weight).diagonal()
    torch.testing.assert_close(own, torch.full((4,), 30.0))


def test_a_silent_embedding_has_equal_logits_and_a_finite_gradient():
    head = CosineHead(6, 4)
    embeddings = torch.zeros(1, 6, requires_grad=True)
    logits = head(embeddings)
    logits.square().sum().backward()
    head(embeddings)[0, 0].backward()
    assert (logits == 0).all()
    assert embeddings.grad.abs().max() < 1e5


def test_cosine_head_computes_in_float32_under_autocast(rng):
    head = CosineHead(64, 10)
    embeddings = torch.from_numpy(rng.normal(size=(8, 64))).float()
    expected = head(embeddings)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = head(embeddings)
        of_reduced = head(embeddings.bfloat16())
    assert torch.equal(actual, expected)
    assert of_reduced.dtype == torch.float32
    torch.testing.assert_close(of_reduced, head(embeddings.bfloat16().float()))


def test_gradients_of_cosine_head_equal_finite_differences(rng):
    head = CosineHead(4, 3).double()
    embeddings = torch.from_numpy(rng.normal(size=(5, 4))).requires_grad_()
    assert torch.autograd.gradcheck(head, embeddings)


def test_gradients_reach_all_weights_of_cosine_head(rng):
    head = CosineHead(4, 3)
    head(torch.from_numpy(rng.normal(size=(5, 4))).float()).square().sum().backward()
    assert (head.weight.grad != 0).all()


@pytest.mark.parametrize("scale", [0.0, -3.0, float("nan")])
def test_a_scale_that_is_not_above_zero_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be above 0, got"):
        CosineHead(4, 3, scale=scale)


def test_unit_length_keeps_directions_and_leaves_zero_at_zero():
    embeddings = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-6, 0.0]])
    expected = torch.tensor([[0.6, 0.8], [0.0, 0.0], [1e-3, 0.0]])
    torch.testing.assert_close(unit_length(embeddings), expected)
