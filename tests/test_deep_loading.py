"""Loading ahead: the same batches, errors that arrive, threads that end, waiting that is told."""

import gc
import threading
import time

import numpy as np
import pytest
import torch

from deep.loading import load_batches

WINDOWS = np.array([[row, row, 10 + 2 * row] for row in range(20)])
BATCHES = [np.arange(i, i + 4) for i in range(0, 20, 4)]


class Sounds(list):
    """Waveforms that take their time, or fail from some row on."""

    def __init__(self, *, seconds: float = 0.0, bad_row: int | None = None) -> None:
        super().__init__(np.arange(100, dtype=np.float32) + 100 * row for row in range(20))
        self.seconds, self.bad_row, self.asked = seconds, bad_row, []

    def __getitem__(self, row):
        self.asked.append(int(row))
        time.sleep(self.seconds)
        if row == self.bad_row:
            raise ValueError(f"clip {row} is broken")
        return super().__getitem__(row)


def loading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "loading"]


def wait_for(condition) -> bool:
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    gc.collect()
    assert wait_for(lambda: not loading_threads())


@pytest.mark.parametrize("n_ahead", [0, 1, 2, 10])
def test_batches_are_the_same_however_many_are_loaded_ahead(n_ahead):
    loaded = list(load_batches(Sounds(), WINDOWS, BATCHES, n_ahead=n_ahead))
    assert len(loaded) == 5
    for expected, (positions, waveforms, lengths) in zip(BATCHES, loaded, strict=True):
        assert positions is expected
        assert lengths.tolist() == (10 + positions).tolist()
        for line, length, row in zip(waveforms, lengths, positions, strict=True):
            assert line[:length].tolist() == [101 * row + i for i in range(length)]
            assert not line[length:].any()


def test_the_number_of_batches_is_known():
    with load_batches(Sounds(), WINDOWS, BATCHES) as loader:
        assert len(loader) == 5


@pytest.mark.parametrize("n_ahead", [0, 2])
def test_an_error_reaches_the_taker_in_its_turn(n_ahead):
    loader = load_batches(Sounds(bad_row=9), WINDOWS, BATCHES, n_ahead=n_ahead)
    next(loader)
    next(loader)
    with pytest.raises(ValueError, match="clip 9 is broken") as caught:
        next(loader)
    # The traceback leads to the line that failed, in the thread or not.
    assert caught.traceback[-1].name == "__getitem__"
    assert list(loader) == []


@pytest.mark.parametrize("end", ["close", "with", "delete"])
def test_the_thread_ends_when_the_taker_stops_early(end):
    sounds = Sounds()
    loader = load_batches(sounds, WINDOWS, BATCHES, n_ahead=1)
    assert loading_threads()
    if end == "with":
        with loader:
            next(loader)
    else:
        next(loader)
        if end == "close":
            loader.close()
    if end == "delete":
        del loader
    else:
        assert list(loader) == []
    assert wait_for(lambda: not loading_threads())
    assert max(sounds.asked) < 19


def test_a_loop_that_fails_leaves_no_thread():
    def fail():
        for _ in load_batches(Sounds(), WINDOWS, BATCHES, n_ahead=1):
            raise RuntimeError("the step failed")

    with pytest.raises(RuntimeError, match="the step failed"):
        fail()


def test_no_more_than_asked_is_loaded_ahead():
    sounds = Sounds()
    with load_batches(sounds, WINDOWS, BATCHES, n_ahead=1) as loader:
        next(loader)
        time.sleep(0.1)
        # One taken, one ready, one in the making.
        assert max(sounds.asked) == 11


def test_loading_ahead_hides_behind_the_step():
    waited = {}
    for n_ahead in (0, 2):
        loader = load_batches(Sounds(seconds=0.005), WINDOWS, BATCHES, n_ahead=n_ahead)
        for _ in loader:
            time.sleep(0.05)
        waited[n_ahead] = loader.waited_s
    assert waited[0] >= 0.1
    assert waited[2] < 0.6 * waited[0]


@pytest.mark.parametrize("n_ahead", [0, 2])
def test_the_share_of_waiting_is_told(n_ahead):
    loader = load_batches(Sounds(seconds=0.005), WINDOWS, BATCHES, n_ahead=n_ahead)
    assert loader.waited_s == loader.share_waited == 0
    for _ in loader:
        time.sleep(0.002)
    share = loader.share_waited
    assert 0.5 < share < 1
    time.sleep(0.05)
    assert loader.share_waited == share


def test_nothing_to_load_is_fine():
    assert list(load_batches(Sounds(), WINDOWS, [])) == []


def test_a_negative_number_ahead_is_refused():
    with pytest.raises(ValueError, match="at least 0, got -1"):
        load_batches(Sounds(), WINDOWS, BATCHES, n_ahead=-1)


@pytest.mark.gpu
@pytest.mark.parametrize("n_ahead", [0, 2])
def test_batches_arrive_whole_on_a_gpu(n_ahead):
    sounds = [np.random.default_rng(row).normal(size=200_000) for row in range(20)]
    windows = np.array([[row, row, 200_000] for row in range(20)])
    expected = list(load_batches(sounds, windows, BATCHES, n_ahead=0))
    loaded = load_batches(sounds, windows, BATCHES, device="cuda", n_ahead=n_ahead)
    for (_, on_cpu, _), (_, on_gpu, lengths) in zip(expected, loaded, strict=True):
        # Worked on at once, as a step would, while the next ones are copied.
        doubled = on_gpu * 2
        assert on_gpu.device.type == "cuda"
        assert lengths.device.type == "cpu"
        assert torch.equal(doubled.cpu(), on_cpu * 2)
