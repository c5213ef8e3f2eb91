"""Hugging Face models as backbones: transformers as reference, folders instead of the hub."""

import builtins
import json
import shutil

import numpy as np
import pytest
import torch

from deep.backbones.creation import create_backbone
from deep.backbones.hubs.hugging_face.family import create_hugging_face
from deep.backbones.hubs.known_classes import find_label
from deep.backbones.hubs.layer_choice import LayerChoice
from deep.backbones.image import cut_images
from deep.backbones.registry import get_backbone_config
from deep.classifier import AudioBackboneClassifier
from deep.frontends.kaldi_fbank import KaldiFbankFrontend
from deep.frontends.waveform import WaveformFrontend
from deep.heads.audioset import AudioSetHead
from deep.pretraining.pretrained import PretrainedBackbone
from deep.training.stages import train_from

transformers = pytest.importorskip("transformers")

SR = 16000
TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
AST = {**TINY, "max_length": 48, "num_mel_bins": 32, "patch_size": 8}
AST |= {"time_stride": 4, "frequency_stride": 6}
SPEECH = {
    **TINY,
    "conv_dim": [8, 8],
    "conv_kernel": [10, 3],
    "conv_stride": [5, 2],
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
LARGE = {**SPEECH, "do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
CLAP = {
    "spec_size": 64,
    "num_mel_bins": 16,
    "patch_embeds_hidden_size": 8,
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "window_size": 4,
    "hidden_size": 16,
}
LABELS = ["Cello", "Violin, fiddle", "Singing", "Organ", "Dog"]

KINDS = {
    "ast": ("audio-spectrogram-transformer", AST),
    "wav2vec2": ("wav2vec2", SPEECH),
    "wav2vec2-large": ("wav2vec2", LARGE),
    "hubert": ("hubert", SPEECH),
    "wavlm": ("wavlm", SPEECH),
    "unispeech-sat": ("unispeech-sat", SPEECH),
    "clap": ("clap_audio_model", CLAP),
}
every_kind = pytest.mark.parametrize(("kind", "config"), KINDS.values(), ids=KINDS)
SPEECH_KINDS = [name for name in KINDS if name not in ("ast", "clap")]
every_speech_kind = pytest.mark.parametrize(
    ("kind", "config"), [KINDS[name] for name in SPEECH_KINDS], ids=SPEECH_KINDS
)


def padded(*waveforms: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform.astype(np.float32))
    return batch, lengths


def randomise(model: torch.nn.Module) -> torch.nn.Module:
    """Give weights that no two layers have in common, as fresh ones nearly have."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return model.eval()


def make_network(kind: str, config: dict, **options) -> torch.nn.Module:
    torch.manual_seed(0)
    return create_backbone(f"hf:{kind}", n_classes=3, random_weights=True, config=config, **options)


@pytest.fixture(scope="module")
def ast_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ast")
    names = dict(enumerate(LABELS))
    config = transformers.ASTConfig(
        **AST, id2label=names, label2id={n: i for i, n in names.items()}
    )
    randomise(transformers.ASTForAudioClassification(config)).save_pretrained(folder)
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=48, mean=-3.0, std=3.5)
    extractor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def speech_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    config = transformers.Wav2Vec2Config(**SPEECH)
    randomise(transformers.Wav2Vec2ForPreTraining(config)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


def test_ast_and_its_head_equal_those_of_transformers_with_its_feature_extractor(ast_folder, rng):
    clip = 0.1 * rng.normal(size=6000)
    library = transformers.ASTForAudioClassification.from_pretrained(ast_folder).eval()
    extractor = transformers.ASTFeatureExtractor.from_pretrained(ast_folder)
    inputs = extractor(clip.astype(np.float32), sampling_rate=SR, return_tensors="pt")
    with torch.no_grad():
        expected = library(**inputs).logits[0]
    network = create_backbone(f"hf:{ast_folder}", n_classes=5, head="audioset").eval()
    network.head.start_with(network.backbone, LABELS)
    with torch.no_grad():
        actual = network(*padded(rng.normal(size=9000), clip))[1]
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)


def test_a_clip_longer_than_an_image_has_the_mean_over_its_images(ast_folder, rng):
    network = create_backbone(f"hf:{ast_folder}", n_classes=2, fill="repeat").eval()
    batch = padded(rng.normal(size=400 + 159 * 160))
    frames, n_frames = network.frames(*batch)
    images, _, shares = cut_images(frames, n_frames, 48)
    with torch.no_grad():
        each = network.backbone.embed_images(images - network.backbone.padding)
        actual = network.embeddings(*batch)[0]
    assert shares.tolist() == pytest.approx([0.3, 0.3, 0.3, 0.1])
    torch.testing.assert_close(actual, (each * shares[:, None]).sum(dim=0), rtol=0, atol=1e-5)


def test_steps_of_an_ast_are_those_that_lie_within_the_clip(rng):
    backbone = make_network(*KINDS["ast"]).eval().backbone
    frames = torch.randn(2, 1, 32, 60)
    with torch.no_grad():
        steps, n_steps = backbone.frame_embeddings(frames, torch.tensor([60, 20]))
        alone, n_alone = backbone.frame_embeddings(frames[1:, :, :, :20], torch.tensor([20]))
    # 48 frames have 11 patches of 8 frames every 4, the 12 that follow have 2, and 20 have 4.
    assert n_steps.tolist() == [13, 4]
    assert n_alone.tolist() == [4]
    torch.testing.assert_close(steps[1, :4], alone[0], rtol=0, atol=1e-5)
    assert (steps[1, 4:] == 0).all()


@pytest.mark.parametrize("normalise", [True, False], ids=["normalised", "as-it-is"])
@every_speech_kind
def test_speech_models_equal_those_of_transformers_alone_and_in_a_padded_batch(
    kind, config, normalise, rng
):
    network = make_network(
        kind, config, frontend_params=dict.fromkeys(("scale_level", "remove_mean"), normalise)
    ).eval()
    randomise(network)
    clips = [0.1 * rng.normal(size=size) + 0.02 for size in (2000, 1200, 2000)]
    with torch.no_grad():
        actual, n_steps = network.backbone.frame_embeddings(*network.frames(*padded(*clips)))
    library = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model(kind, **config)
    ).eval()
    weights = network.backbone.transformer.state_dict()
    weights |= {
        f"feature_extractor.conv_layers.{name.removeprefix('layers.')}": weight
        for name, weight in network.backbone.convolutions.state_dict().items()
    }
    assert library.load_state_dict(weights, strict=False).missing_keys in (
        [],
        ["masked_spec_embed"],
    )
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise)
    for row, clip in enumerate(clips):
        inputs = extractor(clip, sampling_rate=SR, return_tensors="pt").input_values.float()
        with torch.no_grad():
            expected = library(inputs).last_hidden_state[0]
        assert n_steps[row] == len(expected)
        torch.testing.assert_close(actual[row, : n_steps[row]], expected, rtol=0, atol=2e-5)
        assert (actual[row, n_steps[row] :] == 0).all()


@pytest.mark.parametrize("saved", ["whole", "tower"])
def test_clap_equals_that_of_transformers_with_its_feature_extractor(saved, tmp_path, rng):
    config = transformers.ClapConfig(
        audio_config=CLAP,
        text_config={**TINY, "vocab_size": 8, "max_position_embeddings": 8},
        projection_dim=4,
    )
    library = randomise(transformers.ClapModel(config))
    norm = library.audio_model.audio_encoder.batch_norm
    norm.running_mean.fill_(-30.0)
    norm.running_var.fill_(100.0)
    (library if saved == "whole" else library.audio_model).save_pretrained(tmp_path)
    extractor = transformers.ClapFeatureExtractor(
        feature_size=16, sampling_rate=8000, hop_length=80, max_length_s=1, fft_window_size=256,
        frequency_min=50, frequency_max=3500, truncation="rand_trunc",
    )  # fmt: skip
    extractor.save_pretrained(tmp_path)
    clip = 0.1 * rng.normal(size=8000)
    inputs = extractor(clip, sampling_rate=8000, return_tensors="pt").input_features.float()
    network = create_backbone(f"hf:{tmp_path}", n_classes=2).eval()
    with torch.no_grad():
        expected = library.audio_model(inputs).pooler_output[0]
        actual = network.embeddings(*padded(clip))[0]
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-3)


@every_kind
def test_embeddings_have_the_promised_size_and_do_not_depend_on_the_batch(kind, config, rng):
    network = randomise(make_network(kind, config))
    sr = network.frontend.sr
    clips = [rng.normal(size=size) for size in (sr // 40, sr // 8, 1)]
    with torch.no_grad():
        together = network.embeddings(*padded(*clips))
        alone = torch.cat([network.embeddings(*padded(clip)) for clip in clips])
    described = get_backbone_config(
        f"hf:{kind}", options={"random_weights": True, "config": config}
    )
    assert together.shape == (3, described.embedding_size)
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-5)


@every_kind
def test_silence_gives_finite_embeddings(kind, config):
    network = make_network(kind, config).eval()
    with torch.no_grad():
        assert network.embeddings(*padded(np.zeros(1), np.zeros(2000))).isfinite().all()


@every_kind
def test_gradients_reach_every_parameter(kind, config, rng):
    network = make_network(kind, config)
    network(*padded(rng.normal(size=1500), rng.normal(size=2500))).square().sum().backward()
    assert [name for name, each in network.named_parameters() if each.grad is None] == []


@pytest.mark.parametrize("name", ["ast", "wav2vec2", "wav2vec2-large", "wavlm"])
def test_a_layer_is_what_transformers_calls_its_hidden_state(name, rng):
    kind, config = KINDS[name]
    batch = padded(rng.normal(size=400 + 47 * 160))
    layers = {layer: randomise(make_network(kind, config, layer=layer)) for layer in (0, 1, "last")}
    whole = layers["last"]
    weighted = make_network(kind, config, layer="weighted").eval()
    for network in (layers[0], layers[1], weighted):
        # The weights of its layers are a part of all.
        network.load_state_dict(whole.state_dict(), strict=False)
    with torch.no_grad():
        frames, n_frames = whole.frames(*batch)
        if name == "ast":
            values = frames[:, 0].transpose(1, 2)
            hidden = whole.backbone.transformer(values, output_hidden_states=True).hidden_states
            hidden = [(state[:, 0] + state[:, 1]) / 2 for state in hidden]
        else:
            steps, _ = whole.backbone.convolutions(frames[:, 0, 0], n_frames)
            steps = steps.transpose(1, 2)
            hidden = whole.backbone.transformer(steps, output_hidden_states=True).hidden_states
            hidden = [state.mean(dim=1) for state in hidden]
        for layer in (0, 1):
            actual = layers[layer].backbone(frames, n_frames)
            torch.testing.assert_close(actual, hidden[layer], rtol=0, atol=2e-5)
        mean = weighted.backbone(frames, n_frames)
    torch.testing.assert_close(mean, torch.stack(hidden).mean(dim=0), rtol=0, atol=2e-5)


def test_there_are_only_so_many_layers():
    with pytest.raises(ValueError, match="'weighted' or a number from -3 to 2, got 3"):
        LayerChoice(3, 2)
    assert LayerChoice(-1, 2).n_kept == 2


def test_convolutions_alone_have_no_transformer(speech_folder, rng):
    network = create_backbone(f"hf:{speech_folder}", n_classes=2, part="convolutions").eval()
    library = transformers.Wav2Vec2Model.from_pretrained(speech_folder).eval()
    clip = rng.normal(size=3000)
    clip = (clip - clip.mean()) / clip.std()
    with torch.no_grad():
        expected = library.feature_extractor(padded(clip)[0]).mean(dim=2)
        actual = network.embeddings(*padded(clip))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)
    assert network.embedding_size == 8
    assert not any("transformer" in name for name, _ in network.named_parameters())


def test_steps_are_pooled_by_attention_where_wished(rng):
    network = make_network("wav2vec2", SPEECH, pooling="attention")
    assert network(*padded(rng.normal(size=3000), rng.normal(size=2000))).shape == (2, 3)
    with pytest.raises(ValueError, match="pooling must be one of"):
        make_network("wav2vec2", SPEECH, pooling="sum")


@every_kind
def test_a_frozen_model_is_not_trained_whatever_is_unfrozen(kind, config, rng):
    config = {**config, "hidden_dropout": 0.5, "hidden_dropout_prob": 0.5}
    network = make_network(kind, config, frozen=True, head_params={"dropout": 0.0})
    before = {name: each.clone() for name, each in network.backbone.state_dict().items()}
    train_from(network, "")
    assert list(network.backbone.parameters()) == []
    batch = padded(rng.normal(size=2500), rng.normal(size=1500))
    in_training = network.embeddings(*batch)
    assert not in_training.requires_grad
    torch.testing.assert_close(in_training, network.eval().embeddings(*batch), rtol=0, atol=1e-5)
    after = network.backbone.state_dict()
    assert all(torch.equal(after[name], each) for name, each in before.items())


@pytest.mark.parametrize("name", ["ast", "wav2vec2", "wavlm", "clap"])
def test_of_a_model_with_adapters_only_these_are_trained(name, rng):
    pytest.importorskip("peft")
    kind, config = KINDS[name]
    network = make_network(kind, config, adapters={"rank": 2})
    train_from(network, "")
    names = [each for each, _ in network.backbone.named_parameters()]
    assert names
    assert all("lora_" in each for each in names)
    network(*padded(rng.normal(size=2500), rng.normal(size=1500))).square().sum().backward()
    # The first factor starts to move when the second is no longer zero.
    moving = [n for n, p in network.backbone.named_parameters() if "lora_B" in n and p.grad.any()]
    assert len(moving) == len(names) // 2


def test_adapters_at_the_start_change_nothing(rng):
    pytest.importorskip("peft")
    plain, adapted = (make_network("wav2vec2", SPEECH, **each) for each in ({}, {"adapters": {}}))
    own = plain.state_dict()
    renamed = {name.replace(".base_layer", ""): name for name in adapted.state_dict()}
    weights = {to: own[name] for name, to in renamed.items() if name in own}
    assert len(weights) == len(own)
    adapted.load_state_dict(weights, strict=False)
    batch = padded(rng.normal(size=3000))
    with torch.no_grad():
        torch.testing.assert_close(adapted.eval()(*batch), plain.eval()(*batch))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adapters": {"rang": 2}}, r"settings among .*got \['rang'\]"),
        ({"adapters": {"targets": ["nope"]}}, "targets must be among"),
        ({"adapters": {}, "frozen": True}, "drop frozen"),
        ({"adapters": {}, "part": "convolutions"}, "must have a transformer"),
        ({"part": "half"}, "part must be one of"),
        ({"part": "convolutions", "layer": 1}, "layer must be 'last'"),
        ({"fill": "repeat"}, r"without the options \['fill'\]"),
        ({"nope": 1}, "has no option"),
    ],
    ids=["setting", "target", "frozen", "no-transformer", "part", "layer", "useless", "unknown"],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_network("wav2vec2", SPEECH, **options)


def test_adapters_of_wavlm_keep_away_from_projections_that_would_not_heed_them():
    with pytest.raises(ValueError, match=r"targets must be among .*'intermediate_dense'"):
        make_network("wavlm", SPEECH, adapters={"targets": ["q_proj"]})


@pytest.mark.parametrize("adapters", [None, {"rank": 2}], ids=["whole", "adapters"])
def test_a_saved_classifier_opens_when_the_folder_is_gone(ast_folder, tmp_path, adapters, rng):
    folder = tmp_path / "model"
    shutil.copytree(ast_folder, folder)
    clips = [0.1 * rng.normal(size=size) for size in (2000, 3000, 1500, 2500)]
    classifier = AudioBackboneClassifier(
        backbone=f"hf:{folder}", backbone_params={"adapters": adapters}, head="audioset",
        epochs=1, batch_size=4, validation_fraction=0.0, augment=False, device="cpu",
        source_sr=SR, random_state=0,
    )  # fmt: skip
    classifier.fit(clips, ["cel", "vio", "cel", "vio"])
    expected = classifier.decision_function(clips)
    classifier.save_model(tmp_path / "saved")
    card = json.loads((tmp_path / "saved" / "card.json").read_text())
    assert str(tmp_path) not in json.dumps(card["architecture"])
    shutil.rmtree(folder)
    loaded = AudioBackboneClassifier.load_model(tmp_path / "saved", device="cpu")
    np.testing.assert_array_equal(loaded.decision_function(clips), expected)


def test_a_folder_is_found_in_the_home_of_its_user(ast_folder, tmp_path, monkeypatch):
    shutil.copytree(ast_folder, tmp_path / "model")
    monkeypatch.setenv("HOME", str(tmp_path))
    network = create_backbone("hf:~/model", n_classes=2)
    assert network.backbone.known_classes is not None


def test_a_backbone_without_any_trained_weight_embeds(ast_folder, tmp_path, rng):
    clips = [0.1 * rng.normal(size=size) for size in (2000, 3000, 1500, 2500)]
    classifier = AudioBackboneClassifier(
        backbone=f"hf:{ast_folder}", backbone_params={"frozen": True}, epochs=1, batch_size=4,
        validation_fraction=0.0, augment=False, device="cpu", source_sr=SR, random_state=0,
    )  # fmt: skip
    classifier.fit(clips, ["cel", "vio", "cel", "vio"]).save_model(tmp_path)
    found = PretrainedBackbone.load(tmp_path).embed(clips, source_sr=SR)
    np.testing.assert_array_equal(found, classifier.embed(clips))


def test_pickled_weights_are_refused_with_what_to_do(ast_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(ast_folder, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"no model.safetensors.*save_pretrained them anew"):
        create_backbone(f"hf:{folder}", n_classes=2)


def test_a_folder_that_lacks_files_is_refused_with_their_names(tmp_path):
    with pytest.raises(ValueError, match=r"no config.json.*no preprocessor_config.json"):
        create_backbone(f"hf:{tmp_path}", n_classes=2)
    with pytest.raises(OSError, match="there must be a folder"):
        create_backbone(f"hf:{tmp_path}/nowhere", n_classes=2)


def test_weights_that_are_missing_are_not_made_up(speech_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(speech_folder, folder)
    weights = load_file(folder / "model.safetensors")
    lost = {name: each for name, each in weights.items() if "encoder.layers.1" not in name}
    save_file(lost, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="must have all weights of a Wav2Vec2Model, it lacks"):
        create_backbone(f"hf:{folder}", n_classes=2)


def test_a_hub_out_of_reach_gives_what_to_fetch_and_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OSError, match=r"fetch config.json.*from https://huggingface.co/MIT/none"):
        create_backbone("hf:MIT/none", n_classes=2)


def test_code_of_a_model_is_never_run(ast_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(ast_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(ValueError, match="code of their own are never run"):
        create_backbone(f"hf:{folder}", n_classes=2)


def test_weights_at_another_rate_and_other_kinds_are_refused(ast_folder, tmp_path):
    with pytest.raises(ValueError, match="sr must be 16000 for the weights"):
        create_backbone(f"hf:{ast_folder}", n_classes=2, sr=22050)
    with pytest.raises(ValueError, match="must give 1 channel of 32 bands, got 1 of 16"):
        create_backbone(f"hf:{ast_folder}", n_classes=2, frontend_params={"n_mels": 16})
    transformers.WhisperConfig().save_pretrained(tmp_path)
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ValueError, match=r"must be one of .*got a 'whisper'"):
        create_backbone(f"hf:{tmp_path}", n_classes=2)
    fused = {**CLAP, "enable_fusion": True}
    with pytest.raises(ValueError, match="without fusion"):
        make_network("clap_audio_model", fused)


@pytest.mark.parametrize(
    ("missing", "options"),
    [("transformers", {}), ("peft", {"adapters": {}})],
    ids=["transformers", "peft"],
)
def test_a_library_that_is_missing_is_named_with_what_installs_it(monkeypatch, missing, options):
    real = builtins.__import__

    def without(name, *arguments, **others):
        if name.split(".")[0] == missing:
            raise ImportError(name)
        return real(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=rf"{missing}: pip install 'timbrestack\[transformers\]'"):
        create_hugging_face(
            WaveformFrontend(), model="wav2vec2", random_weights=True, config=SPEECH, **options
        )


def test_the_published_model_is_86_million_weights_over_frames_of_audioset():
    with torch.device("meta"):
        backbone = create_hugging_face(
            KaldiFbankFrontend(), model="audio-spectrogram-transformer", random_weights=True
        )
    # Patches of 16 x 16 every 10, 12 x 101 of them, and 12 layers of 768.
    assert sum(each.numel() for each in backbone.parameters()) == 86_187_264
    assert (backbone.image_frames, backbone.embedding_size) == (1024, 768)
    assert backbone.padding == pytest.approx(4.2677393 / (2 * 4.5689974))


def test_a_head_takes_the_rows_of_codes_and_names_and_tells_what_it_does_not_know(ast_folder):
    network = create_backbone(f"hf:{ast_folder}", n_classes=4)
    head, known = network.head, network.backbone.known_classes
    assert isinstance(head, AudioSetHead)
    with pytest.warns(UserWarning, match=r"does not know \['kazoo'\]"):
        head.start_with(network.backbone, ["vio", "Human voice", "kazoo", "org"])
    torch.testing.assert_close(head.linear.weight[[0, 1, 3]], known.weight[[1, 2, 3]])
    torch.testing.assert_close(head.linear.bias[[0, 1, 3]], known.bias[[1, 2, 3]])
    torch.testing.assert_close(head.norm.weight, known.norm_weight)
    head.start_at(torch.full((4,), 0.25))
    assert head.linear.bias[2].item() == pytest.approx(np.log(1 / 3))
    torch.testing.assert_close(head.linear.bias[3], known.bias[3])


@pytest.mark.parametrize("layer", [1, "weighted"])
def test_a_head_over_another_layer_than_the_last_starts_like_any_other(ast_folder, layer):
    network = create_backbone(f"hf:{ast_folder}", n_classes=1, layer=layer)
    before = network.head.linear.weight.clone()
    network.head.start_with(network.backbone, ["vio"])
    torch.testing.assert_close(network.head.linear.weight, before)


def test_what_weighs_the_layers_learns_as_fast_as_what_is_next_to_the_head(ast_folder):
    network = create_backbone(f"hf:{ast_folder}", n_classes=1, layer="weighted")
    names = [name for name, _ in network.backbone.named_parameters()]
    assert names[-1] == "choice.scores"


def test_a_head_is_told_what_a_class_is_called(ast_folder):
    network = create_backbone(
        f"hf:{ast_folder}", n_classes=1, head_params={"labels": {"kazoo": "Dog"}}
    )
    network.head.start_with(network.backbone, ["kazoo"])
    torch.testing.assert_close(
        network.head.linear.weight[0], network.backbone.known_classes.weight[4]
    )
    other = create_backbone(f"hf:{ast_folder}", n_classes=1, head_params={"labels": {"a": "Cat"}})
    with pytest.raises(ValueError, match=r"labels must name classes .*got \['Cat'\]"):
        other.head.start_with(other.backbone, ["a"])


def test_a_head_over_a_backbone_without_classes_starts_like_any_other():
    network = make_network(*KINDS["ast"])
    before = network.head.linear.weight.clone()
    network.head.start_with(network.backbone, ["cel", "vio", "voi"])
    assert torch.equal(network.head.linear.weight, before)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("bell", 0),
        ("fiddle", 1),
        ("VIOLIN", 1),
        ("inside", None),
        ("church_bell", 4),
        ("dog", None),
    ],
)
def test_a_label_is_found_by_any_of_its_names_unless_it_shares_it(name, place):
    labels = ["Bell", "Violin, fiddle", "Inside, small room", "Inside, large room", "Church bell"]
    assert find_label(name, labels) == place
