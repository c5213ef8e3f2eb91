"""Grad-CAM, attention over time and embeddings for a projector, against answers known by hand."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from deep.backbones.backbone import Backbone
from deep.backbones.creation import create_backbone
from deep.backbones.image import ImageBackbone
from deep.backbones.network import AudioNetwork
from deep.backbones.pooling import AttentionPooling, MeanMaxPooling
from deep.explanation.attention import compute_attention
from deep.explanation.explaining import explain_clip
from deep.explanation.frame_times import find_band_hz, measure_frames
from deep.explanation.grad_cam import compute_grad_cam, stretch
from deep.explanation.networks import ChosenNetworks, ExplainedModel
from deep.explanation.projector import describe_clips, write_projector
from deep.frontends.frontend import Frontend
from deep.frontends.kaldi_fbank import KaldiFbankFrontend
from deep.frontends.log_mel import LogMelFrontend
from deep.frontends.mfcc import MfccFrontend
from deep.frontends.sinc import SincFrontend
from deep.frontends.waveform import WaveformFrontend
from deep.heads.attention import AttentionHead
from deep.heads.head import Head, NoHead
from deep.heads.per_label import PerLabelAttentionHead
from features.manifest import make_manifest

N_BANDS = 3
FOREVER = 10**9


class Columns(Frontend):
    """Three samples of the waveform are the bands of a frame, so frames can be written down."""

    sr, n_channels, n_bands = 8000, 1, N_BANDS

    def min_timepoints(self, n_frames):
        return n_frames * N_BANDS

    def forward(self, waveforms, lengths):
        n_frames = lengths // N_BANDS
        whole = waveforms[:, : int(n_frames.max()) * N_BANDS]
        return whole.unflatten(1, (-1, N_BANDS)).transpose(1, 2)[:, None], n_frames


class RisesAndFalls(nn.Module):
    """Two maps: what is above zero, and what is below."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, frames):
        return torch.cat([self.scale * frames.relu(), self.scale * (-frames).relu()], dim=1)


class MeansOfMaps(Backbone):
    """The mean of each map; heads weigh them."""

    embedding_size, min_frames, map_layer = 2, 1, "maps"

    def __init__(self):
        super().__init__()
        self.maps, self.unused = RisesAndFalls(), nn.Identity()

    def forward(self, frames, n_frames):
        return self.maps(frames).mean(dim=(2, 3))


class ImagesOfMaps(ImageBackbone):
    """The same for images of four frames."""

    embedding_size, map_layer = 2, "maps"

    def __init__(self):
        super().__init__(Columns(), image_frames=4)
        self.maps = RisesAndFalls()

    def embed_images(self, images):
        return self.maps(images).mean(dim=(2, 3))


class Weighing(Head):
    """Label 0: rises twice, less falls. Label 1: falls."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[2.0, -1.0], [0.0, 1.0]]))

    def forward(self, embeddings):
        return embeddings @ self.weight.T


def network(backbone=None, head=None, frontend=None):
    return AudioNetwork(frontend or Columns(), backbone or MeansOfMaps(), head or Weighing())


def frames_of(waveform):
    return waveform.reshape(-1, N_BANDS).T


def heat_of(networks, waveform, target=0, max_length=FOREVER, layer=None):
    return compute_grad_cam(networks, waveform, target=target, max_length=max_length, layer=layer)


@pytest.fixture
def waveform(rng):
    return rng.standard_normal(12 * N_BANDS).astype(np.float32)


def test_grad_cam_is_what_paper_and_pencil_say(waveform):
    # Both maps have constant gradients, so heat is max(0, 2 * rises - falls) = 2 * rises.
    rises = np.maximum(frames_of(waveform), 0)
    np.testing.assert_allclose(heat_of([network()], waveform), rises / rises.max(), rtol=1e-6)


def test_grad_cam_is_of_the_label_asked_for(waveform):
    falls = np.maximum(-frames_of(waveform), 0)
    found = heat_of([network()], waveform, target=1)
    np.testing.assert_allclose(found, falls / falls.max(), rtol=1e-6)


def test_what_speaks_against_a_label_is_no_heat():
    waveform = np.full(4 * N_BANDS, -1.0, dtype=np.float32)
    assert not heat_of([network()], waveform).any()


def test_networks_are_averaged_as_their_logits_are(waveform):
    louder = network()
    with torch.no_grad():
        louder.head.weight.copy_(torch.tensor([[0.0, 6.0], [0.0, 0.0]]))
    frames = frames_of(waveform)
    both = 2 * np.maximum(frames, 0) + 6 * np.maximum(-frames, 0)
    found = heat_of([network(), louder], waveform)
    np.testing.assert_allclose(found, both / both.max(), rtol=1e-5)


def test_overlapping_windows_of_a_long_clip_are_averaged(waveform):
    # A window's logit is a mean over its own frames, so each window gives the same heat.
    rises = np.maximum(frames_of(waveform), 0)
    found = heat_of([network()], waveform, max_length=6 * N_BANDS)
    np.testing.assert_allclose(found, rises / rises.max(), rtol=1e-6)


def test_a_clip_of_three_images_is_its_pieces(rng):
    pieces = rng.uniform(-1, 1, (3, 4 * N_BANDS)).astype(np.float32)
    # The same largest value in each, so that each has the scale of the whole.
    pieces[:, 5] = 1.0
    images = [network(ImagesOfMaps())]
    found = heat_of(images, pieces.ravel())
    alone = np.concatenate([heat_of(images, piece) for piece in pieces], axis=1)
    assert found.shape == (N_BANDS, 12)
    np.testing.assert_allclose(found, alone, rtol=1e-5)


def test_the_last_image_counts_by_its_share_and_its_filling_is_left_out():
    waveform = np.ones(5 * N_BANDS, dtype=np.float32)
    found = heat_of([network(ImagesOfMaps())], waveform)
    np.testing.assert_allclose(found, np.tile([1, 1, 1, 1, 0.25], (N_BANDS, 1)), rtol=1e-6)


def test_frozen_weights_are_explained_and_no_gradient_is_left(waveform):
    frozen = network().requires_grad_(False)
    assert heat_of([frozen], waveform).max() == 1
    thawed = network()
    heat_of([thawed], waveform)
    assert all(parameter.grad is None for parameter in thawed.parameters())


def test_heat_is_where_a_tone_sounds():
    """A detector of energy in a band, and a tone that starts at half time."""
    sr, pitch_hz = 8000, 1500.0
    frontend = LogMelFrontend(sr=sr, n_fft=256, hop_length=128, n_mels=32)
    t = np.arange(sr) / sr
    tone = (np.sin(2 * np.pi * pitch_hz * t) * (t >= 0.5)).astype(np.float32)

    class Energy(Backbone):
        embedding_size, min_frames, map_layer = 1, 2, "maps"

        def __init__(self):
            super().__init__()
            self.maps = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2))
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, frames, n_frames):
            return self.weight * self.maps(frames).mean(dim=(2, 3))

    found = heat_of([network(Energy(), NoHead(), frontend)], tone)
    times, band_hz = measure_frames(frontend), find_band_hz(frontend)
    seconds = times.first_s + times.hop_s * np.arange(found.shape[1])
    assert abs(band_hz[found.mean(axis=1).argmax()] - pitch_hz) < 200
    band = found[found.mean(axis=1).argmax()]
    assert band[seconds > 0.55].min() > 0.5
    assert band[seconds < 0.45].max() < 0.01


@pytest.mark.parametrize("shape", [(7, 40), (3, 3), (2, 5)], ids=str)
def test_maps_are_stretched_as_torch_interpolates(rng, shape):
    coarse = rng.uniform(size=(3, 5))
    expected = nn.functional.interpolate(
        torch.from_numpy(coarse)[None, None], size=shape, mode="bilinear", align_corners=False
    )[0, 0]
    height, width = shape
    if height >= 3:
        np.testing.assert_allclose(stretch(coarse, height, width), expected, atol=1e-12)
    assert stretch(coarse, height, width).shape == shape


def test_what_is_left_behind_the_last_cell_keeps_its_heat():
    assert stretch(np.array([[0.0, 1.0]]), 1, 6, covered=4)[0].tolist() == [0, 0.25, 0.75, 1, 1, 1]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("nope", "layer must be a module of MeansOfMaps, got 'nope'"),
        ("unused", "layer 'unused' must give maps of shape .* got nothing"),
        ("", "layer must be a module of MeansOfMaps, got ''"),
    ],
)
def test_a_layer_that_cannot_be_shown_is_refused(waveform, layer, message):
    with pytest.raises(ValueError, match=message):
        heat_of([network()], waveform, layer=layer)


def test_a_backbone_without_maps_says_so(waveform):
    backbone = MeansOfMaps()
    backbone.map_layer = None
    with pytest.raises(ValueError, match="MeansOfMaps has no layer of maps"):
        heat_of([network(backbone)], waveform)


def test_a_layer_of_vectors_is_refused_with_its_shape(rng):
    small = create_backbone(
        "cnn", n_classes=2, sr=8000, channels=(4, 4), embedding_size=16,
        frontend_params={"n_fft": 256, "hop_length": 128, "n_mels": 16},
    )  # fmt: skip
    sound = rng.standard_normal(4000).astype(np.float32)
    with pytest.raises(ValueError, match=r"layer 'projection' must give maps .*\(1, 8, 16\)"):
        heat_of([small], sound, layer="projection")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn", {"channels": (4, 4), "embedding_size": 16}),
        ("crnn", {"channels": (4, 4, 4), "hidden_size": 8, "pooling": "attention"}),
    ],
    ids=["cnn", "crnn"],
)
def test_trained_backbones_are_explained_at_every_length(rng, name, options):
    torch.manual_seed(0)
    small = create_backbone(
        name, n_classes=2, sr=8000,
        frontend_params={"n_fft": 256, "hop_length": 128, "n_mels": 16}, **options,
    )  # fmt: skip
    for length in (100, 4000, 9000):
        sound = rng.standard_normal(length).astype(np.float32)
        heat = heat_of([small], sound, max_length=4000)
        attention = compute_attention([small], sound, target=0, max_length=4000)
        assert heat.shape == (16, 1 + length // 128)
        assert heat.max() in (0, 1)
        assert attention.shape[1] == heat.shape[1]


class Steps(Backbone):
    """Frames in pairs are steps, of three values; what is left over belongs to none."""

    embedding_size = frame_embedding_size = N_BANDS
    min_frames = frames_per_step = 2

    def __init__(self, pooling):
        super().__init__()
        self.pooling = pooling

    def forward(self, frames, n_frames):
        return self.pooling(*self.frame_embeddings(frames, n_frames))

    def frame_embeddings(self, frames, n_frames):
        n_steps = n_frames // 2
        pairs = frames[:, 0, :, : int(n_steps.max()) * 2].unflatten(2, (-1, 2))
        return pairs.mean(dim=3).transpose(1, 2), n_steps


def test_attention_is_told_in_multiples_of_the_even_weight():
    pooling = AttentionPooling(N_BANDS, n_weights=1)
    with torch.no_grad():
        pooling.weigh.weight.copy_(torch.tensor([[1.0, 0.0, 0.0]]))
        pooling.weigh.bias.zero_()
    # Scores 0 and log 3 weigh 1 to 3; the fifth frame belongs to no step.
    frames = np.zeros((5, N_BANDS), dtype=np.float32)
    frames[2:4, 0] = np.log(3)
    found = compute_attention(
        [network(Steps(pooling), NoHead())], frames.ravel(), target=0, max_length=FOREVER
    )
    np.testing.assert_allclose(found, [[0.5, 0.5, 1.5, 1.5, 0]], rtol=1e-6)


def test_pooling_that_weighs_nothing_has_no_attention(waveform):
    steps = network(Steps(MeanMaxPooling(N_BANDS)), NoHead())
    assert compute_attention([steps], waveform, target=0, max_length=FOREVER) is None


@pytest.mark.parametrize("target", [0, 1])
def test_attention_is_that_of_the_label(rng, target):
    """Of a head with a weight for each label, and of one head for each label."""
    torch.manual_seed(1)
    together = AttentionHead(N_BANDS, 2)
    apart = PerLabelAttentionHead(N_BANDS, 2)
    with torch.no_grad():
        for label in (0, 1):
            rows = slice(label, label + 1)
            together.weigh[0].weight[rows] = 2.0 * torch.randn(1, N_BANDS)
            apart.heads[label].weigh[0].weight.copy_(together.weigh[0].weight[rows])
    sound = rng.standard_normal(8 * N_BANDS).astype(np.float32)
    steps = Steps(MeanMaxPooling(N_BANDS))
    found = [
        compute_attention([network(steps, head)], sound, target=target, max_length=FOREVER)
        for head in (together, apart)
    ]
    assert found[0].shape == (1, 8)
    assert found[0].max() > 1.1
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("frontend", "hop_length", "reach", "length", "n_frames"),
    [
        (LogMelFrontend(sr=8000, n_fft=256, hop_length=100), 100, 0, 1000, 11),
        (KaldiFbankFrontend(sr=8000, n_mels=16), 80, 200, 1000, 11),
        (SincFrontend(sr=8000, n_filters=4), 96, 1, 1000, 11),
        (WaveformFrontend(sr=8000), 1, 1, 1000, 1000),
    ],
    ids=["log-mel", "kaldi-fbank", "sinc", "waveform"],
)
def test_frames_are_found_where_they_are(frontend, hop_length, reach, length, n_frames):
    times = measure_frames(frontend)
    assert (times.hop_length, times.reach) == (hop_length, reach)
    assert times.count(length) == n_frames
    assert int(frontend(torch.zeros(1, length), torch.tensor([length]))[1]) == n_frames


def test_bands_are_in_hz_where_they_are_frequencies():
    log_mel = find_band_hz(LogMelFrontend(sr=8000, n_fft=512, n_mels=16, fmin=100))
    assert (np.diff(log_mel) > 0).all()
    assert 100 < log_mel[0] < 300
    assert 3000 < log_mel[-1] < 4000
    sinc = SincFrontend(sr=8000, n_filters=4)
    assert (find_band_hz(sinc) == sinc.edges_hz().mean(dim=0).detach().numpy()).all()
    assert find_band_hz(MfccFrontend(sr=8000)) is None


class Fitted:
    """What a fitted classifier tells."""

    max_seconds, multi_label_ = 2.0, False
    absent_, classes_ = np.zeros(2, dtype=bool), np.array(["falls", "rises"])

    def __init__(self, net):
        self.network_ = net

    def find_sr(self):
        return 8000

    def find_max_length(self):
        return round(self.max_seconds * self.find_sr())

    def decision_function(self, clips):
        assert len(clips) == 1
        return np.array([[0.0, np.log(3)]])


def test_a_clip_is_explained_by_its_most_probable_label(waveform, write_wav):
    path = write_wav("a.wav", np.tile(waveform, 20), 8000, subtype="FLOAT")
    found = explain_clip(ChosenNetworks([Fitted(network())], "one"), path, n_top=2)
    assert [each.label for each in found.labels] == ["rises", "falls"]
    np.testing.assert_allclose([each.probability for each in found.labels], [0.75, 0.25])
    assert found.labels[0].heat.shape == (N_BANDS, 240)
    assert (found.sr, found.hop_s, found.band_hz) == (8000, N_BANDS / 8000, None)


def test_a_label_that_training_never_saw_has_no_heat(waveform, write_wav):
    fitted = Fitted(network())
    fitted.absent_ = np.array([True, False])
    path = write_wav("a.wav", np.tile(waveform, 20), 8000, subtype="FLOAT")
    (label,) = explain_clip(ChosenNetworks([fitted], "one"), path, labels=["falls"]).labels
    assert not label.heat.any()


def test_labels_that_are_none_of_the_models_are_refused(write_wav):
    path = write_wav("a.wav", np.ones(100), 8000)
    with pytest.raises(ValueError, match=r"labels must be of the model's .*'rises'.*\['flat'\]"):
        explain_clip(ChosenNetworks([Fitted(network())], "one"), path, labels=["rises", "flat"])


class Named(str):
    """A network of which only its name matters; it started from one that had heard `two.wav`."""

    pretrained_on_ = {"clip_ids": ["two.wav"]}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of two folds, whose networks are only names."""
    monkeypatch.setattr(ExplainedModel, "_read", lambda self, name: Named(name))
    folder = tmp_path / "run"
    for fold in (0, 1):
        (folder / f"fold_{fold}").mkdir(parents=True)
        (folder / f"fold_{fold}" / "card.json").write_text("{}")
    (folder / "card.json").write_text(json.dumps({"schema": "timbrestack.run"}))
    rows = [("a/one.wav", 0), ("two.wav", 1), ("long.wav#0-1", 0), ("long.wav#1-2", 1)]
    clips = pd.DataFrame(rows, columns=["clip_id", "fold"]).assign(split="train")
    clips.to_csv(folder / "clips.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("clip_id", "names", "words"),
    [
        ("a/one.wav", ["fold_0"], "fold 0, which never saw this clip"),
        ("/somewhere/else/two.wav", ["fold_1"], "fold 1, which never saw this clip's labels"),
        ("one.wav", ["fold_0", "fold_1"], "trained without a clip of this name"),
        ("long.wav#1-2", ["fold_1"], "fold 1, which never saw this clip"),
        ("/there/long.wav", ["fold_0", "fold_1"], "some of which saw parts of it"),
    ],
    ids=["by-name", "by-path", "unknown", "segment", "cut"],
)
def test_the_network_that_never_saw_a_clip_explains_it(run, clip_id, names, words):
    chosen = ExplainedModel(run).choose(clip_id)
    assert chosen.classifiers == names
    assert words in chosen.words


@pytest.mark.parametrize(
    ("clip_id", "words"),
    [
        ("a/one.wav", "which was not trained on this clip"),
        ("two.wav", "which was trained on this clip"),
        ("three.wav", "trained without a clip of this name"),
    ],
    ids=["held-out", "trained-on", "unknown"],
)
def test_one_network_of_a_run_says_whether_it_knows_a_clip(run, clip_id, words):
    assert words in ExplainedModel(run / "fold_0").choose(clip_id).words


def test_a_saved_network_alone_knows_nothing_of_its_clips(run, tmp_path):
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "card.json").write_text("{}")
    assert "is not known" in ExplainedModel(tmp_path / "alone").choose("a.wav").words
    with pytest.raises(FileNotFoundError, match="neither a run nor a saved network"):
        ExplainedModel(tmp_path)


def read_as_projector(path):
    """Read a TSV file as the projector does: blank lines are skipped, a tab means a header."""
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    header = lines.pop(0).split("\t") if "\t" in lines[0] else ["label"]
    return header, [line.split("\t") for line in lines]


def test_embeddings_come_back_from_the_projectors_files(tmp_path, rng):
    embeddings = rng.standard_normal((3, 4)).astype(np.float32)
    metadata = pd.DataFrame({"clip_id": ["a", "b", "c"], "seconds": [1.5, np.nan, 2.0]})
    folder = write_projector(tmp_path / "p", embeddings, metadata)
    read = np.loadtxt(folder / "tensors.tsv", delimiter="\t", dtype=np.float32)
    assert (read == embeddings).all()
    header, rows = read_as_projector(folder / "metadata.tsv")
    assert header == ["clip_id", "seconds"]
    assert rows == [["a", "1.5"], ["b", ""], ["c", "2.0"]]
    config = (folder / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "tensors.tsv"' in config
    assert 'metadata_path: "metadata.tsv"' in config


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["tab\tbed", "line\r\nbreak", "far\u2028apart"], ["tab bed", "line break", "far apart"]),
        (["", "  ", "c"], ["-", "-", "c"]),
        (["näher", "\udcff.wav", "猫"], ["näher", ".wav", "猫"]),
    ],
    ids=["breaks", "blank", "letters"],
)
def test_names_keep_their_rows_whatever_is_in_them(tmp_path, names, expected):
    for columns in (["clip_id"], ["clip_id", "labels"]):
        metadata = pd.DataFrame({name: names for name in columns}, dtype=object)
        folder = write_projector(tmp_path / str(len(columns)), np.eye(3), metadata)
        _, rows = read_as_projector(folder / "metadata.tsv")
        assert [row[0] for row in rows] == expected


def test_the_projector_is_told_what_a_manifest_knows(tmp_path):
    rows = {"path": ["a.wav", "b.wav"], "labels": ["x", "y;z"], "group": ["1", "2"], "year": [7, 8]}
    manifest = make_manifest(pd.DataFrame(rows), root=tmp_path)
    found = describe_clips(manifest, ["b.wav", "a.wav"])
    assert list(found["clip_id"]) == ["b.wav", "a.wav"]
    assert list(found["labels"]) == ["y;z", "x"]
    assert {"group", "year"} < set(found.columns)
    assert not {"path", "sha256", "fold", "split", "end_s", "parent"} & set(found.columns)


def test_what_a_projector_cannot_show_is_refused_all_at_once(tmp_path):
    with pytest.raises(ValueError) as caught:
        write_projector(tmp_path / "p", np.full((3, 1), np.nan), pd.DataFrame({"a": [1, 2]}))
    for words in ("at least two values", "3 values are not", "each of 3 embeddings, got 2"):
        assert words in str(caught.value)
    with pytest.raises(ValueError, match="different names"):
        write_projector(tmp_path / "p", np.eye(2), pd.DataFrame([[1, 2]] * 2, columns=["a", "a"]))
    assert not (tmp_path / "p").exists()
