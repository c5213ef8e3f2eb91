"""ConvLSTM: the layers that it says, of any length, with padding that has no say."""

import pytest
import torch
from torch.nn import functional

from deep.backbones.convlstm import ConvLSTMBackbone
from deep.backbones.creation import create_backbone
from deep.frontends.log_mel import LogMelFrontend

N_BANDS = 24


def make_backbone(n_bands: int = N_BANDS, **options) -> ConvLSTMBackbone:
    """Make a small one in evaluation mode whose normalisations are not the identity."""
    torch.manual_seed(0)
    frontend = LogMelFrontend(sr=8000, n_fft=512, hop_length=128, n_mels=n_bands)
    backbone = ConvLSTMBackbone(frontend, **({"channels": (4, 6, 8), "hidden_size": 8} | options))
    for norm in backbone.norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.data.uniform_(0.5, 2)
        norm.bias.data.normal_()
    return backbone.eval()


def padded(*frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    n_frames = torch.tensor([each.shape[-1] for each in frames])
    batch = torch.zeros(len(frames), 1, N_BANDS, int(n_frames.max()))
    for row, each in zip(batch, frames, strict=True):
        row[0, :, : each.shape[-1]] = each
    return batch, n_frames


@torch.no_grad()
def test_it_is_convolutions_a_recurrence_and_attention_over_time():
    backbone, frames = make_backbone(), torch.randn(1, 1, N_BANDS, 40)
    (first, second, third), (one, two, three) = backbone.convolutions, backbone.norms
    maps = functional.leaky_relu(one(first(frames)), 0.01)
    maps = functional.max_pool2d(maps, (2, 2), (4, 2))
    maps = functional.max_pool2d(second(functional.leaky_relu(two(maps), 0.01)), (2, 2), (4, 2))
    maps = functional.max_pool2d(third(functional.leaky_relu(three(maps), 0.01)), (2, 2), (4, 2))
    states, _ = backbone.lstm(maps.mean(dim=2).transpose(1, 2))
    scores = backbone.pooling.score(torch.tanh(backbone.pooling.hidden(states))) / 8**0.5
    expected = (scores.softmax(dim=1) * states).sum(dim=1)
    found = backbone(frames, torch.tensor([40]))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("n_frames", [8, 9, 15, 23, 40])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forwards", "both-ways"])
def test_an_embedding_is_the_same_alone_and_in_a_padded_batch(n_frames, bidirectional):
    backbone = make_backbone(bidirectional=bidirectional)
    clip, longer = torch.randn(N_BANDS, n_frames), 9 * torch.randn(N_BANDS, 61)
    alone, together = backbone(*padded(clip)), backbone(*padded(longer, clip))
    torch.testing.assert_close(together[1], alone[0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_steps_stand_for_eight_frames_each_and_are_zero_past_a_clips_end():
    backbone = make_backbone()
    steps, n_steps = backbone.frame_embeddings(
        *padded(torch.randn(N_BANDS, 61), torch.randn(N_BANDS, 17))
    )
    assert backbone.frames_per_step == backbone.min_frames == 8
    assert n_steps.tolist() == [7, 2]
    assert steps.shape == (2, 7, backbone.frame_embedding_size)
    assert (steps[1, 2:] == 0).all()
    assert (steps[1, :2] != 0).any()


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["mean-max", "attention", "dictionary"])
def test_it_pools_in_other_ways_too(pooling):
    backbone = make_backbone(hidden_size=16, pooling=pooling)
    frames, n_frames = padded(torch.randn(N_BANDS, 61), torch.randn(N_BANDS, 17))
    assert backbone(frames, n_frames).shape == (2, backbone.embedding_size)


@torch.no_grad()
def test_maps_for_explanations_have_the_axes_of_frames():
    backbone, found = make_backbone(), []
    layer = backbone.get_submodule(backbone.map_layer)
    layer.register_forward_hook(lambda _module, _given, maps: found.append(maps))
    backbone(torch.randn(1, 1, N_BANDS, 40), torch.tensor([40]))
    assert found[0].shape == (1, 8, 2, 10)


def test_its_size_is_that_of_the_original():
    network = create_backbone("convlstm", n_classes=11)
    convolutions = 25 * (1 * 32 + 32 * 64 + 64 * 128) + 2 * (32 + 32 + 64)
    recurrence = 4 * 64 * (128 + 64 + 2) + 4 * 64 * (64 + 64 + 2)
    attention = 64 * 64 + 64 + 64
    count = sum(parameter.numel() for parameter in network.backbone.parameters())
    assert count == convolutions + recurrence + attention == 344_224
    assert network.embedding_size == 64


def test_bands_must_be_enough_for_the_pools():
    with pytest.raises(ValueError, match="3 convolutions need at least 22 bands, got 21"):
        make_backbone(n_bands=21)


def test_gradients_reach_every_parameter():
    backbone = make_backbone().train()
    backbone(*padded(torch.randn(N_BANDS, 61), torch.randn(N_BANDS, 17))).square().sum().backward()
    assert [name for name, value in backbone.named_parameters() if value.grad is None] == []
