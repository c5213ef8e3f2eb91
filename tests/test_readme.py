"""What the README promises, the code does."""

import re
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_as_written(capsys):
    rng = np.random.default_rng(0)
    t = np.arange(4410) / 22050
    labels = np.repeat(["hiss", "hum", "whistle"], 12)
    groups = np.arange(36) // 2
    clips = [
        0.05 * rng.standard_normal(len(t)) + np.sin(2 * np.pi * f * (1 + group / 50) * t)
        for f, group in zip(np.repeat([0, 150, 2000], 12), groups, strict=True)
    ]
    example = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)[0]
    exec(example, {"clips": clips, "labels": labels, "groups": groups})
    scores = [float(number) for number in re.findall(r"\d\.\d*", capsys.readouterr().out)]
    assert len(scores) == 3
    assert min(scores) > 0.8


def test_the_table_of_commands_is_that_of_the_program():
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", README, flags=re.MULTILINE))
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert commands <= listed


def test_every_command_line_shown_is_understood():
    shown = re.findall(r"^    python cli\.py ([a-z-]+) (.*?)(?:\s+#.*)?$", README, re.MULTILINE)
    assert len(shown) >= 8
    for command, rest in shown:
        helped = CliRunner().invoke(app, [command, "--help"]).output
        for flag in re.findall(r"--[a-z-]+", rest):
            assert flag in helped, f"{command} has no {flag}"


def test_every_picture_shown_is_there():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README, flags=re.DOTALL)
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)
