"""One writer at a time: waiting, letting go, and letting go by dying."""

import subprocess
import sys
import time
from pathlib import Path

from features.holding import holding

ROOT = Path(__file__).resolve().parent.parent
HOLD = (
    "import sys, time; from pathlib import Path; from features.holding import holding\n"
    "with holding(Path(sys.argv[1])):\n"
    "    print('held', flush=True); time.sleep(float(sys.argv[2]))\n"
)


def hold_elsewhere(path, seconds):
    command = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_what_nobody_holds_is_had_at_once_and_nothing_stays_behind(tmp_path):
    told = []
    with holding(tmp_path / "X", tell=told.append):
        assert [path.name for path in tmp_path.iterdir()] == [".X.lock"]
    assert told == []
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_waits_and_says_for_whom(tmp_path):
    told, path = [], tmp_path / "X"
    with hold_elsewhere(path, 1.0) as process, holding(path, tell=told.append):
        assert process.wait(5) == 0
    assert len(told) == 1
    assert f"{path} is being written by process {process.pid} on " in told[0]


def test_a_killed_process_holds_nothing(tmp_path):
    path = tmp_path / "X"
    with hold_elsewhere(path, 60.0) as process:
        process.kill()
        process.wait(5)
        start = time.monotonic()
        with holding(path):
            assert time.monotonic() - start < 5


def test_many_processes_take_turns(tmp_path):
    path, log = tmp_path / "X", tmp_path / "log"
    code = (
        "import sys, time; from pathlib import Path; from features.holding import holding\n"
        "for _ in range(20):\n"
        "    with holding(Path(sys.argv[1])), open(sys.argv[2], 'a') as log:\n"
        "        log.write('in '); log.flush(); time.sleep(0.001); log.write('out '); log.flush()\n"
    )
    command = [sys.executable, "-c", code, str(path), str(log)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert log.read_text().split() == ["in", "out"] * 80
