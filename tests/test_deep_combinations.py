"""Every backbone with every frontend and head: whoever is registered is tested, small."""

import itertools

import numpy as np
import pytest
import torch

from deep.backbones.creation import create_backbone
from deep.backbones.registry import get_backbone_config, list_backbones
from deep.classifier import AudioBackboneClassifier
from deep.frontends.registry import list_frontends
from deep.heads.registry import get_head_class, list_heads

SR, N_CLASSES = 8000, 3

# What makes each small enough for a test.
FRONTENDS = {
    "kaldi-fbank": {"n_mels": 32},
    "learnable-stft": {"n_fft": 256, "hop_length": 128, "n_mels": 32},
    "log-mel": {"n_fft": 256, "hop_length": 128, "n_mels": 32},
    "mfcc": {"n_fft": 256, "hop_length": 128, "n_mels": 40, "n_mfcc": 32},
    "scalogram": {"n_scales": 32, "hop_length": 128},
    "sinc": {"n_filters": 32, "kernel_ms": 12.5, "hop_ms": 16.0},
    "three-features": {"n_fft": 512, "hop_length": 128, "n_mels": 32},
}
BACKBONES = {
    "alexnet": {
        "width": 3,
        "grid": (1, 1),
        "embedding_size": 16,
        "dropout": 0.0,
        "image_frames": 64,
    },
    "cnn": {"channels": (4, 8, 8), "embedding_size": 16},
    "cnn14": {"width": 2, "dropout": 0.0, "dense_dropout": 0.0, "image_frames": 32},
    "convlstm": {"channels": (4, 8, 8), "hidden_size": 8, "n_layers": 1},
    "crnn": {"channels": (4, 8, 8), "hidden_size": 8},
    "irnet": {"depths": (1, 1, 1, 1), "widths": (4, 4, 8, 8)},
    "layers": {"layers": "rnn"},
    "parallel": {"backbone": "cnn", "backbone_params": {"channels": (4, 8), "embedding_size": 16}},
    "resnet": {"width": 4, "dropout": 0.0, "image_frames": 32},
    "resnetish": {"width": 4, "grid": (1, 1), "image_frames": 32},
    "small-cnn": {
        "width": 4,
        "grid": (1, 1),
        "embedding_size": 16,
        "dropout": 0.0,
        "image_frames": 32,
    },
    "vggish": {"width": 4, "grid": (1, 1), "hidden_size": 32, "image_frames": 32},
}
HEADS = {
    "attention": {},
    "audioset": {},
    "cosine": {},
    "last-layer": {},
    "linear": {},
    "mlp": {"hidden": (8,)},
    "per-label": {"of": "mlp", "of_params": {"hidden": (8,)}, "slices": False},
    "per-label-attention": {},
    "prototypes": {},
}
OF_WAVEFORMS = {"waveform"}

every_backbone = pytest.mark.parametrize("name", BACKBONES)


def padded(*waveforms: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform.astype(np.float32))
    return batch, lengths


def make_network(name: str, *, frontend: str = "log-mel", head: str | None = None):
    """Make a small network in evaluation mode whose normalisations are not the identity."""
    torch.manual_seed(0)
    network = create_backbone(
        name,
        n_classes=N_CLASSES,
        sr=SR,
        frontend=frontend,
        frontend_params=FRONTENDS[frontend],
        head=head,
        head_params=HEADS.get(head, {}),
        **BACKBONES[name],
    )
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine and module.weight is not None:
                module.weight.data.uniform_(0.5, 2)
            if module.bias is not None:
                module.bias.data.normal_()
    return network.eval()


def works_together(name: str, head: str) -> bool:
    of_steps = get_head_class(head).of_steps
    return not of_steps or make_network(name).backbone.gives_steps


def check_promises(network: torch.nn.Module, rng: np.random.Generator) -> None:
    """A step of training reaches all weights; a clip is itself alone and beside others."""
    short, long = rng.normal(size=800), rng.normal(size=3000)
    network.train()
    logits, embeddings = network.outputs(*padded(short, long))
    assert logits.shape == (2, N_CLASSES)
    assert embeddings.shape == (2, network.embedding_size)
    logits.square().sum().backward()
    learned = {key: w for key, w in network.named_parameters() if w.requires_grad}
    without = [key for key, weight in learned.items() if weight.grad is None]
    # Nobody asks for the pooling of steps where the head looks at each of them.
    assert [key for key in without if not (network.head.of_steps and "pooling" in key)] == []
    assert all(
        weight.grad.isfinite().all() for weight in learned.values() if weight.grad is not None
    )
    network.eval()
    with torch.inference_mode():
        together = network(*padded(10 * long, short))[1]
        alone = network(*padded(short))[0]
        silent = network(*padded(np.zeros(500)))
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert silent.isfinite().all()


def test_whoever_is_registered_is_tested_here():
    assert set(BACKBONES) == set(list_backbones())
    assert set(FRONTENDS) | OF_WAVEFORMS == set(list_frontends())
    assert set(HEADS) == set(list_heads())


@pytest.mark.parametrize("frontend", FRONTENDS)
@every_backbone
def test_a_backbone_keeps_its_promises_over_a_frontend(name, frontend, rng):
    check_promises(make_network(name, frontend=frontend), rng)


@pytest.mark.parametrize("head", HEADS)
@every_backbone
def test_a_backbone_keeps_its_promises_under_a_head(name, head, rng):
    if works_together(name, head):
        check_promises(make_network(name, head=head), rng)
    else:
        with pytest.raises(ValueError, match=f"head '{head}' must be given a backbone's steps"):
            make_network(name, head=head)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "frontend", "head"), list(itertools.product(BACKBONES, FRONTENDS, HEADS))
)
def test_all_three_keep_their_promises_together(name, frontend, head, rng):
    if works_together(name, head):
        check_promises(make_network(name, frontend=frontend, head=head), rng)


@every_backbone
@pytest.mark.parametrize("seconds", [1 / SR, 0.1, 1.0, 30.0])
def test_any_length_works(name, seconds, rng):
    with torch.inference_mode():
        assert make_network(name)(*padded(rng.normal(size=round(seconds * SR)))).isfinite().all()


@every_backbone
def test_gain_does_not_change_what_is_said(name, rng):
    clip = rng.normal(size=1600)
    with torch.inference_mode():
        logits = make_network(name)(*padded(clip, 1e-3 * clip))
    torch.testing.assert_close(logits[1], logits[0], rtol=1e-3, atol=1e-3)


@every_backbone
def test_a_config_says_where_a_backbone_comes_from(name):
    config = get_backbone_config(name)
    assert config.name == name
    assert config.source
    assert config.licence
    assert config.sr > 0


@every_backbone
def test_eight_clips_are_learned_by_heart_and_the_network_survives_a_save(name, rng, tmp_path):
    t = np.arange(1600) / SR
    clips = [np.sin(2 * np.pi * f * t) + 0.01 * rng.normal(size=1600)
             for f in 300 * 1.3 ** np.arange(8)]  # fmt: skip
    labels = ["a", "b"] * 4
    classifier = AudioBackboneClassifier(
        name,
        backbone_params=BACKBONES[name],
        frontend="log-mel",
        frontend_params=FRONTENDS["log-mel"],
        sr=SR,
        head_params={} if name in ("parallel", "layers") else {"dropout": 0.0},
        max_seconds=0.2,
        epochs=40,
        patience=None,
        batch_size=8,
        learning_rate=5e-3,
        label_smoothing=0.0,
        validation_fraction=0.0,
        augment=False,
        device="cpu",
        random_state=0,
    ).fit(clips, labels)
    assert classifier.predict(clips).tolist() == labels
    classifier.save_model(tmp_path)
    loaded = AudioBackboneClassifier.load_model(tmp_path, device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(clips), classifier.predict_proba(clips))
    one_by_one = np.concatenate([classifier.predict_proba([clip]) for clip in clips])
    np.testing.assert_allclose(one_by_one, classifier.predict_proba(clips), rtol=0, atol=1e-4)
