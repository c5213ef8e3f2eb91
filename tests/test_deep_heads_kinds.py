"""Heads with layers, of one label each, over steps, and of prototypes; backbones side by side."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import deep.backbones.parallel  # noqa: F401 - registers it
from deep.backbones.creation import create_backbone
from deep.classifier import AudioBackboneClassifier
from deep.heads.attention import AttentionHead
from deep.heads.mlp import ACTIVATIONS, DeepHead
from deep.heads.per_label import PerLabelAttentionHead, PerLabelHead
from deep.heads.prototypes import PrototypeHead
from deep.heads.registry import create_head
from deep.training.stages import train_from

SR = 8000
FRONTEND = {"n_fft": 256, "hop_length": 128, "n_mels": 16}
SMALL = {"channels": [4, 8], "embedding_size": 16}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_an_mlp_equals_its_layers_written_out():
    head = DeepHead(6, 3, hidden=[5], dropout=0.5).eval()
    embeddings = torch.randn(4, 6)
    first, second = head.hidden[2], head.linear

    def rectified(values):
        centred = values - values.mean(dim=1, keepdim=True)
        return (centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()).clamp_min(0)

    hidden = rectified(embeddings) @ first.weight.T + first.bias
    expected = rectified(hidden) @ second.weight.T + second.bias
    torch.testing.assert_close(head(embeddings), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [((), 2 * 8 + 8 * 3 + 3), ((5,), 2 * 8 + 8 * 5 + 5 + 2 * 5 + 5 * 3 + 3)],
    ids=["one-layer", "two-layers"],
)
def test_an_mlp_has_a_norm_and_a_map_per_layer(hidden, expected):
    assert count(DeepHead(8, 3, hidden=hidden)) == expected


def test_an_mlp_never_drops_logits():
    head = DeepHead(8, 3, hidden=(), dropout=1.0).train()
    embeddings = torch.randn(5, 8)
    torch.testing.assert_close(head(embeddings), head.eval()(embeddings))
    assert not any(isinstance(module, torch.nn.Dropout) for module in head.modules())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_mlp_takes_every_activation(activation):
    assert DeepHead(8, 3, activation=activation)(torch.randn(2, 8)).isfinite().all()


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"hidden": [4, 0]}, r"at least 1, got \[4, 0\]"), ({"activation": "sine"}, "'relu'.*'sine'")],
    ids=["size", "activation"],
)
def test_an_mlp_refuses_what_it_cannot_be(options, problem):
    with pytest.raises(ValueError, match=problem):
        DeepHead(8, 3, **options)


@pytest.mark.parametrize("of", ["linear", "mlp", "prototypes"])
def test_heads_of_labels_are_heads_of_one_label_side_by_side(of):
    head = PerLabelHead(8, 3, of=of).eval()
    embeddings = torch.randn(4, 8)
    alone = [each(embeddings)[:, 0] for each in head.heads]
    torch.testing.assert_close(head(embeddings), torch.stack(alone, dim=1))
    assert count(head) == 3 * count(create_head(of, 8, 1))


def test_a_sliced_head_sees_its_own_share_of_the_embedding_only():
    head = PerLabelHead(9, 3, of="mlp", slices=True).eval()
    embeddings = torch.randn(1, 9, requires_grad=True)
    head(embeddings)[0, 1].backward()
    assert (embeddings.grad[0] != 0).tolist() == 3 * [False] + 3 * [True] + 3 * [False]


def test_slices_must_be_equal():
    with pytest.raises(ValueError, match="10 values cannot be cut in 3 parts"):
        PerLabelHead(10, 3, slices=True)


def _train_a_step(head: PerLabelHead) -> set[int]:
    """Give the labels whose heads a step of training has changed, statistics included."""
    before = [
        {key: value.clone() for key, value in each.state_dict().items()} for each in head.heads
    ]
    # As a training does: all modules in training, all parameters with gradients.
    train_from(head, "")
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.1, weight_decay=0.1)
    head(torch.randn(6, 8)).square().sum().backward()
    optimizer.step()
    return {
        label
        for label, (each, values) in enumerate(zip(head.heads, before, strict=True))
        if any(not torch.equal(value, values[key]) for key, value in each.state_dict().items())
    }


def test_a_frozen_head_stays_as_it_is_while_others_learn():
    head = PerLabelHead(8, 4, of="linear", frozen=[1])
    assert _train_a_step(head) == {0, 2, 3}
    head.freeze([2])
    assert _train_a_step(head) == {0, 3}
    head.unfreeze([1])
    assert _train_a_step(head) == {0, 1, 3}
    head.retrain([2])
    assert head.frozen == [0, 1, 3]
    assert _train_a_step(head) == {2}


def test_a_frozen_head_drops_nothing_while_others_do():
    head = PerLabelHead(8, 2, of="linear", of_params={"dropout": 0.5}, frozen=[0]).train()
    embeddings = torch.randn(5, 8)
    first, second = head(embeddings), head(embeddings)
    torch.testing.assert_close(first[:, 0], second[:, 0])
    assert not torch.equal(first[:, 1], second[:, 1])


def test_heads_are_frozen_by_name_when_the_classes_are_known():
    head = PerLabelHead(8, 3, frozen=["violin", 0])
    assert head.frozen == [0]
    head.name_classes(["cello", "flute", "violin"])
    assert head.frozen == [0, 2]


def test_unknown_labels_cannot_be_frozen():
    with pytest.raises(ValueError, match=r"below 3, got \[3\]"):
        PerLabelHead(8, 3, frozen=[3])
    head = PerLabelHead(8, 2, frozen=["oboe"])
    with pytest.raises(ValueError, match=r"some of \['cello', 'flute'\], got \['oboe'\]"):
        head.name_classes(["cello", "flute"])


def test_heads_over_steps_and_over_clips_have_a_name_each():
    with pytest.raises(ValueError, match="'per-label-attention'"):
        PerLabelHead(8, 3, of="attention")
    with pytest.raises(ValueError, match="'per-label'"):
        PerLabelAttentionHead(8, 3, of="mlp")


def test_attention_equals_its_formula_clip_by_clip():
    head = AttentionHead(8, 3, tanh_size=5).eval()
    torch.nn.init.normal_(head.weigh[-1].weight)
    steps, n_steps = torch.randn(2, 7, 8), torch.tensor([7, 4])
    logits, weights = head(steps, n_steps), head.weights(steps, n_steps)
    for clip, size in enumerate(n_steps):
        normed = head.norm(steps[clip, :size])
        a = head.weigh[2](torch.tanh(head.weigh[0](normed)))
        expected = (a.exp() / a.exp().sum(dim=0) * head.linear(normed)).sum(dim=0)
        torch.testing.assert_close(logits[clip], expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, 3))
    assert (weights[1, 4:] == 0).all()


def test_attention_starts_as_the_mean_over_steps():
    head = AttentionHead(8, 3).eval()
    steps = torch.randn(1, 6, 8)
    expected = head.linear(head.norm(steps)).mean(dim=1)
    torch.testing.assert_close(head(steps, torch.tensor([6])), expected, rtol=0, atol=1e-6)


def test_shared_attention_is_pooling_before_a_linear_layer():
    head = AttentionHead(8, 3, shared=True, tanh_size=4).eval()
    torch.nn.init.normal_(head.weigh[-1].weight)
    steps, n_steps = torch.randn(2, 5, 8), torch.tensor([5, 3])
    pooled = (head.weights(steps, n_steps)[..., :1] * head.norm(steps)).sum(dim=1)
    torch.testing.assert_close(head(steps, n_steps), head.linear(pooled), rtol=0, atol=1e-5)
    assert count(head) == 2 * 8 + (8 * 4 + 4) + (4 + 1) + (8 * 3 + 3)


@pytest.mark.parametrize("head", [AttentionHead(8, 3), PerLabelAttentionHead(8, 3)])
def test_what_follows_a_clip_does_not_matter_to_attention(head):
    head.eval()
    steps = torch.randn(1, 9, 8)
    alone = head(steps[:, :4], torch.tensor([4]))
    steps[:, 4:] *= 1e4
    torch.testing.assert_close(head(steps, torch.tensor([4])), alone, rtol=0, atol=1e-6)


def test_attention_learns_when_a_label_sounds():
    # Label 0 sounds in one step of twenty, label 1 in half of them, each in half of the clips.
    targets = torch.randint(0, 2, (64, 2)).float()
    directions = torch.randn(2, 16)
    steps = 0.3 * torch.randn(64, 20, 16)
    steps[:, 7] += targets[:, :1] * directions[0]
    steps[:, 10:] += targets[:, None, 1:] * directions[1]
    head, n_steps = AttentionHead(16, 2, dropout=0.0), torch.full((64,), 20)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(head(steps, n_steps), targets).backward()
        optimizer.step()
    assert ((head(steps, n_steps) > 0) == (targets > 0)).float().mean() > 0.98
    heard = head.weights(steps, n_steps)[targets[:, 0] > 0, :, 0]
    assert (heard.argmax(dim=1) == 7).float().mean() > 0.95


def test_attention_must_have_a_layer_of_some_size():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        AttentionHead(8, 3, tanh_size=0)


def test_prototypes_give_scaled_distances_to_the_nearest_of_a_class():
    head = PrototypeHead(2, 2, n_prototypes=2, scale=3.0).eval()
    with torch.no_grad():
        head.prototypes.copy_(torch.tensor([[[0.0, 0], [4, 0]], [[0, 1], [9, 9]]]))
        head.offsets.zero_()
    # Standardised by a mean of zero and a variance of one, but for the rounding floor of 1e-5.
    logits = head(torch.tensor([[3.0, 0], [0, 1]]))
    expected = -3 / 2 * torch.tensor([[1.0, 10], [1, 0]])
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-3)


def test_an_embedding_at_a_prototype_is_most_certain_of_its_class():
    head = PrototypeHead(16, 5).eval()
    logits = head(head.prototypes[:, 0])
    assert logits.argmax(dim=1).tolist() == [0, 1, 2, 3, 4]
    assert (logits.diagonal() > 0).all()


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"n_prototypes": 0}, "at least 1, got 0"), ({"scale": 0.0}, r"above 0, got 0\.0")],
    ids=["none", "scale"],
)
def test_prototypes_refuse_what_they_cannot_be(options, problem):
    with pytest.raises(ValueError, match=problem):
        PrototypeHead(8, 3, **options)


def test_prototypes_are_compared_in_float32_under_autocast():
    head, embeddings = PrototypeHead(16, 3).eval(), torch.randn(4, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(head(embeddings), head(embeddings).float())
    torch.testing.assert_close(head(embeddings), head.float()(embeddings))


@pytest.mark.parametrize(
    "name", ["mlp", "per-label", "attention", "per-label-attention", "prototypes"]
)
def test_an_untrained_head_starts_at_the_frequencies_of_the_labels(name):
    head, steps = create_head(name, 8, 3).eval(), torch.randn(5, 2, 8)
    given = (steps, torch.full((5,), 2)) if head.of_steps else (steps[:, 0],)
    head.start_at(torch.full((3,), 0.5))
    even = head(*given)
    head.start_at(torch.tensor([0.5, 0.1, 1.0]))
    expected = torch.tensor([0.5, 0.1, 0.99]).logit().expand(5, 3)
    torch.testing.assert_close(head(*given) - even, expected, rtol=0, atol=1e-4)


def test_parallel_backbones_are_those_of_each_label_side_by_side():
    network = create_backbone(
        "parallel",
        n_classes=3,
        sr=SR,
        frontend_params=FRONTEND,
        backbone="cnn",
        backbone_params=SMALL,
    ).eval()
    batch = torch.randn(2, 3000), torch.tensor([3000, 2000])
    frames = network.frames(*batch)
    alone = [backbone(*frames) for backbone in network.backbone.backbones]
    torch.testing.assert_close(network.embeddings(*batch), torch.cat(alone, dim=1))
    one = create_backbone("cnn", n_classes=3, sr=SR, frontend_params=FRONTEND, **SMALL)
    assert count(network.backbone) == 3 * count(one.backbone)
    assert network.embedding_size == 3 * one.embedding_size
    steps, n_steps = network.backbone.frame_embeddings(*frames)
    assert steps.shape == (2, int(n_steps.max()), network.backbone.frame_embedding_size)


def test_labels_share_nothing_but_the_frontend_over_parallel_backbones():
    network = create_backbone(
        "parallel", n_classes=3, sr=SR, frontend_params=FRONTEND, backbone_params=SMALL
    )
    network(torch.randn(2, 3000), torch.tensor([3000, 2000]))[:, 1].sum().backward()
    moved = [
        any(parameter.grad is not None and parameter.grad.any() for parameter in each.parameters())
        for each in network.backbone.backbones
    ]
    assert moved == [False, True, False]


def test_parallel_backbones_refuse_options_that_theirs_do_not_have():
    with pytest.raises(ValueError, match=r"backbone 'cnn' has no option \['depth'\]"):
        create_backbone("parallel", n_classes=2, backbone_params={"depth": 3})


@pytest.fixture
def chords(rng):
    """Make clips of two tones that sound or do not, and an indicator of which."""
    targets = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 4, dtype=np.int8)
    times = np.arange(2400) / SR
    tones = np.sin(2 * np.pi * np.array([[440.0], [1800.0]]) * times)
    clips = [0.3 * row @ tones + 0.01 * rng.normal(size=2400) for row in targets]
    return [clip.astype(np.float32) for clip in clips], targets


def test_one_head_is_retrained_while_the_rest_of_a_trained_network_rests(chords, tmp_path):
    clips, targets = chords
    model = AudioBackboneClassifier(
        "cnn",
        backbone_params=SMALL,
        frontend_params=FRONTEND,
        head="per-label",
        head_params={"of": "mlp", "of_params": {"hidden": [8]}},
        sr=SR,
        epochs=2,
        batch_size=8,
        augment=False,
        validation_fraction=0,
        random_state=0,
        device="cpu",
    ).fit(clips, targets)
    model.save_model(tmp_path)
    again = AudioBackboneClassifier.load_model(tmp_path, device="cpu")
    before = again.predict_proba(clips)
    np.testing.assert_array_equal(before, model.predict_proba(clips))
    again.network_.head.retrain([1])
    # The backbone rests too, normalisation included.
    again.set_params(unfreeze_from="head")
    again.partial_fit(clips, targets)
    changed = np.abs(again.predict_proba(clips) - before).max(axis=0)
    assert changed[1] > 1e-3
    assert changed[0] == 0


def test_frozen_heads_keep_their_numbers_and_can_be_thawed_with_them():
    head = PerLabelHead(8, 2, of="linear", frozen=[0])
    before = {name: each.clone() for name, each in head.state_dict().items()}
    head.train()(torch.randn(16, 8)).sum().backward()
    assert all("heads.0" not in name for name, _ in head.named_parameters())
    for name, each in head.state_dict().items():
        if name.startswith("heads.0"):
            assert torch.equal(each, before[name])
    head.unfreeze([0])
    assert head.state_dict().keys() == before.keys()
    head(torch.randn(16, 8)).sum().backward()
    assert all(weight.grad is not None for weight in head.parameters())
    assert not torch.equal(head.heads[0].norm.running_mean, before["heads.0.norm.running_mean"])
