"""The engine: steps, groups of parameters, stages, averages, settings."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from deep.augmentation import create_augmentation
from deep.backbones.creation import create_backbone
from deep.losses.registry import create_losses
from deep.training.averaging import MovingAverage, mean_weights, refresh_batch_norm, wearing
from deep.training.epoch import deal_steps
from deep.training.loop import Losses, train_network
from deep.training.parameter_groups import layer_of, parameter_groups, set_rate
from deep.training.record import TrainingRecord, epochs_to_keep
from deep.training.settings import TrainingSettings
from deep.training.stages import train_from
from deep.training.state import create_optimizer, load_optimizer_tensors, optimizer_tensors
from deep.training.step import Means, Part, cut_batch, take_step
from deep.training_data import TrainingData

SR = 8000
SMALL = {"channels": (4, 8, 8), "hidden_size": 8}
FRAMES = {"n_fft": 512, "hop_length": 256, "n_mels": 32}
CLASSES = np.array(["high", "low"])


@pytest.fixture(autouse=True)
def _seeded_and_on_one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


def make_network(**options) -> nn.Module:
    torch.manual_seed(0)
    return create_backbone("crnn", n_classes=2, sr=SR, frontend_params=FRAMES, **SMALL | options)


def make_data(rng, n_training=20, n_validation=8) -> TrainingData:
    n = n_training + n_validation
    codes = np.arange(n) % 2
    t = np.arange(2000) / SR
    store = [
        (np.sin(2 * np.pi * (400 + 1200 * (1 - code)) * t) + 0.3 * rng.normal(size=len(t))).astype(
            np.float32
        )
        for code in codes
    ]
    lengths = np.array([len(each) for each in store])
    targets = np.eye(2, dtype=np.float32)[codes]
    rows = np.arange(n)
    return TrainingData(
        store, lengths, targets, rows[:n_training], rows[n_training:], multi_label=False
    )


def make_losses(**options) -> Losses:
    return Losses(*create_losses("auto", torch.eye(2), multi_label=False, **options))


def train(network, data, **settings):
    defaults = {"epochs": 3, "batch_size": 8, "max_length": 2000, "learning_rate": 1e-2}
    return train_network(
        network,
        data,
        settings=TrainingSettings(**defaults | settings),
        losses=make_losses(),
        classes=CLASSES,
    )


def make_part(rng, n=8, n_timepoints=2000) -> Part:
    waveforms = torch.from_numpy(rng.normal(size=(n, n_timepoints)).astype(np.float32))
    targets = torch.eye(2)[torch.arange(n) % 2]
    return Part(waveforms, torch.full((n,), n_timepoints), targets, torch.ones(n))


def take_rows(part: Part, rows: np.ndarray) -> Part:
    return Part(part.waveforms[rows], part.lengths[rows], part.targets[rows], part.weights[rows])


def step_in_parts(part: Part, n_parts: int, **settings) -> dict[str, torch.Tensor]:
    """Weights after a step without dropout and with frozen statistics, as rows are then alone."""
    network = make_network()
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.Dropout):
            module.eval()
        if isinstance(module, nn.LSTM):
            module.dropout = 0.0
    given = TrainingSettings(batch_size=8, **settings)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    means = Means(network, optimizer, make_losses().training, given, network.classify)
    cuts = cut_batch(np.arange(len(part.lengths)), n_parts)
    parts = iter([take_rows(part, cut) for cut in cuts])
    loss = take_step(means, parts, [len(cut) for cut in cuts], epoch=1, step=1)
    return {"loss": loss, **network.state_dict()}


@pytest.mark.parametrize("clip_norm", [None, 0.01], ids=["unclipped", "clipped"])
def test_a_batch_computed_in_parts_is_the_same_step(rng, clip_norm):
    part = make_part(rng)
    whole = step_in_parts(part, 1, clip_norm=clip_norm)
    # Seven clips leave parts of unequal size.
    for n_parts, given in ((4, part), (3, take_rows(part, np.arange(7)))):
        reference = whole if n_parts == 4 else step_in_parts(given, 1, clip_norm=clip_norm)
        parted = step_in_parts(given, n_parts, clip_norm=clip_norm)
        for name, tensor in reference.items():
            torch.testing.assert_close(parted[name], tensor, rtol=0, atol=2e-6)


def test_a_gradient_is_clipped_to_its_norm(rng):
    part = make_part(rng)
    before = make_network().state_dict()
    after = step_in_parts(part, 1, clip_norm=0.01)
    moved = torch.sqrt(sum((after[n] - before[n]).square().sum() for n in before))
    assert moved.item() == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_rows_count_by_their_weights(rng):
    part = make_part(rng)
    twice = torch.tensor([2.0, 2, 2, 2, 0, 0, 0, 0])
    weighed = step_in_parts(replace(part, weights=twice), 1, clip_norm=None)
    half = step_in_parts(take_rows(part, np.arange(4)), 1, clip_norm=None)
    for name, tensor in half.items():
        torch.testing.assert_close(weighed[name], tensor, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("n", "n_parts", "sizes"), [(8, 1, [8]), (7, 3, [3, 2, 2]), (5, 4, [3, 2]), (1, 2, [1])]
)
def test_parts_have_two_clips_at_least(n, n_parts, sizes):
    parts = cut_batch(np.arange(n), n_parts)
    assert [len(part) for part in parts] == sizes
    assert np.concatenate(parts).tolist() == list(range(n))


def test_bfloat16_trains_close_to_float32(rng):
    data = make_data(rng)
    losses = []
    for precision in ("float32", "bfloat16"):
        record = train(make_network(dropout=0.0), data, precision=precision)
        losses.append(record.history[-1]["train_loss"])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], abs=0.05)


def test_the_network_is_compiled_on_request(rng, monkeypatch):
    seen = []

    def compile_nothing(function, **options):
        seen.append((function, options))
        return function

    monkeypatch.setattr(torch, "compile", compile_nothing)
    network, data = make_network(), make_data(rng)
    train(network, data, epochs=1)
    assert seen == []
    train(network, data, epochs=1, compile=True)
    assert seen == [(network.classify, {"dynamic": True})]


@pytest.mark.slow
# Of torch's own making, about its own modules.
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_backbone_learns_what_a_plain_one_does(rng):
    data = make_data(rng)
    plain, compiled = (
        train(make_network(dropout=0.0), data, epochs=1, compile=each) for each in (False, True)
    )
    expected = plain.history[0]["train_loss"]
    assert compiled.history[0]["train_loss"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("parameter", "layer"),
    [
        ("backbone.blocks.2.0.weight", "backbone.blocks.2"),
        ("backbone.encoder.layers.11.attention.query.weight", "backbone.encoder.layers.11"),
        ("backbone.lstm.weight_ih_l0", "backbone.lstm"),
        ("backbone.position", "backbone.position"),
        ("frontend.filters", "frontend"),
        ("head.linear.bias", "head"),
        ("head.heads.3.hidden.2.weight", "head.hidden.2"),
        ("backbone.backbones.4.pairs.1.norms.0.bias", "backbone.pairs.1"),
    ],
)
def test_a_layer_is_an_item_of_a_list_or_a_child(parameter, layer):
    assert layer_of(parameter) == layer


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_heads_of_all_labels_learn_at_one_rate(head):
    network = create_backbone("crnn", n_classes=4, head="per-label", head_params={"of": head})
    groups = parameter_groups(network, layer_decay=0.5, weight_decay=0.0)
    shares = {id(each): group["share"] for group in groups for each in group["params"]}
    by_label = [[shares[id(each)] for each in one.parameters()] for one in network.head.heads]
    assert all(label == by_label[0] for label in by_label)
    assert max(by_label[0]) == 1.0


def test_layers_learn_the_slower_the_farther_they_are_from_the_head():
    network = make_network()
    optimizer = create_optimizer(network, TrainingSettings(layer_decay=0.5))
    set_rate(optimizer, 1.0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    by_layer = {layer_of(n): rates[id(p)] for n, p in network.named_parameters()}
    assert by_layer == {
        "backbone.blocks.0": 1 / 16,
        "backbone.blocks.1": 1 / 8,
        "backbone.blocks.2": 1 / 4,
        "backbone.lstm": 1 / 2,
        "head": 1.0,
    }


def test_norms_and_biases_do_not_decay():
    network = make_network()
    groups = parameter_groups(network, layer_decay=1.0, weight_decay=0.1)
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    named = {name: decays[id(p)] for name, p in network.named_parameters()}
    assert len(named) == len(list(network.parameters()))
    for name, decay in named.items():
        kept = "bias" in name or name.endswith(("blocks.0.2.weight", "norm.weight"))
        kept = kept or any(name == f"backbone.blocks.{i}.2.weight" for i in range(3))
        assert decay == (0.0 if kept else 0.1), name


def test_what_comes_before_a_module_is_frozen_whole(rng):
    network = make_network()
    train_from(network, "backbone.blocks.2")
    before = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    settings = TrainingSettings()
    means = Means(network, optimizer, make_losses().training, settings, network.classify)
    take_step(means, iter([make_part(rng)]), [8], epoch=1, step=1)
    moved = {n for n, t in network.state_dict().items() if not torch.equal(t, before[n])}
    assert moved
    assert not [n for n in moved if n.startswith(("backbone.blocks.0", "backbone.blocks.1"))]
    assert "backbone.blocks.2.2.running_mean" in moved
    assert "backbone.lstm.weight_ih_l0" in moved


def test_the_head_learns_first_and_alone(rng):
    network, data, seen = make_network(), make_data(rng), []
    before = copy.deepcopy(network.state_dict())

    def look(entry):
        moved = {n for n, t in network.state_dict().items() if not torch.equal(t, before[n])}
        seen.append(({name.split(".")[0] for name in moved}, entry["learning_rate"]))

    settings = TrainingSettings(
        epochs=3, head_epochs=2, batch_size=8, max_length=2000, schedule="constant"
    )
    losses = make_losses()
    train_network(network, data, settings=settings, losses=losses, classes=CLASSES, on_epoch=look)
    assert [parts for parts, _ in seen] == [{"head"}, {"head"}, {"head", "backbone"}]
    rates = [rate for _, rate in seen]
    # Three steps an epoch: the last of the first is two sixths of the way.
    assert rates == pytest.approx([3e-3 * 0.01 ** (1 - 2 / 6), 3e-3 * 0.01 ** (1 - 5 / 6), 3e-3])
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_modules_before_the_one_to_unfreeze_from_stay_frozen(rng):
    network, data = make_network(), make_data(rng)
    before = copy.deepcopy(network.state_dict())
    train(network, data, unfreeze_from="backbone.lstm", keep="last")
    moved = {n for n, t in network.state_dict().items() if not torch.equal(t, before[n])}
    assert {n.split(".")[1] for n in moved if n.startswith("backbone")} == {"lstm"}


def test_an_unknown_module_to_unfreeze_from_is_refused_with_those_there_are(rng):
    with pytest.raises(ValueError, match=r"unfreeze_from must be one of .*'backbone\.lstm'.*'lsmt"):
        train(make_network(), make_data(rng), unfreeze_from="lsmt")


def test_a_moving_average_is_that_of_its_formula():
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    with torch.no_grad():
        network[0].weight.fill_(0.0)
    average = MovingAverage(network, 0.5)
    expected = 0.0
    for n_updates, value in enumerate((1.0, 2.0, 3.0), 1):
        with torch.no_grad():
            network[0].weight.fill_(value)
            network[1].running_mean.fill_(value)
            network[1].num_batches_tracked.fill_(n_updates)
        average.update(network)
        decay = min(0.5, (1 + n_updates) / (10 + n_updates))
        expected = decay * expected + (1 - decay) * value
    assert average.weights["0.weight"].item() == pytest.approx(expected)
    assert average.weights["1.running_mean"].item() == pytest.approx(expected)
    assert average.weights["1.num_batches_tracked"].item() == 3


def test_the_moving_average_is_what_is_validated_and_kept(rng):
    data = make_data(rng)
    own, averaged = make_network(), make_network()
    one = train(own, data, keep="last")
    other = train(averaged, data, keep="last", ema_decay=0.9)
    losses = [[entry["train_loss"] for entry in record.history] for record in (one, other)]
    assert losses[0] == losses[1]
    assert one.history[-1]["validation_loss"] != other.history[-1]["validation_loss"]
    assert not torch.equal(own.head.linear.weight, averaged.head.linear.weight)


def test_lent_weights_are_given_back_bit_for_bit():
    network = make_network()
    before = copy.deepcopy(network.state_dict())
    with wearing(network, {name: t * 0 for name, t in before.items()}):
        assert not network.head.linear.weight.any()
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_the_last_epochs_are_averaged_on_request(rng):
    data, seen, network = make_data(rng), [], make_network()
    settings = TrainingSettings(
        epochs=4, batch_size=8, max_length=2000, keep="last", average=3, patience=None
    )
    losses = make_losses()

    def remember(entry):
        seen.append(copy.deepcopy(network.state_dict()))

    record = train_network(
        network, data, settings=settings, losses=losses, classes=CLASSES, on_epoch=remember
    )
    assert record.kept_epochs == [2, 3, 4]
    for name, parameter in network.named_parameters():
        mean = torch.stack([weights[name] for weights in seen[1:]]).mean(dim=0)
        torch.testing.assert_close(parameter.detach(), mean, rtol=0, atol=1e-6)


def test_an_average_that_is_worse_than_the_best_epoch_is_not_kept(rng, monkeypatch):
    data = make_data(rng)
    best = make_network()
    record = train(best, data, keep="best")
    monkeypatch.setattr(
        "deep.training.loop.mean_weights", lambda several: {n: -t for n, t in several[0].items()}
    )
    guarded = make_network()
    found = train(guarded, data, keep="best", average=2)
    assert found.kept_epochs == [record.best_epoch]
    assert all(torch.equal(t, best.state_dict()[name]) for name, t in guarded.state_dict().items())


def test_mean_weights_average_numbers_and_leave_counters():
    first = {"weight": torch.tensor([1.0, 3.0]), "counter": torch.tensor(7)}
    second = {"weight": torch.tensor([3.0, 3.0]), "counter": torch.tensor(9)}
    mean = mean_weights([first, second])
    assert mean["weight"].tolist() == [2, 3]
    assert mean["counter"].item() == 7


def test_refreshed_statistics_are_those_of_the_batches(rng):
    network = make_network()
    batches = [(make_part(rng).waveforms, make_part(rng).lengths) for _ in range(3)]
    refresh_batch_norm(network, batches)
    norm = network.backbone.blocks[0][2]
    assert norm.num_batches_tracked.item() == 3
    assert norm.momentum == 0.1
    assert not any(module.training for module in network.modules())
    with torch.no_grad():
        means = []
        for waveforms, lengths in batches:
            frames, _ = network.frames(waveforms, lengths)
            maps = network.backbone.blocks[0][:2](frames)
            means.append(maps.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(dim=0), rtol=0, atol=1e-5)


def test_epochs_worth_keeping_are_the_best_the_earlier_of_equals_or_the_last():
    history = [
        {"epoch": n, "train_loss": 1.0, "validation_loss": loss}
        for n, loss in enumerate((3.0, 1.0, float("nan"), 1.0, 2.0), 1)
    ]
    record = TrainingRecord(history)
    assert epochs_to_keep(record, keep="best", count=3) == [2, 4, 5]
    assert epochs_to_keep(record, keep="last", count=2) == [5, 4]
    assert epochs_to_keep(TrainingRecord([{"train_loss": 1.0}] * 3), keep="best", count=1) == [3]


def test_an_optimizer_is_put_back_into_its_state():
    network = make_network()
    optimizer = create_optimizer(network, TrainingSettings())
    other = copy.deepcopy(network)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    fresh = create_optimizer(other, TrainingSettings())
    load_optimizer_tensors(fresh, optimizer_tensors(optimizer))
    expected, found = optimizer_tensors(optimizer), optimizer_tensors(fresh)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_scorer_tells_the_best_epoch_and_stops(rng):
    data = make_data(rng)
    scores = iter([0.0, 0.3, 0.9, 0.1, 0.2, 0.3, 0.4])

    def planned(estimator, X, y):
        return next(scores)

    record = train(make_network(), data, epochs=9, scoring=planned, patience=2)
    # The first score went to the check before training.
    assert [entry["validation_score"] for entry in record.history] == [0.3, 0.9, 0.1, 0.2]
    assert (record.best_epoch, record.stopped_by) == (2, "patience")


def test_time_and_waiting_are_measured(rng):
    entry = train(make_network(), make_data(rng), epochs=1).history[0]
    assert entry["clips_per_second"] > 0
    assert entry["step_seconds"] == pytest.approx(20 / entry["clips_per_second"] / 3)
    assert 0 <= entry["share_waiting"] <= 1


def test_a_loss_that_is_not_finite_ends_the_training_with_advice(rng):
    losses = make_losses()
    broken = losses._replace(training=partial(lambda *given: losses.training(*given) * torch.nan))
    with pytest.raises(ValueError, match=r"the loss must stay finite, got nan in epoch 1: lower"):
        train_network(
            make_network(),
            make_data(rng),
            settings=TrainingSettings(epochs=2, batch_size=8, max_length=2000),
            losses=broken,
            classes=CLASSES,
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "epochs must be at least 0, got -1"),
        ({"accumulate": 20}, r"accumulate must be 1 to batch_size / 2 = 16, .*got 20"),
        ({"learning_rate": 0.0}, r"learning_rate must be above 0, got 0\.0"),
        ({"epochs": 5, "head_epochs": 3, "warm_up_epochs": 2}, r"head_epochs must be fewer than"),
        ({"layer_decay": 1.5}, r"layer_decay must be in \(0, 1\], got 1\.5"),
        ({"clip_norm": 0}, "clip_norm must be None or above 0, got 0"),
        ({"precision": "float16"}, "precision must be 'auto', 'float32' or 'bfloat16'"),
        ({"ema_decay": 1.0}, r"ema_decay must be None or in \(0, 1\), got 1\.0"),
        ({"keep": "all"}, "keep must be 'best' or 'last', got 'all'"),
        ({"average": 0}, "average must be at least 1, got 0"),
        ({"patience": 0}, "patience must be None or at least 1, got 0"),
        ({"schedule": "none"}, "schedule must be one of"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_work_are_refused_with_their_value(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**settings)


def test_without_epochs_it_does_not_matter_for_how_many_the_rate_would_rise():
    assert TrainingSettings(epochs=0, head_epochs=3, warm_up_epochs=5.0).epochs == 0


def test_all_settings_that_cannot_work_are_named_at_once():
    with pytest.raises(ValueError, match=r"epochs must.*keep must.*schedule must"):
        TrainingSettings(epochs=-1, keep="all", schedule="none")


def test_sounds_that_are_mixed_meet_others_of_any_length(rng):
    lengths = np.repeat([500, 4000], 32)
    store = [rng.normal(size=length).astype(np.float32) for length in lengths]
    targets = np.eye(2, dtype=np.float32)[np.arange(64) % 2]
    rows = np.arange(64)
    data = TrainingData(store, lengths, targets, rows, rows[:0], multi_label=True)
    shares = {}
    for recipe in ({"sum": {}}, {"time_mask": {}}):
        settings = TrainingSettings(
            batch_size=8, augmentation=create_augmentation(recipe, sr=SR, multi_label=True)
        )
        windows, steps = deal_steps(data, settings, 1)
        sizes = (windows[:, 2] - windows[:, 1])[np.concatenate([p for ps in steps for p in ps])]
        assert len(sizes) == 64
        mixed = [len(np.unique(part)) > 1 for part in np.array_split(sizes, 8)]
        shares[next(iter(recipe))] = np.mean(mixed)
    assert shares["sum"] == 1.0
    assert shares["time_mask"] < 0.5
