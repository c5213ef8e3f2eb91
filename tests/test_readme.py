"""What the README promises, the code does."""

import re
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from cli import app
from features.feature_set_files import read_feature_set
from features.labelling.label_map import read_label_map
from features.named_sets import list_feature_sets

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
YAML = re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_runs_as_written(capsys):
    rng = np.random.default_rng(0)
    t = np.arange(4410) / 22050
    labels = np.repeat(["hiss", "hum", "whistle"], 12)
    groups = np.arange(36) // 2
    clips = [
        0.05 * rng.standard_normal(len(t)) + np.sin(2 * np.pi * f * (1 + group / 50) * t)
        for f, group in zip(np.repeat([0, 150, 2000], 12), groups, strict=True)
    ]
    exec(PYTHON[0], {"clips": clips, "labels": labels, "groups": groups})
    scores = [float(number) for number in re.findall(r"\d\.\d*", capsys.readouterr().out)]
    assert len(scores) == 3
    assert min(scores) > 0.8


def test_the_feature_set_shown_is_computed_as_a_name_would_be():
    example = next(block for block in PYTHON if "compose_feature_set" in block)
    names = {"clips": [np.sin(np.arange(5000) / 10)] * 2}
    exec(example, names)
    assert names["rows"].shape == (2, 160 + 56 + 24)


def test_the_recipe_shown_can_be_read(tmp_path):
    recipe = next(block for block in YAML if "parts:" in block)
    (tmp_path / "mine.yaml").write_text(recipe)
    assert read_feature_set(tmp_path / "mine.yaml").n_features == 32 + 26


def test_the_label_map_shown_can_be_read(tmp_path):
    (tmp_path / "map.yaml").write_text(next(block for block in YAML if "rename:" in block))
    maps = read_label_map(tmp_path / "map.yaml")
    assert maps["irmas"].rename["gel"] == "guitar"
    assert maps["openmic"].keep == {"cello", "guitar"}


def test_every_feature_set_is_shown():
    assert [name for name in list_feature_sets() if f"`{name}`" not in README] == []


def test_the_table_of_commands_is_that_of_the_program():
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", README, flags=re.MULTILINE))
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    groups = {group.name for group in app.registered_groups}
    assert commands | groups <= listed


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
