"""docs/corpora.md says what the readers and the list of downloads say; its code runs."""

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from features.corpora.layouts import LAYOUTS
from features.corpora.page import COMMAND, MIRDATA, SOUNDATA, render_corpora_page
from features.corpora.remotes import REMOTES
from features.manifest import read_manifest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "corpora.md"


def test_the_page_is_what_the_code_says():
    told = f"docs/corpora.md is out of date; make it anew: {COMMAND}"
    assert PAGE.read_text(encoding="utf-8") == render_corpora_page(), told


def read_section(name):
    sections = re.split(r"^##+ ", render_corpora_page(), flags=re.MULTILINE)
    return next(text for text in sections if text.startswith(f"{name}\n"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_told_with_its_provenance(name):
    section = read_section(name)
    layout = LAYOUTS[name]
    for fact in (layout.source, layout.licence, layout.citation):
        assert fact in section
    assert f"| `{name}` | " in read_section("Layouts")


def test_counts_of_the_release_are_told():
    assert "| 6,705 clips, 11 labels, 2,261 groups |" in read_section("Layouts")
    assert "14,915 in train, 5,085 in test |" in read_section("Layouts")


@pytest.mark.parametrize("name", REMOTES)
def test_every_archive_is_told_with_its_checksum(name):
    section = read_section("Downloads")
    for remote in REMOTES[name]:
        assert f"| `{name}` | {remote.name} | " in section
        assert remote.checksum in section


def test_no_placeholder_is_taken_for_a_tag_and_no_footnote_dangles():
    prose = re.sub(r"```.*?```|`[^`\n]*`|\n    .*", "", render_corpora_page(), flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<", prose)
    assert "]_" not in prose


def run(code, monkeypatch, folder, package, name, loader, items):
    """Run the page's code with a stand-in for a package that offers one corpus."""
    dataset = SimpleNamespace(**{loader: lambda: {str(index): item for index, item in items}})
    module = ModuleType(package)
    module.initialize = {name: dataset}.__getitem__
    monkeypatch.setitem(sys.modules, package, module)
    monkeypatch.chdir(folder)
    exec(compile(code, "docs/corpora.md", "exec"), {})
    return read_manifest(folder / "m.csv")


def test_mirdata_users_get_a_manifest(tmp_path, monkeypatch):
    # Attributes and values as in mirdata's own tests, tests/datasets/test_irmas.py.
    tracks = [
        SimpleNamespace(
            track_id="0189__2",
            audio_path=str(tmp_path / "IRMAS-TrainingData/cla/[cla][cla]0189__2.wav"),
            instrument=["cla"],
            train=True,
        ),
        SimpleNamespace(
            track_id="1",
            audio_path=str(tmp_path / "IRMAS-TestingData-Part1/Part1/02 - And The Body-8.wav"),
            instrument=["gel", "voi"],
            train=False,
        ),
    ]
    items = enumerate(tracks)
    manifest = run(MIRDATA, monkeypatch, tmp_path, "mirdata", "irmas", "load_tracks", items)
    assert manifest.clips["path"].tolist() == ["IRMAS-TrainingData/cla/[cla][cla]0189__2.wav"]
    assert manifest.clips["labels"].tolist() == ["cla"]
    assert manifest.clips["group"].tolist() == ["0189"]


def test_soundata_users_get_a_manifest(tmp_path, monkeypatch):
    # Attributes as in soundata, soundata/datasets/urbansound8k.py.
    clips = [
        SimpleNamespace(
            audio_path=str(tmp_path / f"audio/fold{fold}/{name}.wav"),
            class_label=label,
            freesound_id=name.split("-")[0],
            fold=fold,
        )
        for fold, name, label in [
            (5, "100032-3-0-0", "dog_bark"),
            (5, "100263-2-0-117", "children_playing"),
        ]
    ]
    manifest = run(
        SOUNDATA, monkeypatch, tmp_path, "soundata", "urbansound8k", "load_clips", enumerate(clips)
    )
    assert manifest.clips["labels"].tolist() == ["dog_bark", "children_playing"]
    assert manifest.clips["group"].tolist() == ["100032", "100263"]


@pytest.mark.parametrize("code", [MIRDATA, SOUNDATA], ids=["mirdata", "soundata"])
def test_the_code_that_is_tested_is_the_one_shown(code):
    assert f"```python\n{code}```" in render_corpora_page()
