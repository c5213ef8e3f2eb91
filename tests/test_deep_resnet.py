"""Residual networks: torchvision as the outside reference, and dropout while training only."""

import pytest
import torch
from torch import nn

from deep.backbones.creation import create_backbone
from deep.backbones.resnet import DEPTHS, ResNetBackbone
from deep.frontends.log_mel import LogMelFrontend

# Of torchvision, with a last layer for 1,000 classes.
PARAMETERS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}


@pytest.fixture(scope="module")
def frontend() -> LogMelFrontend:
    return LogMelFrontend(sr=8000, n_fft=256, n_mels=32, hop_length=128)


@pytest.fixture(scope="module")
def coloured() -> LogMelFrontend:
    frontend = LogMelFrontend(sr=8000, n_fft=256, n_mels=32, hop_length=128)
    frontend.n_channels = 3
    return frontend


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_has_as_many_parameters_as_torchvisions(coloured, depth):
    with torch.device("meta"):
        backbone = ResNetBackbone(coloured, depth=depth, dropout=0.0)
        head = nn.Linear(backbone.embedding_size, 1000)
    found = sum(each.numel() for part in (backbone, head) for each in part.parameters())
    assert found == PARAMETERS[depth]


@pytest.mark.parametrize("depth", [18, 50])
def test_with_torchvisions_weights_it_gives_torchvisions_values(coloured, depth):
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    reference = getattr(models, f"resnet{depth}")(weights=None).eval()
    reference.fc = nn.Identity()
    with torch.device("meta"):
        backbone = ResNetBackbone(coloured, depth=depth).eval()
    backbone.load_state_dict(reference.state_dict(), assign=True)
    images = torch.randn(2, 3, 40, 56)
    with torch.no_grad():
        expected, actual = reference(images), backbone.embed_images(images)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_embeddings_of_a_narrow_network_are_narrow(frontend):
    for depth, size in ((18, 64), (50, 256)):
        backbone = ResNetBackbone(frontend, depth=depth, width=8, image_frames=16)
        assert backbone.embedding_size == size
        frames, n_frames = torch.randn(3, 1, 32, 40), torch.tensor([40, 1, 16])
        assert backbone(frames, n_frames).shape == (3, size)


def test_values_are_dropped_in_training_only(frontend):
    torch.manual_seed(0)
    images = torch.randn(4, 1, 32, 16)
    for dropout in (0.0, 0.5):
        backbone = ResNetBackbone(frontend, width=4, dropout=dropout, image_frames=16)
        alike = torch.equal(backbone.embed_images(images), backbone.embed_images(images))
        assert alike == (dropout == 0)
        backbone.eval()
        assert torch.equal(backbone.embed_images(images), backbone.embed_images(images))


def test_a_block_drops_after_each_convolution_of_three_by_three(frontend, monkeypatch):
    dropped = []

    def drop(maps, probability, training):
        dropped.append(probability)
        return maps

    monkeypatch.setattr("deep.backbones.resnet.functional.dropout", drop)
    for depth, count in ((18, 16), (50, 16)):
        dropped.clear()
        ResNetBackbone(frontend, depth=depth, width=4, dropout=0.3)(
            torch.randn(2, 1, 32, 16), torch.tensor([16, 16])
        )
        assert dropped == [0.3] * count


def test_the_maps_to_look_at_are_those_of_the_last_stage(frontend):
    backbone = ResNetBackbone(frontend, width=4)
    assert backbone.get_submodule(backbone.map_layer) is backbone.layer4


def test_only_known_depths_are_made():
    with pytest.raises(
        ValueError, match=r"depth of a resnet must be one of \[18, 34, 50\], got 20"
    ):
        create_backbone("resnet", n_classes=2, depth=20)
