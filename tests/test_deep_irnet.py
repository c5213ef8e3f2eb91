"""IRNet: the layers that it says, of any length, with padding that has no say."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from deep.backbones.creation import create_backbone
from deep.backbones.irnet import IRNetBackbone
from deep.frontends.log_mel import LogMelFrontend

N_BANDS = 16


def make_backbone(**options) -> IRNetBackbone:
    """Make a small one in evaluation mode whose normalisations are not the identity."""
    torch.manual_seed(0)
    frontend = LogMelFrontend(sr=8000, n_fft=512, hop_length=128, n_mels=N_BANDS)
    small = {"depths": (2, 1, 2), "widths": (4, 6, 8)}
    backbone = IRNetBackbone(frontend, **(small | options))
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_()
    return backbone.eval()


def padded(*frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    n_frames = torch.tensor([each.shape[-1] for each in frames])
    batch = torch.zeros(len(frames), 1, N_BANDS, int(n_frames.max()))
    for row, each in zip(batch, frames, strict=True):
        row[0, :, : each.shape[-1]] = each
    return batch, n_frames


@torch.no_grad()
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_it_is_residual_blocks_the_mean_over_bands_and_a_pooling(shared):
    backbone, frames = make_backbone(shared=shared), torch.randn(2, 1, N_BANDS, 24)
    maps = backbone.stem(backbone.frames_norm(frames))
    maps = functional.relu(backbone.stem_norm(maps))
    for stage in backbone.stages:
        for block, first in enumerate(stage.firsts):
            second = stage.seconds[0 if shared else block]
            one, two = stage.norms[2 * block : 2 * block + 2]
            added = two(second(functional.relu(one(first(maps)))))
            if block == 0 and stage is not backbone.stages[0]:
                convolution, norm = stage.shortcut
                maps = norm(functional.conv2d(maps, convolution.weight, stride=2))
            maps = functional.relu(added + maps)
    steps = maps.mean(dim=2).transpose(1, 2)
    n_frames = torch.tensor([24, 24])
    found, n_steps = backbone.frame_embeddings(frames, n_frames)
    assert n_steps.tolist() == [6, 6]
    torch.testing.assert_close(found, steps, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        backbone(frames, n_frames), backbone.pooling(steps, n_steps), rtol=0, atol=1e-5
    )


@torch.no_grad()
@pytest.mark.parametrize("n_frames", [4, 5, 7, 18, 29])
@pytest.mark.parametrize("pooling", ["dictionary", "additive"])
def test_an_embedding_is_the_same_alone_and_in_a_padded_batch(n_frames, pooling):
    backbone = make_backbone(pooling=pooling)
    clip, longer = torch.randn(N_BANDS, n_frames), 9 * torch.randn(N_BANDS, 43)
    alone, together = backbone(*padded(clip)), backbone(*padded(longer, clip))
    torch.testing.assert_close(together[1], alone[0], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_steps_are_zero_past_a_clips_end():
    backbone = make_backbone()
    frames = padded(torch.randn(N_BANDS, 43), torch.randn(N_BANDS, 9))
    steps, n_steps = backbone.frame_embeddings(*frames)
    assert backbone.frames_per_step == backbone.min_frames == 4
    assert n_steps.tolist() == [10, 2]
    assert steps.shape == (2, 10, 8)
    assert (steps[1, 2:] == 0).all()
    assert (steps[1, :2] != 0).any()


@torch.no_grad()
def test_maps_for_explanations_have_the_axes_of_frames():
    backbone, found = make_backbone(), []
    layer = backbone.get_submodule(backbone.map_layer)
    layer.register_forward_hook(lambda _module, _given, maps: found.append(maps))
    backbone(torch.randn(1, 1, N_BANDS, 40), torch.tensor([40]))
    assert found[0].shape == (1, 8, 4, 10)


@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 1_348_293), ({"depths": (2, 2, 2, 2), "shared": True}, 519_301)],
    ids=["published", "light"],
)
def test_its_size_with_filters_and_head_is_that_of_the_original(options, count):
    network = create_backbone("irnet", n_classes=11, **options)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert network.embedding_size == 8 * 128
    assert network.frontend.n_bands == 128


def test_a_shared_convolution_is_kept_once():
    backbone = make_backbone(shared=True)
    assert len(backbone.stages[2].seconds) == 1
    places = [value.data_ptr() for value in backbone.state_dict().values()]
    assert len(set(places)) == len(places)


def test_gradients_reach_every_parameter():
    backbone = make_backbone(shared=True).train()
    backbone(*padded(torch.randn(N_BANDS, 43), torch.randn(N_BANDS, 9))).square().sum().backward()
    assert [name for name, value in backbone.named_parameters() if value.grad is None] == []


def test_every_stage_needs_a_depth_and_a_width():
    with pytest.raises(ValueError, match=r"as many depths as widths, got \(2, 1\) and \(4, 6, 8\)"):
        make_backbone(depths=(2, 1))
