"""Self-supervised pre-training: what is asked, what is learned, what is kept and started from."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from deep.augmentation.draws import Draws
from deep.backbones.creation import create_backbone
from deep.classifier import AudioBackboneClassifier
from deep.pretraining import (
    PretrainedBackbone,
    PretrainingSettings,
    find_clips,
    list_tasks,
    load_pretrained_backbone,
    pretrain_backbone,
)
from deep.pretraining.contrastive import compare
from deep.pretraining.corpus import cut_views
from deep.pretraining.masked import MaskedSpectrogram
from deep.pretraining.patch_grid import PatchGrid, draw_each
from deep.pretraining.patches import FOREIGN, IN_PLACE, MOVED, OUTSIDE, ShuffledPatches
from deep.pretraining.pretext import Views, check_steps, tally
from deep.pretraining.tasks import create_task
from features.audio import Clip
from features.manifest import make_manifest, write_manifest

SR = 8000
SMALL = {"channels": [4, 4, 4], "hidden_size": 8, "n_layers": 1}
FRAMES = {"n_mels": 16}

every_task = pytest.mark.parametrize("task", list_tasks())


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def network():
    return create_backbone("crnn", n_classes=2, sr=SR, frontend_params=FRAMES, **SMALL)


@pytest.fixture
def sounds(rng):
    """Tones of many pitches and lengths, in noise."""
    times = np.arange(SR) / SR
    sizes = rng.integers(SR // 4, SR, 12)
    return [
        np.sin(2 * np.pi * hz * times[:size]) + 0.1 * rng.normal(size=size)
        for hz, size in zip(rng.uniform(100, 3000, 12), sizes, strict=True)
    ]


def small_settings(**options):
    parts = {"backbone_params": SMALL, "frontend_params": FRAMES}
    base = parts | {"sr": SR, "max_seconds": 0.6, "epochs": 2, "batch_size": 4}
    return PretrainingSettings(**{**base, "validation_fraction": 0.3, **options})


def draws_of(*seeds):
    return Draws(np.array(seeds, dtype=np.uint64), "pretext")


def make_views(*n_frames, n_bands=16):
    """Frames that are all different, zero past each clip's end."""
    shape = (len(n_frames), 1, n_bands, max(n_frames))
    frames = 1 + torch.arange(math.prod(shape), dtype=torch.float32).view(shape)
    for row, size in enumerate(n_frames):
        frames[row, :, :, size:] = 0
    return Views(frames, torch.tensor(n_frames), torch.arange(len(n_frames)))


def same_weights(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# What a backbone gives of each stretch of time


def test_frame_embeddings_end_in_the_clips_embedding(network):
    views = make_views(16, 9)
    backbone = network.backbone.eval()
    steps, n_steps = backbone.frame_embeddings(views.frames, views.n_frames)
    embeddings = backbone(views.frames, views.n_frames)
    assert steps.shape == (2, 4, backbone.frame_embedding_size)
    assert n_steps.tolist() == [4, 2]
    assert (steps[1, 2:] == 0).all()
    size = backbone.lstm.hidden_size
    for row, last in enumerate(n_steps - 1):
        whole = torch.cat([steps[row, last, :size], steps[row, 0, size:]])
        torch.testing.assert_close(whole, embeddings[row])


# The grid


def test_a_patch_is_a_range_of_bands_by_a_stretch_of_time():
    frames = torch.arange(48.0).view(1, 2, 4, 6)
    patches = PatchGrid(4, n_rows=2, patch_frames=3).cut(frames)
    assert patches.shape == (1, 4, 2, 2, 3)
    assert patches[0, 1, 0].tolist() == [[12, 13, 14], [18, 19, 20]]
    assert patches[0, 2, 0].tolist() == [[3, 4, 5], [9, 10, 11]]
    assert patches[0, 1, 1].tolist() == [[36, 37, 38], [42, 43, 44]]


def test_pasting_what_was_cut_changes_nothing_and_leaves_the_rest_alone():
    frames = torch.arange(140.0).view(1, 2, 7, 10)
    grid = PatchGrid(7, n_rows=3, patch_frames=4)
    assert torch.equal(grid.paste(frames, grid.cut(frames)), frames)
    pasted = grid.paste(frames, torch.zeros_like(grid.cut(frames)))
    assert (pasted[..., :6, :8] == 0).all()
    assert torch.equal(pasted[..., 6:, :], frames[..., 6:, :])
    assert torch.equal(pasted[..., 8:], frames[..., 8:])


def test_only_whole_patches_of_valid_frames_are_asked_about():
    valid = PatchGrid(4, n_rows=2, patch_frames=3).valid(torch.tensor([9, 5, 2]), 9)
    assert valid.sum(dim=1).tolist() == [6, 2, 0]
    assert valid[1].tolist() == [True, True, False, False, False, False]


def test_more_rows_than_bands_are_refused():
    with pytest.raises(ValueError, match="1 to the number of bands, 4, got 5"):
        PatchGrid(4, n_rows=5, patch_frames=1)


def test_what_a_row_draws_depends_on_its_seed_alone():
    together, alone = draw_each(draws_of(3, 7), 10), draw_each(draws_of(7), 6)
    assert torch.equal(together[1, :6], alone[0])


# Shuffled patches


def test_moved_patches_change_places_and_the_others_stay(network):
    task = ShuffledPatches(network, moved_share=0.5, foreign_share=0.0)
    views = make_views(32, 32)
    frames, answers = task.shuffle(views, draws_of(1, 2))
    before, after = task.grid.cut(views.frames), task.grid.cut(frames)
    stayed = (before == after).flatten(2).all(dim=2)
    assert torch.equal(stayed, answers == IN_PLACE)
    assert (answers == MOVED).sum() > 4
    for row in range(2):
        assert sorted(before[row, :, 0, 0, 0].tolist()) == sorted(after[row, :, 0, 0, 0].tolist())


def test_foreign_patches_come_from_the_same_place_of_the_next_clip(network):
    task = ShuffledPatches(network, moved_share=0.0, foreign_share=0.5)
    views = make_views(32, 16)
    frames, answers = task.shuffle(views, draws_of(1, 2))
    before, after = task.grid.cut(views.frames), task.grid.cut(frames)
    foreign = answers == FOREIGN
    assert torch.equal(after[foreign], before.roll(-1, dims=0)[foreign])
    assert foreign.sum() > 2
    # The next clip ends before the second half of the first one.
    assert not foreign[0, 16:].any()
    assert (answers[1, 16:] == OUTSIDE).all()


def test_a_moved_patch_is_never_alone(network):
    task = ShuffledPatches(network, moved_share=0.2, foreign_share=0.0)
    _, answers = task.shuffle(make_views(*[8] * 50), draws_of(*range(50)))
    assert not ((answers == MOVED).sum(dim=1) == 1).any()


def test_accuracy_is_judged_beside_the_most_frequent_answer(network):
    task = ShuffledPatches(network)
    assert task.judge(tally(6, 5, 3, 2)) == (0.6, 0.5)
    assert all(math.isnan(number) for number in task.judge(tally(0, 0, 0, 0)))


# Masked spectrogram


class Oracle(torch.nn.Module):
    """Tells the frames themselves, so that a decoder without effect predicts them exactly."""

    frames_per_step = frame_embedding_size = 1

    def __init__(self, frames):
        super().__init__()
        self.whole, self.seen = frames, None

    def frame_embeddings(self, frames, n_frames):
        self.seen = frames
        steps = self.whole[:, 0].transpose(1, 2)
        return steps, n_frames


@pytest.fixture
def masked(network):
    task = MaskedSpectrogram(network, n_rows=4)
    task.frames_per_step = 1
    task.decoder = torch.nn.Identity()
    return task


def test_half_of_the_patches_are_hidden_and_only_they_count(masked):
    views = make_views(64, 40)
    oracle = Oracle(views.frames)
    outcome = masked(oracle, views, draws_of(1, 2))
    hidden = oracle.seen != views.frames
    assert 0.4 < hidden[0].float().mean() < 0.6
    assert not hidden[1, ..., 40:].any()
    assert outcome.loss == 0
    assert masked.judge(outcome.tallies)[0] == 1

    wrong = Oracle(views.frames + 3 * ~hidden + 2 * hidden)
    assert masked(wrong, views, draws_of(1, 2)).loss == pytest.approx(4)


def test_chance_is_what_the_visible_cells_of_a_band_tell(masked):
    frames = torch.arange(1.0, 17.0)[None, None, :, None].expand(1, 1, 16, 64).clone()
    views = Views(frames, torch.tensor([64]), torch.zeros(1, dtype=torch.int64))
    score, chance = masked.judge(masked(Oracle(0 * frames), views, draws_of(1)).tallies)
    assert (score, chance) == (0, pytest.approx(1))


# Contrast


def test_other_clips_of_a_group_are_no_wrong_answers():
    similarities = compare(torch.randn(6, 4), torch.tensor([0, 1, 0]))
    allowed = similarities.isfinite()
    assert allowed[0].tolist() == [False, True, False, True, True, False]
    assert allowed[1].tolist() == [True, False, True, True, True, True]
    assert torch.equal(allowed, allowed.T)


def test_the_contrastive_loss_is_that_of_its_formula(network):
    task = create_task("contrastive", network, {"temperature": 0.5})
    task.projection = torch.nn.Identity()
    vectors = torch.nn.functional.normalize(torch.randn(4, 3), dim=1)
    views = Views(vectors[:, None, :, None], torch.ones(4), torch.arange(2))
    outcome = task(lambda frames, _: frames[:, 0, :, 0], views, draws_of(1, 2, 3, 4))
    terms = []
    for row, partner in ((0, 2), (1, 3), (2, 0), (3, 1)):
        weights = {
            k: math.exp(float(vectors[row] @ vectors[k]) / 0.5) for k in range(4) if k != row
        }
        terms.append(-math.log(weights[partner] / sum(weights.values())))
    assert outcome.loss.item() == pytest.approx(np.mean(terms), rel=1e-5)
    assert task.judge(outcome.tallies)[1] == pytest.approx(1 / 3)


def test_two_views_of_a_clip_are_windows_of_it(rng):
    corpus = type("Corpus", (), {"lengths": np.array([10, 100, 1000])})
    windows = cut_views(corpus, np.array([2, 0]), max_length=200, n_views=2, min_share=0.5, rng=rng)
    rows, starts, stops = windows.T
    assert rows.tolist() == [2, 0, 2, 0]
    assert (starts >= 0).all()
    assert (stops <= corpus.lengths[rows]).all()
    sizes = stops - starts
    assert all(100 <= size <= 200 for size in sizes[::2])
    assert all(5 <= size <= 10 for size in sizes[1::2])


# Which clips are seen


@pytest.fixture
def manifest(write_wav, sounds, tmp_path):
    for number, sound in enumerate(sounds):
        write_wav(f"corpus/{number:02d}.wav", 0.5 * sound / abs(sound).max(), SR)
    table = pd.DataFrame(
        {
            "path": [f"{number:02d}.wav" for number in range(12)],
            "labels": ["a", "b"] * 6,
            "group": [f"g{number // 2}" for number in range(12)],
            "split": ["train"] * 8 + ["test"] * 4,
        }
    )
    manifest = make_manifest(table, tmp_path / "corpus")
    write_manifest(manifest, tmp_path / "corpus" / "manifest.csv")
    return manifest


def test_rows_of_the_test_split_are_left_out_unless_asked_for(manifest, tmp_path):
    found = find_clips(tmp_path / "corpus" / "manifest.csv")
    assert found.clip_ids == [f"{number:02d}.wav" for number in range(8)]
    assert (found.n_test, found.n_left_out) == (0, 4)
    assert found.groups[:3].tolist() == ["g0", "g0", "g1"]
    everything = find_clips(manifest, with_test=True)
    assert (len(everything), everything.n_test, everything.n_left_out) == (12, 4, 0)


def test_a_manifest_of_test_rows_alone_is_refused(manifest):
    with pytest.raises(ValueError, match="outside split=test, got 4 rows, all of it"):
        find_clips(manifest.select(np.arange(8, 12)))


def test_a_folder_gives_all_its_sound_files(manifest, tmp_path):
    found = find_clips(tmp_path / "corpus")
    assert found.clip_ids == found.groups.tolist() == [f"{number:02d}.wav" for number in range(12)]
    with pytest.raises(ValueError, match="must hold sound files, found none"):
        find_clips((tmp_path / "empty").mkdir() or tmp_path / "empty")


def test_a_list_is_called_by_its_paths(rng):
    found = find_clips(["a.wav", Clip("b.wav", 0.0, 1.5), Clip("b.wav", 2.0), rng.normal(size=9)])
    assert found.clip_ids == ["a.wav", "b.wav#0-1.5", "b.wav#2-", "waveform-000003"]
    assert found.groups.tolist() == ["a.wav", "b.wav", "b.wav", "waveform-000003"]
    with pytest.raises(ValueError, match="clip_ids must be unique, got 1"):
        find_clips(["a.wav", "a.wav"])


def test_the_card_tells_which_clips_were_seen_and_which_could_not_be_read(manifest, tmp_path):
    (tmp_path / "corpus" / "00.wav").write_bytes(b"no sound at all")
    backbone = pretrain_backbone(find_clips(manifest), settings=small_settings(task="patches"))
    seen = backbone.card["trained_on"]
    assert seen["clip_ids"] == [f"{number:02d}.wav" for number in range(1, 8)]
    assert set(seen["validation_clip_ids"]) < set(seen["clip_ids"])
    assert (seen["labels"], seen["test_rows"], seen["folds_sha256"]) == (False, 0, None)
    (failure,) = backbone.card["failures"]
    assert failure["clip_id"] == "00.wav"
    assert failure["reason"]


def test_too_few_readable_clips_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"at least 2 clips .* got 0 of 2, 2 of which cannot be"):
        pretrain_backbone([str(tmp_path / "a.wav"), str(tmp_path / "b.wav")])


# Learning


@every_task
def test_a_seed_decides_everything(task, sounds):
    settings = small_settings(task=task)
    first, second = (pretrain_backbone(sounds, settings=settings) for _ in range(2))
    other = pretrain_backbone(sounds, settings=small_settings(task=task, seed=1))
    assert same_weights(first.network, second.network)
    assert not same_weights(first.network, other.network)
    untimed = [
        {k: v for k, v in each.items() if "second" not in k} for each in first.card["history"]
    ]
    again = [
        {k: v for k, v in each.items() if "second" not in k} for each in second.card["history"]
    ]
    assert untimed == again


@every_task
def test_the_learning_curve_shows_the_score_of_held_out_clips_beside_chance(task, sounds):
    heard = []
    backbone = pretrain_backbone(sounds, settings=small_settings(task=task), on_epoch=heard.append)
    assert backbone.card["history"] == heard
    assert [entry["epoch"] for entry in heard] == [1, 2]
    for entry in heard:
        assert math.isfinite(entry["train_loss"])
        assert math.isfinite(entry["validation_loss"])
        assert entry["pretext_score"] <= 1
    # Each epoch asks the same of the same clips.
    assert len({entry["pretext_chance"] for entry in heard}) == 1


@pytest.mark.parametrize(
    ("task", "task_params", "octaves", "margin"),
    [
        ("contrastive", {}, 0, 0.1),
        # Of sounds that move, so that what is near a patch tells more of it than the whole does.
        ("masked", {"mask_share": 0.3}, 2, 0.2),
        ("patches", {"foreign_share": 0.0, "moved_share": 0.4}, 2, 0.02),
    ],
    ids=list_tasks(),
)
def test_what_is_asked_is_learned(task, task_params, octaves, margin, rng):
    t = np.arange(SR // 2) / SR
    sweeps = [
        np.sin(2 * np.pi * np.cumsum(hz * 2 ** (octaves * rng.uniform(1, 2) * t)) / SR)
        for hz in rng.permutation(np.geomspace(150, 3000 if octaves == 0 else 800, 48))
    ]
    settings = small_settings(
        task=task,
        task_params=task_params,
        epochs=12,
        batch_size=8,
        learning_rate=1e-2,
        augment=None,
        backbone_params={
            **SMALL,
            "channels": [8, 16, 16],
            "hidden_size": 32,
            "dropout": 0.0,
        },
        frontend_params={**FRAMES, "hop_length": 256},
    )
    noisy = [sweep + 0.05 * rng.normal(size=len(t)) for sweep in sweeps]
    card = pretrain_backbone(noisy, settings=settings).card
    best = card["history"][card["best_epoch"] - 1]
    assert best["pretext_score"] > best["pretext_chance"] + margin


def test_clips_shorter_than_a_patch_are_nothing_to_ask_about_and_no_error(rng):
    clips = [rng.normal(size=30) for _ in range(6)]
    for task in ("masked", "patches"):
        settings = small_settings(task=task, epochs=1, task_params={"patch_steps": 2})
        (entry,) = pretrain_backbone(clips, settings=settings).card["history"]
        assert math.isnan(entry["pretext_score"])


def test_no_minutes_left_still_gives_a_network(sounds):
    backbone = pretrain_backbone(sounds, settings=small_settings(minutes=1e-9, epochs=50))
    assert backbone.card["stopped_by"] == "time"
    assert len(backbone.card["history"]) == 1


def test_an_interrupted_run_goes_on_to_the_same_weights(sounds, tmp_path):
    class KilledError(Exception):
        pass

    def kill(entry):
        if entry["epoch"] == 2:
            raise KilledError

    settings = small_settings(epochs=4)
    whole = pretrain_backbone(sounds, settings=settings)
    with pytest.raises(KilledError):
        pretrain_backbone(sounds, settings=settings, work_dir=tmp_path / "work", on_epoch=kill)
    heard = []
    resumed = pretrain_backbone(
        sounds, settings=settings, work_dir=tmp_path / "work", on_epoch=heard.append
    )
    assert [entry["epoch"] for entry in heard] == [3, 4]
    assert same_weights(resumed.network, whole.network)
    with pytest.raises(ValueError, match="epochs was 4 and is 5 now"):
        pretrain_backbone(sounds, settings=small_settings(epochs=5), work_dir=tmp_path / "work")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"task": "nope"},
            r"task must be one of \['contrastive', 'masked', 'patches'\], got 'nope'",
        ),
        ({"task_params": {"nope": 1}}, r"may have \['temperature', 'min_crop'\], got \['nope'\]"),
        ({"task_params": {"temperature": 0}}, "temperature must be above 0"),
        ({"task": "masked", "task_params": {"mask_share": 1}}, r"mask_share must be in \(0, 1\)"),
        ({"task": "patches", "task_params": {"moved_share": 0.9}}, r"together in \(0, 1\)"),
        (
            {"epochs": 0, "seed": -1},
            "epochs must be at least 1, got 0; seed must be at least 0, got -1",
        ),
        ({"augment": {"nope": {}}}, "there is no augmentation 'nope'"),
    ],
    ids=["task", "option", "temperature", "mask", "shares", "two-at-once", "augmentation"],
)
def test_settings_that_cannot_work_are_refused(options, message, sounds):
    with pytest.raises(ValueError, match=message):
        pretrain_backbone(sounds, settings=small_settings(**options))


# What is kept, and started from


@pytest.fixture
def saved(sounds, tmp_path):
    backbone = pretrain_backbone(sounds, settings=small_settings())
    backbone.save(tmp_path / "pretrained")
    return tmp_path / "pretrained", backbone


def test_a_saved_backbone_gives_the_same_embeddings(saved, sounds):
    path, backbone = saved
    loaded = PretrainedBackbone.load(path)
    assert np.array_equal(loaded.embed(sounds), backbone.embed(sounds))
    assert backbone.embed(sounds).shape == (12, 16)
    assert {"weights_sha256", "versions"} <= loaded.card.keys()
    assert backbone.card.items() <= loaded.card.items()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("card.json", b"{", "must hold a pre-trained backbone"),
        ("card.json", b"{}", "must be timbrestack-pretrained version 1"),
        ("model.safetensors", b"", "is not the file that its card describes"),
    ],
    ids=["cut", "other-format", "other-weights"],
)
def test_a_damaged_backbone_is_refused(name, content, message, saved):
    path, _ = saved
    (path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        PretrainedBackbone.load(path)


def test_a_training_starts_from_the_backbone_but_not_from_its_statistics(saved, network):
    path, backbone = saved
    head = {name: tensor.clone() for name, tensor in network.head.state_dict().items()}
    options = {**SMALL, "channels": tuple(SMALL["channels"]), "dropout": 0.3}
    parts = {"backbone": "crnn", "backbone_params": options, "frontend_params": FRAMES}
    card = load_pretrained_backbone(network, path, settings=parts | {"sr": SR})
    assert same_weights(network.backbone, backbone.network.backbone)
    assert (network.frontend.mean == 0).all()
    assert (backbone.network.frontend.mean != 0).any()
    assert all(torch.equal(head[name], t) for name, t in network.head.state_dict().items())
    assert card["trained_on"] == backbone.card["trained_on"]


def test_a_network_of_another_kind_is_refused(saved):
    path, _ = saved
    network = create_backbone("crnn", n_classes=2, sr=16000)
    with pytest.raises(
        ValueError, match=r"sr is 8000 there and 16000 here; .*hidden_size is 8 there and 'the def"
    ):
        load_pretrained_backbone(network, path, settings={"backbone": "crnn", "sr": 16000})


def test_a_classifier_starts_from_it_and_takes_statistics_from_its_own_clips(saved, sounds):
    path, backbone = saved
    labels = ["a", "b"] * 6
    fitted = AudioBackboneClassifier(
        pretrained=path,
        backbone_params=SMALL,
        frontend_params=FRAMES,
        sr=SR,
        epochs=1,
        learning_rate=1e-9,
        weight_decay=0.0,
        validation_fraction=0.0,
        random_state=0,
    ).fit(sounds[:6], labels[:6])
    ours, theirs = fitted.network_, backbone.network
    for own, learned in zip(ours.backbone.parameters(), theirs.backbone.parameters(), strict=True):
        torch.testing.assert_close(own, learned, rtol=0, atol=1e-6)
    assert not torch.equal(ours.frontend.mean, theirs.frontend.mean)


def test_a_trained_classifier_is_started_from_too_and_its_labels_are_remembered(sounds, tmp_path):
    settings = {"backbone_params": SMALL, "frontend_params": FRAMES, "sr": SR, "epochs": 1}
    settings |= {"validation_fraction": 0.0, "random_state": 0}
    first = AudioBackboneClassifier(**settings).fit(sounds[:6], ["a", "b"] * 3)
    first.save_model(tmp_path)
    learned = PretrainedBackbone.load(tmp_path)
    assert same_weights(learned.network.backbone, first.network_.backbone)
    settings |= {"learning_rate": 1e-9, "weight_decay": 0.0, "pretrained": tmp_path}
    second = AudioBackboneClassifier(**settings).fit(sounds[:6], ["c", "d", "e"] * 2)
    for own, before in zip(
        second.network_.backbone.parameters(), first.network_.backbone.parameters(), strict=True
    ):
        torch.testing.assert_close(own, before, rtol=0, atol=1e-6)
    assert second.pretrained_on_["labels"] is True
    assert second.pretrained_on_["clip_ids"] is None, "nobody said what these clips are called"
    first.save_model(tmp_path, clip_ids=["a.wav", "b.wav"])
    assert PretrainedBackbone.load(tmp_path).card["trained_on"]["clip_ids"] == ["a.wav", "b.wav"]


def test_a_task_of_steps_wants_steps_that_do_not_overlap(network):
    views = make_views(64)
    steps, _ = network.backbone.frame_embeddings(views.frames, views.n_frames)
    check_steps(steps, views.frames, network.backbone.frames_per_step)
    with pytest.raises(ValueError, match=r"64 frames must give 8 steps, got \d+; take"):
        check_steps(steps, views.frames, 8)
