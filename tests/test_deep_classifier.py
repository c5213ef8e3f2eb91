"""The classifier as a user meets it: learning, repeating, routing, saving, bad clips."""

import json
import pickle
import sys
from types import ModuleType
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline

from deep import AudioBackboneClassifier, EmbeddingExtractor
from deep.backbones.creation import create_backbone
from deep.heads.cosine import CosineHead
from deep.heads.head import NoHead
from deep.preparation import own_arithmetic
from deep.pretraining.pretrained import PretrainedBackbone
from deep.progress import describe_epoch
from deep.training.scoring import macro_f1
from deep.windows import covering_windows
from features.audio import AudioDecodeError, Clip

SR = 8000
SMALL = {"channels": (4, 8, 8), "hidden_size": 8}
FRAMES = {"n_fft": 512, "hop_length": 256, "n_mels": 32}


def make_classifier(**settings) -> AudioBackboneClassifier:
    defaults = {
        "backbone_params": SMALL,
        "frontend_params": FRAMES,
        "sr": SR,
        "epochs": 2,
        "max_seconds": 0.5,
        "batch_size": 8,
        "random_state": 0,
        "device": "cpu",
    }
    return AudioBackboneClassifier(**defaults | settings)


def make_sounds(rng: np.random.Generator, n_each: int = 24) -> tuple[list[np.ndarray], np.ndarray]:
    """Make low tones, high tones and noises of different lengths and levels."""
    sounds, labels = [], []
    for label, frequency in {"high": 1700, "low": 400, "noise": None}.items():
        for _ in range(n_each):
            t = np.arange(rng.integers(1500, 6000)) / SR
            sound = rng.normal(size=len(t)) * (1.0 if frequency is None else 0.02)
            if frequency is not None:
                sound += np.sin(2 * np.pi * frequency * rng.uniform(0.9, 1.1) * t)
            sounds.append((sound * rng.uniform(0.01, 1)).astype(np.float32))
            labels.append(label)
    order = rng.permutation(len(sounds))
    return [sounds[i] for i in order], np.array(labels)[order]


@pytest.fixture(scope="module")
def sounds() -> tuple[list[np.ndarray], np.ndarray]:
    return make_sounds(np.random.default_rng(440))


@pytest.fixture(scope="module")
def trained(sounds) -> AudioBackboneClassifier:
    return make_classifier(epochs=12, learning_rate=1e-2).fit(*sounds)


def weights(classifier: AudioBackboneClassifier) -> dict[str, torch.Tensor]:
    return classifier.network_.state_dict()


def test_tones_and_noise_are_told_apart_in_seconds(trained):
    clips, labels = make_sounds(np.random.default_rng(1), n_each=8)
    assert trained.score(clips, labels) > 0.9


@pytest.mark.parametrize("name", ["cnn", "crnn"])
def test_a_backbone_trains_with_its_defaults(name, sounds):
    clips, labels = sounds
    classifier = make_classifier(backbone=name, backbone_params=None, epochs=1)
    classifier.fit(clips[:16], labels[:16])
    assert np.isfinite(classifier.predict_proba(clips[:4])).all()


def test_probabilities_sum_to_one_in_the_order_of_the_classes(trained, sounds):
    clips, _ = sounds
    probabilities = trained.predict_proba(clips)
    assert trained.classes_.tolist() == ["high", "low", "noise"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (trained.classes_[probabilities.argmax(axis=1)] == trained.predict(clips)).all()


def test_the_same_seed_gives_the_same_weights(sounds):
    first, second = (weights(make_classifier().fit(*sounds)) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_seed_gives_other_weights(sounds):
    first, second = (weights(make_classifier(random_state=s).fit(*sounds)) for s in (0, 1))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_no_number_depends_on_n_jobs(trained, sounds):
    clips, _ = sounds
    first, second = (weights(make_classifier(n_jobs=n).fit(*sounds)) for n in (1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    parallel = pickle.loads(pickle.dumps(trained)).set_params(n_jobs=2)
    np.testing.assert_array_equal(parallel.predict_proba(clips), trained.predict_proba(clips))


def test_threads_and_the_global_generator_are_left_as_they_were(sounds):
    before, state = torch.get_num_threads(), torch.get_rng_state()
    make_classifier(epochs=1).fit(*sounds)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)


def test_a_clips_probabilities_do_not_depend_on_its_neighbours(trained, sounds):
    clips, _ = sounds
    together = trained.predict_proba(clips[:20])
    alone = np.concatenate([trained.predict_proba([clip]) for clip in clips[:20]])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)


def test_gain_does_not_change_probabilities(trained, sounds):
    clip = sounds[0][0]
    quiet, loud = trained.predict_proba([0.1 * clip, clip])
    np.testing.assert_allclose(quiet, loud, rtol=0, atol=1e-4)


def test_a_long_clip_is_the_mean_of_its_windows(trained, rng):
    clip = rng.normal(size=3 * SR).astype(np.float32)
    windows = [clip[start:stop] for start, stop in covering_windows(len(clip), SR // 2)]
    for outputs in (trained.decision_function, trained.embed):
        expected = outputs(windows).mean(axis=0)
        np.testing.assert_allclose(outputs([clip])[0], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("clip", [np.zeros(SR), np.zeros(1), np.ones(1)], ids=str)
def test_silent_and_one_sample_clips_give_finite_probabilities(trained, clip):
    assert np.isfinite(trained.predict_proba([clip])).all()


def test_silent_clips_can_be_trained_on(sounds):
    clips, labels = sounds
    clips = [np.zeros(SR, dtype=np.float32)] * 6 + clips[:18]
    classifier = make_classifier().fit(clips, ["silence"] * 6 + list(labels[:18]))
    assert np.isfinite(classifier.history_[-1]["train_loss"])


def test_clips_of_a_dataframe_and_waveforms_give_the_same(trained, write_wav, rng):
    sound = (0.1 * rng.normal(size=SR)).astype(np.float32)
    path = str(write_wav("a.wav", sound, SR, subtype="FLOAT"))
    frame = pd.DataFrame({"clip": [Clip(path), Clip(path, 0.25, 0.5)]})
    expected = trained.predict_proba([sound, sound[SR // 4 : SR // 2]])
    np.testing.assert_allclose(trained.predict_proba(frame), expected, rtol=0, atol=1e-6)


def test_waveforms_at_another_rate_are_resampled(trained):
    t = np.arange(22050) / 22050
    clip = np.sin(2 * np.pi * 400 * t)
    classifier = pickle.loads(pickle.dumps(trained)).set_params(source_sr=22050)
    assert classifier.predict([clip]).tolist() == ["low"]


def test_an_unreadable_clip_is_named(tmp_path, trained, sounds):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    with pytest.raises(AudioDecodeError, match=r"bad\.wav"):
        trained.predict([str(bad)])
    with pytest.raises(AudioDecodeError, match=r"bad\.wav"):
        make_classifier().fit([*sounds[0], str(bad)], [*sounds[1], "low"])


def test_clips_are_decoded_into_the_cache_directory(tmp_path, write_wav, rng):
    paths = [str(write_wav(f"{i}.wav", rng.normal(size=4000), SR)) for i in range(8)]
    make_classifier(epochs=1, cache_dir=tmp_path / "cache").fit(paths, [0, 1] * 4)
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 8


def test_a_spent_budget_stops_and_says_so(sounds):
    classifier = make_classifier(minutes=0.0, epochs=50).fit(*sounds)
    assert classifier.stopped_by_ == "time"
    assert len(classifier.history_) == 1
    assert np.isfinite(classifier.predict_proba(sounds[0])).all()


def test_an_ample_budget_changes_nothing(sounds):
    first, second = (make_classifier(minutes=m).fit(*sounds) for m in (None, 60))
    assert second.stopped_by_ == "epochs"
    assert all(torch.equal(weights(first)[name], weights(second)[name]) for name in weights(first))


def test_training_stops_when_validation_does_not_improve(sounds):
    clips, labels = sounds
    shuffled = np.random.default_rng(0).permutation(labels)
    classifier = make_classifier(epochs=60, patience=2, learning_rate=1e-2).fit(clips, shuffled)
    assert classifier.stopped_by_ == "patience"
    assert len(classifier.history_) == classifier.best_epoch_ + 2


def test_the_weights_of_the_best_epoch_are_kept(trained, sounds):
    losses = [entry["validation_loss"] for entry in trained.history_]
    assert trained.best_epoch_ == 1 + int(np.argmin(losses))
    clips, labels = sounds
    rows = trained.validation_rows_
    probabilities = trained.predict_proba([clips[row] for row in rows])
    codes = np.searchsorted(trained.classes_, labels[rows])
    loss = -np.log(probabilities[np.arange(len(rows)), codes]).mean()
    assert loss == pytest.approx(min(losses), rel=1e-3)


def test_validation_keeps_groups_whole(sounds):
    clips, labels = sounds
    groups = np.arange(len(clips)) // 3
    held = make_classifier(epochs=1).fit(clips, labels, groups).validation_rows_
    assert len(held)
    assert not set(groups[held]) & set(np.delete(groups, held))


def test_clips_can_be_told_to_be_held_out(sounds):
    clips, labels = sounds
    held = np.arange(len(clips)) % 5 == 0
    classifier = make_classifier(epochs=1, validation_fraction=0.0)
    classifier.fit(clips, labels, validation=held)
    assert classifier.validation_rows_.tolist() == np.flatnonzero(held).tolist()
    assert "validation_loss" in classifier.history_[0]


def test_soft_targets_are_learned_in_place_of_labels(sounds):
    clips, labels = sounds
    names, codes = np.unique(labels, return_inverse=True)
    told = make_classifier(label_smoothing=0.0).fit(clips, labels)
    hard = make_classifier(label_smoothing=0.0)
    hard.fit(clips, labels, soft_targets=np.eye(len(names))[codes])
    assert all(torch.equal(weights(told)[name], weights(hard)[name]) for name in weights(told))
    turned = make_classifier(epochs=12, learning_rate=1e-2, keep="last")
    turned.fit(clips, labels, soft_targets=np.eye(len(names))[(codes + 1) % 3])
    assert (turned.predict(clips) == names[(codes + 1) % 3]).mean() > 0.8


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"validation": np.zeros(3, dtype=bool)}, r"validation must be bool of shape \(72,\)"),
        ({"validation": np.ones(72, dtype=bool)}, "validation must leave rows for training"),
        ({"soft_targets": np.ones((72, 2))}, r"soft_targets must have a column for each"),
        ({"soft_targets": np.full((72, 3), 2.0)}, "soft_targets must be from 0 to 1"),
        ({"soft_targets": np.full((72, 3), 0.5)}, "must sum to one in each row"),
    ],
    ids=["shape", "all", "columns", "range", "sum"],
)
def test_clips_that_cannot_be_learned_so_are_refused(sounds, given, message):
    with pytest.raises(ValueError, match=message):
        make_classifier().fit(*sounds, **given)


def test_without_validation_the_last_weights_are_kept(sounds):
    classifier = make_classifier(validation_fraction=0).fit(*sounds)
    assert classifier.best_epoch_ == 2
    assert "validation_loss" not in classifier.history_[0]


def test_learning_curves_are_reported_as_they_grow(sounds):
    seen = []
    classifier = make_classifier().fit(*sounds, on_epoch=seen.append)
    assert seen == classifier.history_
    assert [entry["epoch"] for entry in seen] == [1, 2]


def test_verbose_writes_a_line_an_epoch_into_a_pipe(sounds, capsys):
    make_classifier(verbose=True, scoring="balanced_accuracy").fit(*sounds)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    for part in ("loss", "validation loss", "macro F1", "score", "clips/s", "s left"):
        assert all(part in line for line in lines)
    assert captured.out == ""


def test_time_left_is_that_of_the_epochs_left_or_of_the_budget():
    entry = {"epoch": 2, "train_loss": 1.0, "clips_per_second": 50.0, "seconds": 60.0}
    assert describe_epoch(entry, 10) == "epoch 2/10  loss 1.000  50 clips/s  4 min 00 s left"
    assert describe_epoch(entry, 10, 100.0).endswith("  40 s left")
    assert describe_epoch(entry, 2).endswith("  0 s left")


def test_unknown_labels_are_left_out_of_multi_label_training(sounds):
    clips, labels = sounds
    y = np.column_stack([labels == "low", labels == "noise"]).astype(np.int8)
    y[::3, 0] = -1
    classifier = make_classifier(epochs=12, learning_rate=1e-2).fit(clips, y)
    probabilities = classifier.predict_proba(clips)
    assert classifier.multi_label_
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert macro_f1(y, classifier.decision_function(clips), multi_label=True) > 0.8
    assert classifier.predict(clips).dtype == np.int8


def test_a_label_that_training_never_saw_gets_the_floor_and_a_warning(sounds):
    clips, labels = sounds
    y = pd.DataFrame({"low": labels == "low", "harp": False}).astype("int8")
    with pytest.warns(UserWarning, match=r"no training clip has \['harp'\]"):
        classifier = make_classifier().fit(clips, y)
    np.testing.assert_allclose(classifier.predict_proba(clips)[:, 1], 0.001, rtol=1e-4)


@pytest.mark.parametrize("multi_label", [False, True], ids=["single-label", "multi-label"])
def test_balanced_class_weights_train(sounds, multi_label):
    clips, labels = sounds
    y = np.column_stack([labels == "low", labels != "low"]).astype(int) if multi_label else labels
    classifier = make_classifier(class_weight="balanced", epochs=1).fit(clips, y)
    assert np.isfinite(classifier.predict_proba(clips)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "epochs must be at least 0, got -1"),
        ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
        ({"max_seconds": 0}, "max_seconds must be above 0, got 0"),
        ({"validation_fraction": 1.0}, r"validation_fraction must be in \[0, 1\), got 1.0"),
        ({"class_weight": "even"}, "class_weight must be None or 'balanced', got 'even'"),
        ({"backbone": "nope"}, "backbone must be one of"),
        ({"device": "nope"}, "device must be auto, cpu, .* got 'nope'"),
        ({"frontend_params": {"n_mels": "many"}}, "must be of the kinds that they ask for, got"),
        ({"minutes": -1}, "minutes must be None or at least 0, got -1"),
        ({"tensorboard": True}, "tensorboard must be False where there is no work_dir"),
        ({"loss": "nope"}, "loss must be one of"),
        ({"scoring": "nope"}, "scoring='nope' must work on the"),
        ({"augment": {"nope": {}}}, "there is no augmentation 'nope'"),
        ({"max_seconds": -1, "epochs": -1, "keep": ""}, "max_seconds must.*epochs must.*keep must"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_work_are_refused_with_their_value(settings, message, sounds):
    with pytest.raises(ValueError, match=message):
        make_classifier(**settings).fit(*sounds)


def test_groups_of_the_wrong_length_are_refused(sounds):
    with pytest.raises(ValueError, match=r"groups must have shape \(72,\), got \(3,\)"):
        make_classifier().fit(*sounds, groups=[1, 2, 3])


def test_predicting_before_fitting_is_refused():
    with pytest.raises(NotFittedError):
        make_classifier().predict([np.zeros(10)])


class Spy(AudioBackboneClassifier):
    """Keeps the groups that reach `fit`."""

    seen: ClassVar[list[np.ndarray]] = []

    def fit(self, X, y, groups=None, *, on_epoch=None):
        self.seen.append(groups)
        return super().fit(X, y, groups, on_epoch=on_epoch)


def test_groups_reach_fit_through_metadata_routing(sounds):
    clips, labels = sounds
    groups = np.arange(len(clips)) // 2
    with config_context(enable_metadata_routing=True):
        cross_val_predict(
            Spy(**make_classifier(epochs=1).get_params()),
            pd.DataFrame({"clip": clips}),
            labels,
            params={"groups": groups},
            cv=GroupKFold(2),
            method="predict_proba",
        )
    assert sorted(np.concatenate(Spy.seen)) == sorted(groups)


def test_a_clone_is_unfitted_and_has_the_same_settings(trained):
    copy = clone(trained)
    assert not hasattr(copy, "network_")
    assert copy.get_params() == trained.get_params()


def test_a_fitted_classifier_can_be_sent_to_another_process(trained, sounds):
    clips, _ = sounds
    sent = pickle.loads(pickle.dumps(trained))
    np.testing.assert_array_equal(sent.predict_proba(clips), trained.predict_proba(clips))


def test_a_saved_model_predicts_the_same(tmp_path, trained, sounds):
    clips, _ = sounds
    trained.save_model(tmp_path / "model")
    loaded = AudioBackboneClassifier.load_model(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(clips), trained.predict_proba(clips))
    np.testing.assert_array_equal(loaded.embed(clips), trained.embed(clips))
    assert loaded.classes_.tolist() == trained.classes_.tolist()
    assert loaded.history_ == trained.history_


def test_a_saved_model_is_a_card_and_safetensors_without_the_machines_paths(tmp_path, sounds):
    classifier = make_classifier(epochs=1, cache_dir=tmp_path / "cache", augment="default")
    classifier.fit(*sounds).save_model(tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "card.json",
        "model.safetensors",
    ]
    text = (tmp_path / "model" / "card.json").read_text()
    assert str(tmp_path) not in text
    card = json.loads(text)
    assert card["parameters"]["sr"] == SR
    assert card["task"] == "single-label"
    loaded = AudioBackboneClassifier.load_model(tmp_path / "model")
    assert loaded.augment == "default"


def test_a_path_among_the_settings_is_saved_as_text(tmp_path, sounds):
    (tmp_path / "net.cfg").write_text(
        "[moddims]\npermute=[2,1,0]\ncollapse=[1,2]\n[lstm]\nhidden_size=4\n"
        "[moddims]\npermute=[1]\n[linear]\nout_features=2\n"
    )
    settings = {
        "backbone_params": {"layers": tmp_path / "net.cfg"},
        "frontend_params": {"n_fft": 256, "hop_length": 128, "n_mels": 16},
    }
    classifier = AudioBackboneClassifier(
        "layers", **settings, sr=SR, epochs=1, augment=False, device="cpu", random_state=0
    )
    classifier.fit(*sounds).save_model(tmp_path / "model")
    loaded = AudioBackboneClassifier.load_model(tmp_path / "model", device="cpu")
    assert loaded.backbone_params == {"layers": str(tmp_path / "net.cfg")}


def test_weights_that_the_card_does_not_describe_are_refused(tmp_path, trained):
    trained.save_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ValueError, match="not the file that its card describes"):
        AudioBackboneClassifier.load_model(tmp_path)


@pytest.mark.parametrize(
    "card", ["{", "[]", "{}", '{"format": "timbrestack-deep", "schema_version": 99}'], ids=str
)
def test_another_card_is_refused(tmp_path, trained, card):
    trained.save_model(tmp_path)
    (tmp_path / "card.json").write_text(card)
    with pytest.raises(ValueError, match=r"card\.json"):
        AudioBackboneClassifier.load_model(tmp_path)


def test_a_card_of_other_parameters_is_refused(tmp_path, trained):
    trained.save_model(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    card["parameters"]["wings"] = 2
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"does not fit this version.*wings"):
        AudioBackboneClassifier.load_model(tmp_path)


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(ValueError, match=r"must hold card\.json and model\.safetensors"):
        AudioBackboneClassifier.load_model(tmp_path)


def test_embeddings_are_what_the_head_turns_into_logits(trained, sounds):
    clips = [clip[: SR // 2] for clip in sounds[0][:5]]
    embeddings = torch.from_numpy(trained.embed(clips))
    with torch.no_grad():
        logits = trained.network_.head(embeddings).numpy()
    np.testing.assert_allclose(trained.decision_function(clips), logits, rtol=0, atol=1e-4)


def test_the_extractor_gives_named_embeddings_of_a_fitted_or_saved_model(tmp_path, trained, sounds):
    clips, _ = sounds
    trained.save_model(tmp_path)
    for model in (trained, tmp_path):
        extractor = EmbeddingExtractor(model, device="cpu").set_output(transform="pandas")
        frame = extractor.fit(clips).transform(clips)
        assert list(frame.columns[:2]) == ["crnn_emb_000", "crnn_emb_001"]
        np.testing.assert_array_equal(frame.to_numpy(), trained.embed(clips))


def test_the_extractors_network_survives_cloning_and_pipelines(trained, sounds):
    clips, _ = sounds
    pipeline = clone(make_pipeline(EmbeddingExtractor(trained)))
    np.testing.assert_array_equal(pipeline.fit_transform(clips), trained.embed(clips))


def test_the_extractor_needs_a_model():
    with pytest.raises(ValueError, match="got None"):
        EmbeddingExtractor().fit()
    with pytest.raises(NotFittedError):
        EmbeddingExtractor(make_classifier()).fit()


def test_one_more_epoch_at_a_time_learns_from_whatever_clips_come(sounds):
    clips, labels = sounds
    first, second = (make_classifier(learning_rate=1e-2) for _ in range(2))
    for classifier in (first, second):
        for number in range(10):
            # Each time but the first and the last a class is missing.
            rows = [row for row in range(len(clips)) if number in (0, 9) or row % 4 != number % 4]
            kept = [clips[row] for row in rows]
            classifier.partial_fit(kept, labels[rows], classes=["high", "low", "noise"])
    assert all(torch.equal(weights(first)[name], weights(second)[name]) for name in weights(first))
    assert [entry["epoch"] for entry in first.history_] == list(range(1, 11))
    assert first.score(clips, labels) > 0.8


def test_the_optimizer_goes_on_from_call_to_call(sounds):
    clips, labels = sounds
    classifier = make_classifier().partial_fit(clips, labels, classes=np.unique(labels))
    n_steps = classifier._optimizer_tensors["0/step"].item()
    sent = pickle.loads(pickle.dumps(classifier))
    sent.partial_fit(clips, labels)
    assert sent._optimizer_tensors["0/step"].item() == 2 * n_steps


def test_a_label_that_comes_later_is_absent_until_then(sounds):
    clips, labels = sounds
    known = labels != "noise"
    classifier = make_classifier()
    kept = [clip for clip, keep in zip(clips, known, strict=True) if keep]
    classifier.partial_fit(kept, labels[known], classes=["high", "low", "noise"])
    assert classifier.absent_.tolist() == [False, False, True]
    assert classifier.partial_fit(clips, labels).absent_.tolist() == [False, False, False]


def test_indicators_can_be_learned_one_more_epoch_at_a_time(sounds):
    clips, labels = sounds
    y = np.column_stack([labels == "low", labels == "noise"]).astype(np.int8)
    classifier = make_classifier().partial_fit(clips, y).partial_fit(clips[:9], y[:9])
    assert classifier.predict_proba(clips[:3]).shape == (3, 2)


def test_a_fitted_or_saved_classifier_can_learn_more(tmp_path, trained, sounds):
    clips, labels = sounds
    trained.save_model(tmp_path)
    for model in (
        pickle.loads(pickle.dumps(trained)),
        AudioBackboneClassifier.load_model(tmp_path, device="cpu"),
    ):
        before = len(model.history_)
        model.set_params(learning_rate=1e-4).partial_fit(clips, labels)
        assert len(model.history_) == before + 1
        assert model.score(clips, labels) > 0.9


def test_labels_that_partial_fit_cannot_know_are_refused(sounds):
    clips, labels = sounds
    with pytest.raises(ValueError, match="the first partial_fit must be given classes"):
        make_classifier().partial_fit(clips, labels)
    with pytest.raises(ValueError, match=r"y must hold classes of the first call, .*\['noise'\]"):
        make_classifier().partial_fit(clips, labels, classes=["high", "low"])
    with pytest.raises(ValueError, match="y must have a column for each of 3 classes, got 2"):
        make_classifier().partial_fit(clips[:2], np.eye(2, dtype=int), classes=["a", "b", "c"])


def test_a_pretrained_backbone_is_started_from_and_told_of(tmp_path, sounds):
    clips, labels = sounds
    network = create_backbone("crnn", n_classes=3, sr=SR, frontend_params=FRAMES, **SMALL)
    parts = {"backbone": "crnn", "backbone_params": SMALL, "frontend_params": FRAMES}
    card = parts | {"sr": SR, "max_seconds": 0.5}
    rest = {"task": "none", "trained_on": {"labels": False}, "history": []}
    network.head = NoHead()
    PretrainedBackbone(network, card | rest).save(tmp_path / "start")
    settings = {"pretrained": tmp_path / "start", "unfreeze_from": "head", "epochs": 1}
    classifier = make_classifier(**settings).fit(clips, labels, work_dir=tmp_path / "work")
    for name, tensor in network.backbone.state_dict().items():
        assert torch.equal(classifier.network_.backbone.state_dict()[name], tensor)
    classifier.save_model(tmp_path / "model")
    loaded = AudioBackboneClassifier.load_model(tmp_path / "model")
    assert loaded.pretrained_on_ == {"labels": False}
    with pytest.raises(ValueError, match="holds another training: pretrained was"):
        make_classifier(**settings | {"pretrained": None}).fit(
            clips, labels, work_dir=tmp_path / "work"
        )


def test_settings_can_be_searched(sounds):
    clips, labels = sounds
    search = GridSearchCV(
        make_classifier(validation_fraction=0),
        {"epochs": [1, 6], "schedule": ["constant", "cosine-restarts"]},
        cv=StratifiedKFold(2),
        scoring="neg_log_loss",
    )
    search.fit(pd.DataFrame({"clip": clips}), labels)
    assert search.best_params_["epochs"] == 6


@pytest.mark.parametrize(
    "settings",
    [
        {"scoring": "roc_auc_ovr", "keep": "best", "average": 2, "ema_decay": 0.9},
        {"head_epochs": 1, "layer_decay": 0.5, "warm_up_epochs": 0.5},
        {"unfreeze_from": "backbone.blocks.1", "accumulate": 2, "clip_norm": None},
        {"loss": "focal", "loss_params": {"gamma": 1.0}, "sampling": "balanced"},
        {"windows": "all", "augment": {"gain": {}}, "precision": "bfloat16"},
        {"windows": "loudest", "augment": "rough", "schedule": "plateau"},
        {"loss": "triplet", "loss_params": {"margin": 0.3}, "augment": False},
    ],
    ids=lambda settings: "-".join(settings),
)
def test_settings_train_and_survive_saving(tmp_path, sounds, settings):
    clips, labels = sounds
    classifier = make_classifier(**settings).fit(clips, labels)
    classifier.save_model(tmp_path)
    loaded = AudioBackboneClassifier.load_model(tmp_path, device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(clips), classifier.predict_proba(clips))
    assert {name: getattr(loaded, name) for name in settings} == settings
    assert loaded.kept_epochs_ == classifier.kept_epochs_


def test_a_scorer_that_is_a_function_is_left_out_of_a_saved_model(tmp_path, sounds):
    def even(estimator, X, y):
        return 0.5

    make_classifier(epochs=1, scoring=even).fit(*sounds).save_model(tmp_path)
    assert AudioBackboneClassifier.load_model(tmp_path).scoring is None


def test_an_augmentation_that_joins_labels_is_refused_for_single_labels(sounds):
    with pytest.raises(ValueError, match="joins the labels"):
        make_classifier(augment={"sum": {}}).fit(*sounds)


class Writer:
    """Stands for TensorBoard's writer of event files."""

    made: ClassVar[list["Writer"]] = []

    def __init__(self, directory):
        self.directory, self.scalars, self.closed = directory, [], False
        self.made.append(self)

    def add_scalar(self, name, value, step):
        self.scalars.append((name, value, step))

    def flush(self):
        pass

    def close(self):
        self.closed = True


def test_event_files_get_every_number_of_an_epoch(tmp_path, sounds, monkeypatch):
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(torch.utils, "tensorboard", module, raising=False)
    classifier = make_classifier(tensorboard=True).fit(*sounds, work_dir=tmp_path)
    (writer,) = Writer.made
    assert writer.directory == str(tmp_path / "tensorboard")
    assert writer.closed
    last = classifier.history_[-1]
    assert ("loss/train_loss", last["train_loss"], 2) in writer.scalars
    assert ("score/validation_macro_f1", last["validation_macro_f1"], 2) in writer.scalars
    assert ("rate/learning_rate", last["learning_rate"], 2) in writer.scalars
    assert ("time/share_waiting", last["share_waiting"], 2) in writer.scalars


def test_without_the_package_of_tensorboard_the_extra_is_named(tmp_path, sounds, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.delattr(torch.utils, "tensorboard", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'timbrestack\[tensorboard\]'"):
        make_classifier(tensorboard=True).fit(*sounds, work_dir=tmp_path)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_network_trained_on_the_gpu_predicts_alike_on_the_cpu(sounds):
    clips, _ = sounds
    classifier = make_classifier(device="cuda", epochs=4).fit(*sounds)
    on_gpu = classifier.predict_proba(clips)
    on_cpu = classifier.set_params(device="cpu").predict_proba(clips)
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=0, atol=1e-3)


def test_arcface_has_a_cosine_head_that_travels_with_the_model(sounds, tmp_path):
    classifier = make_classifier(
        loss="arcface", loss_params={"scale": 20.0, "margin": 0.2}, epochs=12, learning_rate=1e-2
    ).fit(*sounds)
    assert isinstance(classifier.network_.head, CosineHead)
    assert classifier.network_.head.scale == 20.0
    assert classifier.score(*sounds) > 0.9
    classifier.save_model(tmp_path)
    again = AudioBackboneClassifier.load_model(tmp_path)
    np.testing.assert_array_equal(
        again.decision_function(sounds[0][:4]), classifier.decision_function(sounds[0][:4])
    )


def test_multi_label_training_starts_at_the_frequencies_of_the_labels(sounds):
    clips, labels = sounds
    indicator = np.column_stack([labels == "low", np.ones(len(labels), bool), labels == "high"])
    indicator = indicator.astype(int)
    indicator[:10, 1] = -1
    settings = {"epochs": 1, "learning_rate": 1e-9, "validation_fraction": 0.0, "augment": False}
    bias = make_classifier(**settings).fit(clips, indicator).network_.head.linear.bias
    third = np.log((1 / 3) / (2 / 3))
    np.testing.assert_allclose(bias.detach(), [third, np.log(0.99 / 0.01), third], atol=1e-3)
    settings["class_weight"] = "balanced"
    bias = make_classifier(**settings).fit(clips, indicator).network_.head.linear.bias
    assert bias.abs().max() < 1


def test_no_epochs_leave_the_network_as_it_started(sounds, tmp_path):
    clips, labels = sounds
    settings = {"validation_fraction": 0.3, "random_state": 3}
    classifier = make_classifier(epochs=0, **settings).fit(clips, labels, work_dir=tmp_path / "w")
    with own_arithmetic(classifier, classifier._seed):
        start = classifier.create_network(3)
    for name, weight in start.named_parameters():
        assert torch.equal(classifier.network_.get_parameter(name), weight)
    (entry,) = classifier.history_
    assert entry["epoch"] == classifier.best_epoch_ == 0
    assert 0 <= entry["validation_macro_f1"] < 0.9
    classifier.save_model(tmp_path / "m")
    loaded = AudioBackboneClassifier.load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict_proba(clips), classifier.predict_proba(clips))
