"""Every registered backbone keeps its promises."""

import numpy as np
import pytest
import torch

from deep.backbones.creation import create_backbone
from deep.backbones.earlier import name_parts
from deep.backbones.recurrence import read_sequences
from deep.backbones.registry import BackboneConfig, list_backbones, register_backbone

every_backbone = pytest.mark.parametrize("name", list_backbones())


def padded(*waveforms: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform.astype(np.float32))
    return batch, lengths


@pytest.fixture
def make_network():
    """Make a network in evaluation mode whose normalisation layers are not the identity."""

    def make(name: str, **options) -> torch.nn.Module:
        torch.manual_seed(0)
        network = create_backbone(name, n_classes=4, **options)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                module.weight.data.uniform_(0.5, 2)
                module.bias.data.normal_()
        return network.eval()

    return make


@pytest.mark.parametrize("bidirectional", [True, False], ids=["both-ways", "forwards"])
def test_crnn_embedding_is_the_state_after_the_last_valid_step(
    bidirectional, make_network, rng, monkeypatch
):
    network = make_network("crnn", bidirectional=bidirectional, n_layers=1)
    backbone = network.backbone
    given = []

    def read(lstm, steps, n_steps):
        given.append(steps[:, : int(n_steps[0])])
        return read_sequences(lstm, steps, n_steps)

    monkeypatch.setattr("deep.backbones.crnn.read_sequences", read)
    embedding = network.embeddings(*padded(rng.normal(size=12000)))[0]
    outputs, _ = backbone.lstm(given[0])
    size = backbone.lstm.hidden_size
    expected = outputs[0, -1, :size]
    if bidirectional:
        expected = torch.cat([expected, outputs[0, 0, size:]])
    torch.testing.assert_close(embedding, expected, rtol=0, atol=1e-6)


def test_crnn_pooled_over_time_is_mean_plus_maximum_of_its_valid_states(make_network, rng):
    network = make_network("crnn", pooling="mean-max")
    clip, longer = rng.normal(size=12000), rng.normal(size=30000)
    batch = padded(longer, clip)
    states, n_steps = network.backbone.frame_embeddings(*network.frames(*batch))
    valid = states[1, : int(n_steps[1])]
    expected = valid.mean(dim=0) + valid.amax(dim=0)
    torch.testing.assert_close(network.embeddings(*batch)[1], expected, rtol=0, atol=1e-5)
    alone = network.embeddings(*padded(clip))[0]
    torch.testing.assert_close(network.embeddings(*batch)[1], alone, rtol=0, atol=1e-5)


def test_crnn_pools_in_known_ways_only():
    with pytest.raises(ValueError, match="pooling must be one of"):
        create_backbone("crnn", n_classes=2, pooling="sum")


def test_cnn_embedding_does_not_depend_on_where_in_a_clip_a_sound_is(make_network, rng):
    network = make_network("cnn")
    sound, hop = rng.normal(size=8192), 512 * network.backbone.frames_per_step
    early, late = np.zeros(20 * hop), np.zeros(20 * hop)
    early[4 * hop : 4 * hop + 8192], late[9 * hop : 9 * hop + 8192] = sound, sound
    first, second = network.embeddings(*padded(early, late))
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-3)


def test_cnn_needs_bands_for_its_pools():
    with pytest.raises(ValueError, match="need at least 16 bands, got 8"):
        create_backbone("cnn", n_classes=2, frontend_params={"n_mels": 8})


def test_an_unknown_backbone_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of \[.*'crnn'.*\], got 'nope'"):
        create_backbone("nope", n_classes=2)


def test_a_name_cannot_be_registered_twice():
    config = BackboneConfig(name="crnn", source="x", licence="MIT", sr=1, embedding_size=1)
    with pytest.raises(ValueError, match="'crnn' is registered twice"):
        register_backbone(config)(lambda **_: None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@every_backbone
def test_cpu_and_gpu_agree(name, make_network, rng):
    network, batch = make_network(name), padded(rng.normal(size=9000), rng.normal(size=20000))
    expected = network(*batch)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        actual = network.cuda()(batch[0].cuda(), batch[1]).cpu()
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


def test_settings_of_earlier_versions_are_dealt_to_the_parts_they_belong_to():
    earlier = {"backbone_params": {"n_mels": 16, "channels": [4], "head_dropout": 0.1}, "sr": 8000}
    assert name_parts(earlier) == {
        "backbone_params": {"channels": [4]},
        "frontend_params": {"n_mels": 16},
        "head_params": {"dropout": 0.1},
        "sr": 8000,
    }
    assert name_parts({"backbone_params": None}) == {"backbone_params": None}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channel": 3}, r"backbone 'crnn' has no option \['channel'\]; its options are \['chan"),
        ({"frontend_params": {"n_mel": 3}}, r"frontend 'log-mel' has no option \['n_mel'\]"),
        ({"head_params": {"p": 3}}, r"head 'linear' has no option \['p'\]"),
        ({"frontend": "mal"}, r"frontend must be one of \[.*'log-mel'.*\], got 'mal'"),
        ({"head": "foot"}, r"head must be one of \[.*'linear'.*\], got 'foot'"),
    ],
    ids=["backbone-option", "frontend-option", "head-option", "frontend", "head"],
)
def test_parts_and_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        create_backbone("crnn", n_classes=2, **options)
