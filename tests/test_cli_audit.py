"""The audit of labels, as people type it: suspects, a page to hear them, what cleaning gains."""

import json
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import cli
from features.manifest import make_manifest
from features.table import hash_clip_ids, read_table, write_table

ROOT = Path(__file__).resolve().parents[1]
SR = 22050
WRONG = ("hiss 3", "hum 5")


def call(*words):
    return subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def call_well(*words):
    done = call(*words)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A corpus with two wrong labels, its table and bundle, and what the audit said of it."""
    root = tmp_path_factory.mktemp("audited")
    rng = np.random.default_rng(0)
    t = np.arange(SR // 5) / SR
    rows = []
    for number in range(24):
        kind = ("hiss", "hum")[number % 2]
        name = f"{kind} {number}"
        waveform = 0.1 * rng.standard_normal(len(t))
        if kind == "hum":
            waveform = 0.1 * waveform + 0.3 * np.sin(2 * np.pi * (200 + 20 * number) * t)
        soundfile.write(root / f"{name}.wav", waveform, SR)
        given = {"hiss": "hum", "hum": "hiss"}[kind] if name in WRONG else kind
        rows.append({"path": f"{name}.wav", "labels": given, "group": name})
    pd.DataFrame(rows).to_csv(root / "m.csv", index=False)
    call_well("extract", root / "m.csv", "-o", root / "X.parquet", "--feature-set", "compact-v1",
              "--jobs", 1)  # fmt: skip
    call_well("fit-ensemble", root / "X.parquet", "-o", root / "bundle", "--members", "svm",
              "--folds", 3, "--no-audit", "--jobs", 1)  # fmt: skip
    done = call_well("audit", "labels", root / "bundle", "-o", root / "audit", "--source",
                     root / "m.csv", "--effect", root / "X.parquet", "--jobs", 1)  # fmt: skip
    return root, done


def test_what_cleaning_gains_is_told_in_the_terminal(audited):
    _, done = audited
    shown = re.findall(r"^ (labels as given|cleaned labels|gain) +([+-]?\d\.\d{3})", done.stdout,
                       flags=re.MULTILINE)  # fmt: skip
    given, cleaned, gain = (float(value) for _, value in shown)
    assert gain == pytest.approx(cleaned - given, abs=0.0011)
    assert "paired bootstrap over 24 groups" in done.stdout
    assert "left out, unheard" in done.stdout
    assert re.search(r"^effect: 20 of 20 fits$", done.stderr, flags=re.MULTILINE)


def test_what_cleaning_gains_is_told_alike_in_table_card_and_page(audited):
    root, _ = audited
    card = json.loads((root / "audit" / "effect.json").read_text())
    table = pd.read_csv(root / "audit" / "effect.csv").set_index("trained_on")
    assert card["metric"] == "macro F1" == table["metric"].unique().item()
    assert table.loc["labels as given", "value"] == pytest.approx(card["given"], abs=1e-4)
    assert table.loc["cleaned labels", "value"] == pytest.approx(card["cleaned"], abs=1e-4)
    for end in ("value", "low", "high"):
        assert table.loc["gain", end] == pytest.approx(card["gain"][end], abs=1e-4)
    assert card["gain"]["low"] <= card["gain"]["value"] <= card["gain"]["high"]
    page = (root / "audit" / "index.html").read_text(encoding="utf-8")
    assert "Does cleaning help?" in page
    assert f"{card['cleaned']:.3f}" in page
    assert all(sentence in page for sentence in card["sentences"])


def test_suspects_are_listed_and_wrong_labels_among_them(audited):
    root, done = audited
    suspects = pd.read_csv(root / "audit" / "suspects.csv")["clip_id"].tolist()
    assert {f"{name}.wav" for name in WRONG} & set(suspects)
    assert f"suspects: {root / 'audit' / 'suspects.csv'}" in done.stdout


def test_without_a_table_nothing_is_fitted_and_nothing_said_of_cleaning(audited, tmp_path):
    root, _ = audited
    done = call_well("audit", "labels", root / "bundle", "-o", tmp_path / "audit")
    assert "effect" not in done.stdout + done.stderr
    assert not (tmp_path / "audit" / "effect.csv").exists()
    assert (tmp_path / "audit" / "suspects.csv").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--effect", "other.parquet"], "lacks 24 of the bundle's 24 clips, such as hiss 0.wav"),
        (["--effect", "{root}/X.parquet", "--way", "burn"], "one of remove, relabel, got 'burn'"),
        (["--effect", "{root}/X.parquet", "--member", "oak"], "a member must be one of svm"),
        (["--effect", "{root}/X.parquet", "--member", "crnn"], "crnn listens to the clips"),
        (["--effect", "{root}/none.parquet"], "no such table"),
    ],
    ids=["other-table", "way", "member", "deep", "no-table"],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    audited, tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    root, _ = audited
    given = [word.format(root=root) for word in words]
    if "other.parquet" in given:
        given[1] = str(tmp_path / "other.parquet")
        table = read_table(root / "X.parquet")
        other = table.manifest.clips.assign(clip_id=lambda clips: "other " + clips["clip_id"])
        values = table.values.set_axis(pd.Index(other["clip_id"], name="clip_id"))
        card = {**table.card, "clip_ids_sha256": hash_clip_ids(values.index)}
        manifest = make_manifest(other, root)
        write_table(replace(table, values=values, manifest=manifest, card=card), given[1])
    with pytest.raises(SystemExit) as left:
        cli.main(["audit", "labels", str(root / "bundle"), "-o", str(tmp_path / "audit"), *given])
    assert left.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "audit").exists()
