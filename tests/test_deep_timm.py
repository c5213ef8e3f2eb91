"""Backbones of the timm library: timm itself as the reference, and no hub."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

timm = pytest.importorskip("timm")

from deep.backbones.creation import create_backbone  # noqa: E402
from deep.backbones.hubs.timm_library import create_timm_model, find_hub_weights  # noqa: E402
from deep.backbones.hubs.timm_models import TimmBackbone  # noqa: E402
from deep.backbones.registry import get_backbone_config  # noqa: E402 - after timm
from deep.classifier import AudioBackboneClassifier  # noqa: E402
from deep.frontends.registry import create_frontend  # noqa: E402

SR = 8000
FRONTEND = {"n_fft": 256, "hop_length": 128, "n_mels": 32}

# Counted by timm 1.0.31 itself for one input channel and no classifier.
N_PARAMETERS = {
    "efficientnetv2_s": 20_177_056,
    "resnext50_32x4d": 22_973_632,
    "convnext_small": 49_451_616,
    "mobilenetv3_large_100": 4_201_744,
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def frontend():
    return create_frontend("log-mel", sr=SR, **FRONTEND)


def without_bias_of_start(network: torch.nn.Module) -> None:
    """Give all weights values that matter."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("model", ["test_resnet", "test_convnext", "test_vit"])
def test_embeddings_are_those_of_the_library_on_the_same_image(model, channels, frontend):
    backbone = TimmBackbone(
        frontend, model=model, image_frames=48, image_size=64, in_chans=channels
    ).eval()
    without_bias_of_start(backbone)
    size = {"img_size": 64} if model == "test_vit" else {}
    reference = timm.create_model(model, num_classes=0, in_chans=channels, **size).eval()
    reference.load_state_dict(backbone.model.state_dict())
    frames = torch.randn(2, 1, 32, 48)
    images = torch.nn.functional.interpolate(frames, (64, 64), mode="bilinear", antialias=True)
    expected = reference(images.repeat(1, channels, 1, 1))
    actual = backbone(frames, torch.tensor([48, 48]))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)
    assert backbone.embedding_size == expected.shape[1]


def test_a_network_of_one_size_is_made_for_that_of_the_images(frontend):
    backbone = TimmBackbone(frontend, model="test_vit", image_frames=48).eval()
    assert backbone.architecture["arguments"] == {"in_chans": 1, "img_size": [32, 48]}
    assert backbone(torch.randn(1, 1, 32, 30), torch.tensor([30])).shape == (1, 64)


def test_nearest_rows_are_repeated_where_images_are_stretched(frontend):
    backbone = TimmBackbone(
        frontend,
        model="test_resnet",
        image_frames=64,
        image_size=(64, 64),
        interpolation="nearest-exact",
    ).eval()
    images = torch.randn(1, 1, 32, 64)
    expected = backbone.model(images.repeat_interleave(2, dim=2))
    torch.testing.assert_close(backbone.embed_images(images), expected)


@pytest.mark.parametrize("model", N_PARAMETERS)
def test_known_models_have_the_size_the_library_counts(model):
    with torch.device("meta"):
        network, _ = create_timm_model(model, in_chans=1)
    assert sum(parameter.numel() for parameter in network.parameters()) == N_PARAMETERS[model]


@pytest.mark.parametrize("length", [1, 800, 4000])
def test_output_is_the_same_alone_and_in_a_padded_batch(length, rng):
    network = create_backbone(
        "timm:test_resnet", n_classes=3, sr=SR, frontend_params=FRONTEND, image_frames=32
    ).eval()
    without_bias_of_start(network)
    clip = torch.tensor(rng.normal(size=length), dtype=torch.float32)
    batch = torch.zeros(2, 9000)
    batch[0], batch[1, :length] = torch.randn(9000), clip
    together = network(batch, torch.tensor([9000, length]))[1]
    alone = network(clip[None], torch.tensor([length]))[0]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "is_maps"),
    [
        ("test_resnet", True),
        ("test_convnext", True),
        ("test_efficientnet", True),
        ("test_vit", False),
    ],
)
def test_the_layer_of_the_last_maps_is_named_where_there_are_maps(model, is_maps, frontend):
    backbone = TimmBackbone(frontend, model=model, image_frames=48, image_size=64).eval()
    assert (backbone.map_layer is not None) == is_maps
    if is_maps:
        seen = []
        layer = backbone.get_submodule(backbone.map_layer)
        layer.register_forward_hook(lambda _, __, maps: seen.append(maps))
        backbone(torch.randn(1, 1, 32, 48), torch.tensor([48]))
        assert [maps.ndim for maps in seen] == [4]
        assert seen[0].shape[2:] == (2, 2)


def test_dropping_blocks_is_for_training_only(frontend):
    backbone = TimmBackbone(
        frontend, model="test_convnext", image_frames=32, drop_path=0.5, drop_rate=0.5
    )
    images = torch.randn(8, 1, 32, 32)
    assert not torch.equal(
        backbone.train()(images, torch.full((8,), 32)), backbone(images, torch.full((8,), 32))
    )
    backbone.eval()
    first, second = (backbone(images, torch.full((8,), 32)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"model": "convnext_smal"}, r"no model 'convnext_smal'; did you mean.*'convnext_small'"),
        ({"model": "convnext_small.nope"}, r"these weights.*'convnext_small.fb_in1k'.*nope'"),
        ({"model": "test_vit", "image_frames": 40}, r"images of 32 x 40.*image_size"),
        ({"model": "test_vit", "drop_rate": 2.0}, "'test_vit' cannot be made: dropout.*2"),
        ({"model": "test_resnet", "image_size": (0, 3)}, r"at least 1 each, got \(0, 3\)"),
        ({"model": "test_resnet", "interpolation": "area"}, r"one of .*'bilinear'.*'area'"),
        (
            {"model": "efficientnetv2_s", "pretrained": True},
            "hub has no weights.*'efficientnetv2_s'",
        ),
    ],
    ids=["name", "tag", "size", "option", "no-size", "interpolation", "no-weights"],
)
def test_what_cannot_be_made_is_refused_with_the_reason(options, problem, frontend):
    with pytest.raises(ValueError, match=problem):
        TimmBackbone(frontend, **options)


def test_a_missing_library_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"pip install 'timbrestack\[timm\]'"):
        get_backbone_config("timm:resnet18")


@pytest.fixture
def weights(tmp_path) -> tuple[Path, torch.nn.Module]:
    """Write a file as the hub has it, with three channels and a classifier."""
    reference = timm.create_model("test_resnet", num_classes=7).eval()
    without_bias_of_start(reference)
    save_file(reference.state_dict(), tmp_path / "model.safetensors")
    reference.reset_classifier(0)
    return tmp_path / "model.safetensors", reference


def test_weights_come_from_a_file_whatever_its_classifier(weights, frontend):
    path, reference = weights
    backbone = TimmBackbone(
        frontend, model="test_resnet", weights=str(path), image_frames=48
    ).eval()
    images = torch.randn(2, 1, 32, 48)
    # One channel answers as three equal ones did.
    expected = reference(images.repeat(1, 3, 1, 1))
    torch.testing.assert_close(backbone.embed_images(images), expected, rtol=1e-4, atol=1e-4)


def test_weights_without_a_classifier_are_taken_too(weights, frontend, tmp_path):
    _, reference = weights
    save_file(reference.state_dict(), tmp_path / "bare.safetensors")
    backbone = TimmBackbone(
        frontend, model="test_resnet", weights=str(tmp_path / "bare.safetensors"), in_chans=3
    )
    assert torch.equal(backbone.model.conv1[0].weight, reference.conv1[0].weight)


def test_weights_of_another_network_are_refused(weights, frontend):
    with pytest.raises(ValueError, match="'test_convnext' cannot be made with the weights in"):
        TimmBackbone(frontend, model="test_convnext", weights=str(weights[0]))


@pytest.mark.parametrize(
    ("name", "problem"),
    [("model.bin", "pickles run code"), ("none.safetensors", "must be a file")],
    ids=["pickle", "missing"],
)
def test_weights_must_be_a_safetensors_file(name, problem, frontend, tmp_path):
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match=problem):
        TimmBackbone(frontend, model="test_resnet", weights=str(tmp_path / name))


def test_a_damaged_file_is_refused(frontend, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="must be a safetensors file"):
        TimmBackbone(frontend, model="test_resnet", weights=str(tmp_path / "model.safetensors"))


@pytest.fixture
def no_hub(monkeypatch):
    """Let the hub be out of reach, and count who asks for it."""
    asked = []

    def refuse(**wanted):
        asked.append(wanted)
        raise ConnectionError("offline")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    return asked


@pytest.mark.usefixtures("no_hub")
def test_without_a_hub_it_is_said_what_to_fetch_and_where_to_put_it(frontend):
    expected = r"hf download timm/test_resnet.r160_in1k model.safetensors.*HF_HOME.*weights="
    with pytest.raises(OSError, match=expected):
        TimmBackbone(frontend, model="test_resnet", pretrained=True)


def test_weights_in_the_cache_are_found_without_a_network(monkeypatch, weights):
    asked = []

    def find(**wanted):
        asked.append(wanted)
        return str(weights[0])

    monkeypatch.setattr("huggingface_hub.hf_hub_download", find)
    assert find_hub_weights("test_resnet") == weights[0]
    assert [each.get("local_files_only") for each in asked] == [True]


@pytest.mark.parametrize("model", ["test_vit", "test_efficientnet"])
def test_the_config_tells_the_size_of_the_embedding(model, frontend):
    backbone = TimmBackbone(frontend, model=model, image_size=64)
    assert get_backbone_config(f"timm:{model}").embedding_size == backbone.embedding_size


def test_licence_and_source_are_those_of_the_weights_where_there_are_any():
    bare = get_backbone_config("timm:regnetx_002")
    assert (bare.licence, bare.pretrained) == ("Apache-2.0", False)
    trained = get_backbone_config("timm:regnetx_002", options={"pretrained": True})
    assert (trained.licence, trained.pretrained) == ("mit", True)
    assert "huggingface.co/timm/regnetx_002" in trained.source


def test_a_trained_model_is_opened_again_without_hub_or_weights_file(
    weights, no_hub, tmp_path, rng
):
    clips = [rng.normal(size=2400).astype(np.float32) for _ in range(8)]
    own = tmp_path / "own.safetensors"
    own.write_bytes(weights[0].read_bytes())
    model = AudioBackboneClassifier(
        "timm:test_resnet",
        backbone_params={"weights": str(own), "image_frames": 32},
        frontend_params=FRONTEND,
        sr=SR,
        epochs=1,
        batch_size=4,
        validation_fraction=0,
        augment=False,
        random_state=0,
        device="cpu",
    ).fit(clips, [0, 1] * 4)
    model.save_model(tmp_path / "saved")
    card = json.loads((tmp_path / "saved" / "card.json").read_text())
    assert card["architecture"]["model"] == "test_resnet"
    own.unlink()
    again = AudioBackboneClassifier.load_model(tmp_path / "saved", device="cpu")
    np.testing.assert_array_equal(again.predict_proba(clips), model.predict_proba(clips))
    assert no_hub == []
