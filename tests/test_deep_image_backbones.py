"""Networks made for images: sizes counted by hand, forwards against torchvision, any input size."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from deep.backbones.alexnet import AlexNetBackbone
from deep.backbones.cnn14 import Cnn14Backbone
from deep.backbones.creation import create_backbone
from deep.backbones.halving import halve
from deep.backbones.registry import get_backbone_config
from deep.backbones.resnetish import ResNetishBackbone
from deep.backbones.small_cnn import SmallConvolutionalBackbone
from deep.backbones.vggish import VGGishBackbone

KINDS = {
    "alexnet": AlexNetBackbone,
    "cnn14": Cnn14Backbone,
    "resnetish": ResNetishBackbone,
    "small-cnn": SmallConvolutionalBackbone,
    "vggish": VGGishBackbone,
}
# Small enough for a test, of the same shape.
SMALL = {
    "alexnet": {"width": 6, "embedding_size": 16},
    "cnn14": {"width": 2},
    "resnetish": {"width": 4},
    "small-cnn": {"width": 4, "embedding_size": 16},
    "vggish": {"width": 4, "hidden_size": 16, "embedding_size": 16},
}
every_kind = pytest.mark.parametrize("name", KINDS)


def make(name, *, n_channels=1, n_bands=64, image_frames=101, **options):
    frontend = SimpleNamespace(n_channels=n_channels, n_bands=n_bands)
    return KINDS[name](frontend, image_frames=image_frames, **options)


def count(name, **options) -> int:
    with torch.device("meta"):
        backbone = make(name, **options)
    return sum(parameter.numel() for parameter in backbone.parameters())


def convolutions(channels, sizes, *, bias) -> int:
    pairs = zip(pairwise(channels), sizes, strict=True)
    return sum(size**2 * n_in * n_out + bias * n_out for (n_in, n_out), size in pairs)


def dense(*sizes) -> int:
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))


def residual(n_blocks, *, bottleneck) -> int:
    """Count a residual network of one input channel, with two values per normalised channel."""
    widening = 4 if bottleneck else 1
    total, n_in = 49 * 64 + 2 * 64, 64
    for stage, n in enumerate(n_blocks):
        width = 64 * 2**stage
        n_out = width * widening
        for place in range(n):
            if bottleneck:
                total += n_in * width + 9 * width**2 + width * n_out + 2 * (2 * width + n_out)
            else:
                total += 9 * n_in * width + 9 * width**2 + 2 * 2 * width
            if place == 0 and (stage > 0 or n_in != n_out):
                total += n_in * n_out + 2 * n_out
            n_in = n_out
    return total


def test_vggish_has_72_million_parameters_with_its_head():
    expected = convolutions([1, 64, 128, 256, 256, 512, 512], [3] * 6, bias=True)
    expected += dense(512 * 4 * 6, 4096, 4096, 128)
    assert count("vggish") == expected
    assert count("vggish") + dense(128, 41) == 72_146_473


@pytest.mark.parametrize(
    ("depth", "n_blocks", "bottleneck", "in_words"),
    [
        (18, (2, 2, 2, 2), False, 11_170_240),
        (34, (3, 4, 6, 3), False, 21_278_400),
        (50, (3, 4, 6, 3), True, 23_501_760),
    ],
)
def test_resnetish_has_the_parameters_of_its_depth(depth, n_blocks, bottleneck, in_words):
    assert count("resnetish", depth=depth) == residual(n_blocks, bottleneck=bottleneck) == in_words


def test_the_small_network_has_two_and_a_half_million_parameters_with_its_head():
    expected = convolutions([1, 32, 64, 128, 256], [3] * 4, bias=True) + dense(256 * 64, 128)
    assert count("small-cnn") == expected
    assert count("small-cnn") + dense(128, 41) == 2_490_409


def test_alexnet_has_the_parameters_of_its_layers():
    expected = convolutions([1, 48, 128, 192, 192, 128], [11, 5, 3, 3, 3], bias=True)
    expected += 2 * (48 + 128 + 128) + dense(128 * 4 * 6, 256, 256)
    assert count("alexnet") == expected


def test_cnn14_has_as_many_parameters_as_its_authors_say():
    # Kong et al., 2020, table XII, with the layer of AudioSet's 527 classes.
    channels = [1, 64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024, 2048, 2048]
    expected = convolutions(channels, [3] * 12, bias=False) + 2 * sum(channels[1:])
    expected += 2 * 64 + dense(2048, 2048)
    assert count("cnn14") == expected
    assert count("cnn14") + dense(2048, 527) == 80_753_615


@every_kind
def test_config_tells_the_embedding_size_of_the_default_options(name):
    with torch.device("meta"):
        backbone = make(name)
    assert backbone.embedding_size == get_backbone_config(name).embedding_size


@pytest.mark.parametrize("depth", [18, 50])
def test_resnetish_with_a_stem_of_stride_two_and_one_place_equals_torchvision(depth, rng):
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    reference = getattr(torchvision.models, f"resnet{depth}")()
    weights = {k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}
    reference.fc = torch.nn.Identity()
    backbone = make("resnetish", depth=depth, n_channels=3, grid=(1, 1))
    backbone.load_state_dict(weights)
    backbone.conv1.stride = (2, 2)
    images = torch.from_numpy(rng.normal(size=(2, 3, 32, 45)).astype(np.float32))
    with torch.no_grad():
        actual, expected = backbone.eval().embed_images(images), reference.eval()(images)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_resnetish_takes_every_frame_in_its_stem_and_keeps_places(rng):
    backbone = make("resnetish", **SMALL["resnetish"], grid=(2, 3)).eval()
    maps = {}
    for name in ("conv1", "layer4"):
        backbone.get_submodule(name).register_forward_hook(
            lambda _, __, given, name=name: maps.update({name: given})
        )
    images = torch.from_numpy(rng.normal(size=(2, 1, 64, 96)).astype(np.float32))
    embeddings = backbone.embed_images(images).unflatten(1, (-1, 2, 3))
    assert maps["conv1"].shape[-2:] == (64, 96)
    assert maps["layer4"].shape[-2:] == (4, 6)
    # 64 bands and 96 frames are 4 x 6 places after four halvings, averaged two by two.
    expected = maps["layer4"].unflatten(3, (3, 2)).unflatten(2, (2, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(embeddings, expected, rtol=0, atol=1e-5)


def test_cnn14_embedding_is_made_of_the_mean_plus_the_maximum_over_time(rng):
    backbone = make("cnn14", **SMALL["cnn14"]).eval()
    given = {}
    backbone.conv_block6.register_forward_hook(lambda _, __, maps: given.update(maps=maps))
    embeddings = backbone.embed_images(torch.randn(2, 1, 64, 101))
    assert given["maps"].shape == (2, 64, 2, 3)
    steps = given["maps"].mean(dim=2)
    pooled = steps.mean(dim=2) + steps.amax(dim=2)
    torch.testing.assert_close(embeddings, functional.relu(backbone.fc1(pooled)))


def test_vggish_keeps_the_maximum_of_each_place_of_its_grid():
    backbone = make("vggish", **SMALL["vggish"]).eval()
    given = {}
    backbone.convolutions[-1].register_forward_hook(lambda _, __, maps: given.update(maps=maps))
    backbone.dense[0].register_forward_pre_hook(lambda _, values: given.update(values=values[0]))
    backbone.embed_images(torch.randn(1, 1, 64, 96))
    # Three halvings leave 8 x 12 of 64 x 96, and the grid is 4 x 6.
    expected = functional.max_pool2d(given["maps"].relu(), 2).flatten(start_dim=1)
    torch.testing.assert_close(given["values"], expected)


@pytest.mark.parametrize(
    ("size", "expected"), [((6, 8), (3, 4)), ((7, 9), (3, 4)), ((1, 5), (1, 2)), ((1, 1), (1, 1))]
)
def test_halving_leaves_sides_of_length_one(size, expected):
    assert halve(torch.zeros(1, 1, *size), functional.max_pool2d).shape[-2:] == expected


@every_kind
@pytest.mark.parametrize("size", [(1, 1), (16, 5), (40, 101)], ids=["one", "small", "odd"])
@pytest.mark.parametrize("n_channels", [1, 3], ids=["mono", "three"])
def test_any_size_of_image_gives_one_embedding_and_gradients_everywhere(name, size, n_channels):
    torch.manual_seed(0)
    backbone = make(name, n_channels=n_channels, n_bands=size[0], **SMALL[name])
    embeddings = backbone.embed_images(torch.randn(3, n_channels, *size))
    assert embeddings.shape == (3, backbone.embedding_size)
    assert embeddings.isfinite().all()
    embeddings.square().sum().backward()
    assert [key for key, value in backbone.named_parameters() if value.grad is None] == []


@every_kind
def test_a_clip_is_the_same_alone_and_beside_a_longer_one(name, rng):
    torch.manual_seed(0)
    network = create_backbone(
        name,
        n_classes=3,
        sr=8000,
        frontend="log-mel",
        frontend_params={"n_fft": 256, "hop_length": 128, "n_mels": 16, "fmin": 0.0, "fmax": None},
        image_frames=20,
        **SMALL[name],
    ).eval()
    batch = torch.zeros(2, 6000)
    batch[0, :2400] = torch.from_numpy(rng.normal(size=2400))
    batch[1] = torch.from_numpy(rng.normal(size=6000))
    with torch.no_grad():
        together = network(batch, torch.tensor([2400, 6000]))
        alone = network(batch[:1, :2400], torch.tensor([2400]))
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-5)


@every_kind
def test_the_layer_of_maps_gives_maps_of_bands_and_time(name):
    backbone = make(name, **SMALL[name]).eval()
    shapes = []
    backbone.get_submodule(backbone.map_layer).register_forward_hook(
        lambda _, __, maps: shapes.append(maps.shape)
    )
    backbone.embed_images(torch.randn(2, 1, 64, 160))
    ((n_images, n_maps, height, width),) = shapes
    assert n_images == 2
    assert n_maps > 1
    assert 1 <= height < width


def test_alexnet_channels_must_come_out_whole():
    with pytest.raises(ValueError, match="multiple of 3, got 16"):
        make("alexnet", width=16)


def test_resnetish_has_known_depths_only():
    with pytest.raises(ValueError, match=r"one of \[18, 34, 50\], got 19"):
        make("resnetish", depth=19)
