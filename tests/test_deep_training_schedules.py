"""Learning rates against hand computation, and the clock."""

import math

import numpy as np
import pytest
import torch

from deep.training.clock import Clock
from deep.training.schedules import (
    SCHEDULES,
    Moment,
    cosine_restarts,
    exponential_decay,
    one_cycle,
    plateau,
    rate_share,
    schedule_problems,
    step_decay,
)


def test_one_cycle_rises_to_its_peak_and_ends_at_zero():
    rates = [one_cycle(Moment(epoch, 100)) for epoch in range(101)]
    assert max(rates) == pytest.approx(1)
    assert rates[0] == pytest.approx(0.05)
    assert rates[15] == pytest.approx(1)
    assert rates[-1] == pytest.approx(0)
    assert (np.diff(rates[15:]) <= 0).all()


def test_cosine_restarts_are_those_of_torch():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=4, T_mult=2)
    for epoch in np.arange(0, 20, 0.25):
        schedule.step(epoch)
        ours = cosine_restarts(Moment(epoch, 100), period=4, growth=2)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-6)


def test_cosine_restarts_end_at_their_floor():
    assert cosine_restarts(Moment(9.999999, 100), floor=0.1) == pytest.approx(0.1)
    assert cosine_restarts(Moment(10, 100), floor=0.1) == 1.0


def test_step_decay_halves_after_every_ten_epochs():
    rates = [step_decay(Moment(epoch, 100)) for epoch in (0, 9.99, 10, 19.99, 20)]
    assert rates == [1, 1, 0.5, 0.5, 0.25]


def test_exponential_decay_falls_by_its_factor_an_epoch():
    rates = [exponential_decay(Moment(epoch, 9), factor=0.81) for epoch in (0, 0.5, 1, 2)]
    assert rates == pytest.approx([1, 0.9, 0.81, 0.81**2])


def test_a_plateau_is_that_of_torch():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=2, threshold=0.0
    )
    costs = [5, 4, 4, 4, 4.5, 3, 3, 3, 3, 3, 3, 3, 2, 9, 9, 9, 9]
    for n_done, cost in enumerate(costs, 1):
        schedule.step(cost)
        ours = plateau(Moment(n_done, 100, tuple(costs[:n_done])), patience=2)
        assert ours == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_stays_between_zero_and_one(name):
    for epoch in np.linspace(0, 40, 81):
        costs = tuple(np.ones(int(epoch)))
        assert 0 <= rate_share(name, Moment(epoch, 40, costs), options={}) <= 1


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_a_warm_up_rises_geometrically_to_where_the_schedule_starts(name):
    shares = [
        rate_share(name, Moment(epoch, 20), options={}, warm_up_epochs=4)
        for epoch in (0, 1, 2, 3, 4)
    ]
    start = SCHEDULES[name](Moment(0, 16))
    assert shares == pytest.approx([start * 10 ** (-2 + n / 2) for n in range(5)])


def test_the_heads_rate_rises_geometrically_to_the_peak_before_the_schedule_begins():
    def share(epoch):
        return rate_share("one-cycle", Moment(epoch, 12), options={}, head_epochs=2)

    assert [share(0), share(1), share(1.9999)] == pytest.approx([0.01, 0.1, 1], rel=1e-3)
    assert share(2) == pytest.approx(0.05)
    assert share(12) == pytest.approx(0)


def test_costs_of_the_heads_epochs_do_not_count_for_the_plateau():
    costs = (1.0, 1.0, 1.0, 9.0, 9.0)
    options = {"patience": 1, "factor": 0.1}
    assert rate_share("plateau", Moment(5, 9, costs), options=options) == pytest.approx(0.01)
    late = rate_share("plateau", Moment(5, 9, costs), options=options, head_epochs=3)
    assert late == 1.0


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("linear", {}, "schedule must be one of"),
        ("step", {"pace": 3}, r"schedule_params of 'step' may have \['every', 'factor'\]"),
        ("step", {"every": 0}, "every of the schedule must be above 0, got 0"),
        ("cosine-restarts", {"growth": 0.5}, "growth of the schedule must be at least 1, got 0.5"),
        ("plateau", {"patience": -1}, "patience of the schedule must be at least 0, got -1"),
    ],
    ids=["name", "option", "every", "growth", "patience"],
)
def test_a_schedule_that_cannot_work_says_why(name, options, problem):
    with pytest.raises(ValueError, match=problem):
        raise ValueError("; ".join(schedule_problems(name, options)))


def test_the_clock_has_no_say_in_the_first_fifth_and_ends_at_the_budget(monkeypatch):
    clock = Clock(100.0)
    shares = []
    for elapsed in (0, 20, 60, 100, 200):
        monkeypatch.setattr("deep.training.clock.time.monotonic", lambda s=elapsed: clock.start + s)
        shares.append(clock.progress())
    assert shares == pytest.approx([-0.25, 0.0, 0.5, 1.0, 1.0])


def test_time_spent_before_an_interruption_counts(monkeypatch):
    clock = Clock(100.0)
    clock.resume(spent_s=50.0, begun_s=20.0)
    monkeypatch.setattr("deep.training.clock.time.monotonic", lambda: clock.start + 10.0)
    assert clock.elapsed() == pytest.approx(60)
    # Half of the 80 s for training: the fifth of grace, and 3/8 of the rest.
    assert clock.progress() == pytest.approx((40 / 80 - 0.2) / 0.8)


def test_preparations_count_as_time_but_not_as_progress(monkeypatch):
    clock = Clock(100.0)
    monkeypatch.setattr("deep.training.clock.time.monotonic", lambda: clock.start + 40.0)
    clock.begin()
    assert clock.progress() == pytest.approx(-0.25)
    assert clock.elapsed() == pytest.approx(40)
    assert math.isclose(Clock().progress(), 0.0)
