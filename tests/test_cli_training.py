"""The commands that train networks, as a user types them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from cli import app, main
from commands.trials import train_trials
from deep.training import processes

SR = 8000
RECIPE = """
about: small enough for a test
train:
  sr: 8000
  max_seconds: 0.3
  epochs: 10
  batch_size: 4
  learning_rate: 0.01
  validation_fraction: 0.0
  backbone_params: {channels: [8, 8, 8]}
  frontend_params: {n_fft: 512, hop_length: 256, n_mels: 16}
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sixteen tones of eight notes with folds, a recipe, and a finished run."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    rows = []
    for note in range(8):
        label, base = ("low", 300) if note % 2 else ("high", 1500)
        pitch = base * rng.uniform(1, 1.3)
        for take in range(2):
            t = np.arange(int(0.3 * SR)) / SR
            name = f"{label}_{note}_{take}.wav"
            soundfile.write(
                folder / name, 0.3 * np.sin(2 * np.pi * pitch * t + rng.uniform(0, 6)), SR
            )
            rows.append({"path": name, "labels": label, "group": f"n{note}", "fold": note // 2 % 2})
    pd.DataFrame(rows).to_csv(folder / "m.csv", index=False)
    (folder / "r.yaml").write_text(RECIPE)
    found = CliRunner().invoke(
        app,
        ["train", str(folder / "m.csv"), "-o", str(folder / "run"),
         "--recipe", str(folder / "r.yaml"), "--jobs", "1"],
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    return folder, found


def test_train_says_the_score_and_how_to_go_on(corpus):
    folder, found = corpus
    assert "macro f1" in found.output
    assert f"--add {folder / 'run'}" in found.output
    card = json.loads((folder / "run" / "card.json").read_text())
    assert card["scores"]["macro_f1"]["value"] > 0.8
    assert (folder / "run" / "curves.png").stat().st_size > 5000


def test_a_run_enters_a_stack(corpus, tmp_path):
    folder, _ = corpus
    run = CliRunner().invoke
    table = tmp_path / "X.parquet"
    steps = [
        ["extract", str(folder / "m.csv"), "-o", str(table), "--feature-set", "compact-v1",
         "--no-cache", "--jobs", "1"],
        ["fit-ensemble", str(table), "-o", str(tmp_path / "bundle"), "--members", "logistic",
         "--add", str(folder / "run"), "--jobs", "1", "--no-audit"],
        ["predict", str(tmp_path / "bundle"), str(folder / "low_1_0.wav"), "--json"],
    ]  # fmt: skip
    for step in steps:
        found = run(app, step)
        assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)[0]["labels"] == ["low"]


def test_a_run_without_folds_is_refused_with_the_reason(corpus, tmp_path, capsys):
    folder, _ = corpus
    table = tmp_path / "X.parquet"
    words = ["extract", str(folder / "m.csv"), "-o", str(table), "--feature-set", "compact-v1"]
    assert CliRunner().invoke(app, [*words, "--no-cache", "--jobs", "1"]).exit_code == 0
    with pytest.raises(SystemExit) as left:
        main(["fit-ensemble", str(table), "-o", str(tmp_path / "b"), "--add", str(tmp_path)])
    assert left.value.code == 2
    assert "no run with folds" in capsys.readouterr().err


def test_embeddings_of_clips_that_the_network_saw_are_warned_of(corpus, tmp_path):
    folder, _ = corpus
    words = ["embed", str(folder / "run"), str(folder / "m.csv"), "-o", str(tmp_path / "E.parquet")]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    assert "the network was trained on 8 clips of these" in found.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backbone", "nope"], "backbone must be one of"),
        (["--augment", "nope"], "nope"),
        (["--loss", "nope"], "nope"),
        (["--folds", "one"], "--folds must be a number"),
        (["--init-from", "nowhere"], "nowhere"),
        (["--recipe", "none.yaml"], "no such recipe"),
    ],
    ids=["backbone", "augment", "loss", "folds", "init-from", "recipe"],
)
def test_a_mistake_is_one_clear_line(corpus, tmp_path, capsys, options, message):
    folder, _ = corpus
    with pytest.raises(SystemExit) as left:
        main(["train", str(folder / "m.csv"), "-o", str(tmp_path / "run"), "--jobs", "1", *options])
    assert left.value.code == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: ")
    assert message in told
    assert not (tmp_path / "run").exists()


def test_the_gallery_of_augmentations_is_a_page(corpus, tmp_path):
    clip = corpus[0] / "low_1_0.wav"
    command = ["augmentations", "-o", str(tmp_path / "page.html"), "--clip", str(clip)]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output
    page = (tmp_path / "page.html").read_text()
    assert "pitch_shift" in page
    assert "mixup" in page


def test_a_backbone_learns_without_labels_and_training_starts_from_it(corpus, tmp_path):
    folder, _ = corpus
    backbone = tmp_path / "backbone"
    found = CliRunner().invoke(
        app,
        ["pretrain", str(folder / "m.csv"), "-o", str(backbone), "--task", "masked",
         "--epochs", "2", "--sr", "8000", "--seconds", "0.3", "--batch-size", "8", "--jobs", "1"],
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "chance" in found.output
    assert not (tmp_path / "backbone.work").exists()
    card = json.loads((backbone / "card.json").read_text())
    assert card["trained_on"]["labels"] is False
    (tmp_path / "r.yaml").write_text("train: {sr: 8000, max_seconds: 0.3, epochs: 1}\n")
    words = [str(folder / "m.csv"), "--init-from", str(backbone), "--jobs", "1"]
    found = CliRunner().invoke(
        app,
        ["train", *words, "-o", str(tmp_path / "run"), "--recipe", str(tmp_path / "r.yaml")],
    )
    assert found.exit_code == 0, found.output
    words = ["embed", str(backbone), str(folder / "m.csv"), "-o", str(tmp_path / "E.parquet")]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    card = json.loads((tmp_path / "E.parquet.card.json").read_text())
    assert card["embedding"]["backbone"] == "crnn"
    assert card["trained_on"]["test_rows"] == 0


def test_pretraining_leaves_what_is_not_its_own(corpus, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    found = CliRunner().invoke(app, ["pretrain", str(corpus[0]), "-o", str(tmp_path)])
    assert isinstance(found.exception, FileExistsError)
    assert (tmp_path / "thesis.tex").exists()


def test_no_workers_are_refused(corpus, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["train", str(corpus[0] / "m.csv"), "-o", str(tmp_path / "run"), "--jobs", "0"])
    assert left.value.code == 2
    assert "it must be 1 or more" in capsys.readouterr().err


def test_backbones_are_listed_and_their_page_is_the_one_in_the_docs():
    listed = CliRunner().invoke(app, ["backbones"])
    assert listed.exit_code == 0, listed.output
    assert "crnn" in listed.output
    page = CliRunner().invoke(app, ["backbones", "--markdown"]).output
    assert page == (Path(__file__).parents[1] / "docs" / "backbones.md").read_text()


def test_a_setting_is_given_by_its_name_and_a_wrong_one_is_told(corpus, tmp_path, capsys):
    folder, _ = corpus
    recipe = ["--recipe", str(folder / "r.yaml"), "--jobs", "1", "--folds", "none"]
    command = ["train", str(folder / "m.csv"), "-o", str(tmp_path / "run"), *recipe]
    given = ["--set", "epochs=1", "--set", "frontend_params.n_mels=20", "--head", "cosine"]
    found = CliRunner().invoke(app, [*command, *given])
    assert found.exit_code == 0, found.output
    (card,) = (tmp_path / "run").glob("*/card.json")
    parameters = json.loads(card.read_text())["parameters"]
    assert parameters["frontend_params"] == {"n_fft": 512, "hop_length": 256, "n_mels": 20}
    assert (parameters["head"], parameters["epochs"]) == ("cosine", 1)
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--set", "n_epochs=1", "--set", "seven"])
    told = capsys.readouterr().err
    assert "--set has no setting 'n_epochs'" in told
    assert "a setting must be NAME=VALUE" in told


def test_of_processes_that_train_together_only_the_first_writes_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "process_number", lambda: 1)
    places = []

    def train(changes, place):
        places.append(place.name)
        return {"task": "single-label", "n_parameters": 1, "minutes": 0.0}

    train_trials({"plain": {}, "wide": {}}, train, tmp_path)
    assert places == ["plain", "wide"]
    assert not list(tmp_path.iterdir())


def test_the_trials_of_a_recipe_are_trained_into_one_table_and_picture(corpus, tmp_path, capsys):
    folder, _ = corpus
    trials = "trials: {plain: {}, wide: {frontend_params: {n_mels: 20}}}\n"
    quick = RECIPE.replace("epochs: 10", "epochs: 2")
    (tmp_path / "r.yaml").write_text(quick + trials)
    command = ["train", str(folder / "m.csv"), "-o", str(tmp_path / "runs"), "--jobs", "1"]
    command += ["--recipe", str(tmp_path / "r.yaml")]
    found = CliRunner().invoke(app, command)
    assert found.exit_code == 0, found.output
    table = pd.read_csv(tmp_path / "runs" / "trials.csv")
    assert table["trial"].tolist() == ["plain", "wide"]
    assert table["macro_f1"].between(0, 1).all()
    assert (tmp_path / "runs" / "trials.png").is_file()
    card = json.loads((tmp_path / "runs" / "wide" / "fold_0" / "card.json").read_text())
    assert card["parameters"]["frontend_params"]["n_mels"] == 20
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--trial", "narrow"])
    assert "--trial must be one of ['plain', 'wide'], got 'narrow'" in capsys.readouterr().err
