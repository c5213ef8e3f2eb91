"""Pipelines of torchaudio as backbones: its own networks as reference, nothing fetched."""

from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchaudio import models, pipelines

from deep.backbones.creation import create_backbone
from deep.backbones.hubs.torchaudio_pipelines import find_pipeline, list_pipelines
from deep.backbones.registry import get_backbone_config
from deep.classifier import AudioBackboneClassifier
from deep.training.stages import train_from

TINY = {
    "extractor_conv_layer_config": [[8, 10, 5], [8, 3, 2]],
    "encoder_embed_dim": 16,
    "encoder_num_layers": 2,
    "encoder_num_heads": 2,
    "encoder_ff_interm_features": 32,
    "encoder_pos_conv_kernel": 8,
    "encoder_pos_conv_groups": 2,
}
# Group and layer normalisation, layers normalised before and after, gated relative positions.
NAMES = ["WAV2VEC2_BASE", "HUBERT_LARGE", "WAVLM_BASE", "WAVLM_LARGE"]
every_kind = pytest.mark.parametrize("name", NAMES)


def padded(*waveforms: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform.astype(np.float32))
    return batch, lengths


def make_network(name: str, **options) -> torch.nn.Module:
    torch.manual_seed(0)
    network = create_backbone(
        f"torchaudio:{name}", n_classes=3, random_weights=True, params=TINY, **options
    )
    for parameter in network.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return network.eval()


def make_reference(name: str) -> torch.nn.Module:
    """Make the same network by torchaudio's own factory."""
    params = dict(find_pipeline(name, None, TINY)["params"])
    factory = models.wavlm_model if name.startswith("WAVLM") else models.wav2vec2_model
    return factory(**params).eval()


@every_kind
def test_steps_equal_those_of_torchaudio_alone_and_in_a_padded_batch(name, rng):
    networks = {layer: make_network(name, layer=layer) for layer in ("last", 1, "weighted")}
    whole = networks["last"].backbone
    reference = make_reference(name)
    weights = {
        f"feature_extractor.conv_layers.{key.removeprefix('layers.')}": each
        for key, each in whole.convolutions.state_dict().items()
    }
    weights |= {f"encoder.{key}": each for key, each in whole.transformer.state_dict().items()}
    reference.load_state_dict(weights)
    for layer in (1, "weighted"):
        networks[layer].backbone.load_state_dict(whole.state_dict(), strict=False)
        if layer == "weighted":
            networks[layer].backbone.choice.scores.data.zero_()
    clips = [rng.normal(size=size) for size in (4000, 2500, 4000)]
    batch = padded(*clips)
    scaled = (batch[0][1, :2500] - batch[0][1, :2500].mean()) / batch[0][1, :2500].std(correction=0)
    given = scaled if find_pipeline(name, None, None)["normalise"] else batch[0][1, :2500]
    with torch.no_grad():
        expected = reference(given[None])[0][0]
        features, _ = reference.extract_features(given[None])
        steps = {
            layer: network.backbone.frame_embeddings(*network.frames(*batch))[0][1]
            for layer, network in networks.items()
        }
    size = len(expected)
    torch.testing.assert_close(steps["last"][:size], expected, rtol=0, atol=2e-5)
    torch.testing.assert_close(steps[1][:size], features[0][0], rtol=0, atol=2e-5)
    assert (steps["last"][size:] == 0).all()
    # What goes into the first layer is a hidden state too, one that torchaudio does not give.
    assert steps["weighted"].isfinite().all()


@every_kind
def test_embeddings_do_not_depend_on_the_batch_and_are_finite_for_silence(name, rng):
    network = make_network(name)
    clips = [rng.normal(size=1600), rng.normal(size=5000), np.zeros(1)]
    with torch.no_grad():
        together = network.embeddings(*padded(*clips))
        alone = torch.cat([network.embeddings(*padded(clip)) for clip in clips])
    assert together.isfinite().all()
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-5)


@pytest.mark.parametrize("options", [{}, {"layer": "weighted"}, {"part": "convolutions"}], ids=str)
def test_gradients_reach_every_parameter(options, rng):
    network = make_network("WAVLM_BASE", **options).train()
    network(*padded(rng.normal(size=3000), rng.normal(size=5000))).square().sum().backward()
    assert [key for key, each in network.named_parameters() if each.grad is None] == []


def test_a_frozen_pipeline_is_not_trained_whatever_is_unfrozen(rng):
    network = make_network("HUBERT_BASE", frozen=True, head_params={"dropout": 0.0})
    train_from(network, "")
    assert list(network.backbone.parameters()) == []
    batch = padded(rng.normal(size=3000), rng.normal(size=2000))
    in_training = network.embeddings(*batch)
    torch.testing.assert_close(in_training, network.eval().embeddings(*batch))


def test_weights_are_those_of_the_pipeline_read_without_code(monkeypatch, rng):
    torch.manual_seed(3)
    params = find_pipeline("WAV2VEC2_ASR_BASE_10M", None, TINY)["params"]
    published, asked = models.wav2vec2_model(**{**params, "aux_num_out": 29}), {}

    def get_model(self, *, dl_kwargs):
        asked.update(dl_kwargs)
        return published

    monkeypatch.setattr(pipelines.Wav2Vec2Bundle, "get_model", get_model)
    network = create_backbone("torchaudio:WAV2VEC2_ASR_BASE_10M", n_classes=2, params=TINY).eval()
    waveforms, lengths = padded(rng.normal(size=3000))
    with torch.no_grad():
        steps, _ = published.eval().feature_extractor(waveforms, None)
        expected = published.encoder(steps).mean(dim=1)
        torch.testing.assert_close(network.embeddings(waveforms, lengths), expected)
    assert asked["weights_only"] is True


def test_weights_out_of_reach_give_what_to_fetch_and_where_to_put_it(monkeypatch):
    def get_model(self, *, dl_kwargs):
        raise URLError("no route")

    monkeypatch.setattr(pipelines.Wav2Vec2Bundle, "get_model", get_model)
    where = (
        r"fetch https://download.pytorch.org/torchaudio/models/hubert.*put it into .*checkpoints"
    )
    with pytest.raises(OSError, match=where):
        create_backbone("torchaudio:HUBERT_BASE", n_classes=2)


def test_a_saved_classifier_opens_without_the_pipeline(tmp_path, monkeypatch, rng):
    classifier = AudioBackboneClassifier(
        backbone="torchaudio:WAV2VEC2_BASE",
        backbone_params={"params": TINY, "random_weights": True, "layer": "weighted"},
        epochs=1, batch_size=4, validation_fraction=0.0, augment=False, device="cpu",
        random_state=0,
    )  # fmt: skip
    clips = [rng.normal(size=size) for size in (2000, 3000, 2500, 1500)]
    classifier.fit(clips, ["a", "b", "a", "b"])
    classifier.save_model(tmp_path)
    monkeypatch.setattr(pipelines, "WAV2VEC2_BASE", None)
    loaded = AudioBackboneClassifier.load_model(tmp_path, device="cpu")
    expected = classifier.decision_function(clips)
    np.testing.assert_array_equal(loaded.decision_function(clips), expected)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("NOPE", {}, "pipeline must be one of .*'HUBERT_BASE'"),
        ("HDEMUCS_HIGH_MUSDB", {}, "pipeline must be one of"),
        ("WAVLM_BASE", {"part": "half"}, "part must be one of"),
        ("WAVLM_BASE", {"part": "convolutions", "layer": 1}, "layer must be 'last'"),
        ("WAVLM_BASE", {"layer": 3}, "a number from -3 to 2, got 3"),
    ],
    ids=["unknown", "no-embeddings", "part", "part-and-layer", "layer"],
)
def test_what_does_not_exist_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_network(name, **options)


def test_weights_at_another_rate_are_refused():
    with pytest.raises(ValueError, match="sr must be 16000 for the weights of 'HUBERT_BASE'"):
        create_backbone("torchaudio:HUBERT_BASE", n_classes=2, sr=22050)


def test_configs_tell_rate_and_size():
    config = get_backbone_config("torchaudio:WAVLM_LARGE")
    assert (config.sr, config.embedding_size, config.pretrained) == (16000, 1024, True)
    part = get_backbone_config("torchaudio:HUBERT_BASE", options={"part": "convolutions"})
    assert part.embedding_size == 512
    assert {"WAV2VEC2_BASE", "HUBERT_BASE", "WAVLM_BASE"} <= set(list_pipelines())
