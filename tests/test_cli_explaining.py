"""The command that explains, as a user types it."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from cli import app, main
from deep.classifier import AudioBackboneClassifier

SR = 8000


def fit(frontend, clips, labels, **frontend_params):
    return AudioBackboneClassifier(
        backbone="cnn",
        backbone_params={"channels": [4, 8], "embedding_size": 16},
        frontend=frontend,
        frontend_params={"n_fft": 256, "hop_length": 128, "n_mels": 16, **frontend_params},
        sr=SR, max_seconds=0.3, epochs=4, batch_size=4, learning_rate=0.02,
        validation_fraction=0.0, device="cpu", n_jobs=1, random_state=0,
    ).fit(clips, labels)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Eight tones with a manifest, and a run over two folds whose networks are the same."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for number in range(8):
        label, pitch = ("low", 400) if number % 2 else ("high", 1600)
        t = np.arange(int(0.4 * SR)) / SR
        name = f"{label}_{number}.wav"
        soundfile.write(folder / name, 0.3 * np.sin(2 * np.pi * (pitch + 20 * number) * t), SR)
        rows.append({"path": name, "labels": label, "group": f"g{number}", "fold": number // 4})
    table = pd.DataFrame(rows)
    table.to_csv(folder / "m.csv", index=False)
    run = folder / "run"
    fitted = fit("log-mel", [folder / name for name in table["path"]], table["labels"].to_numpy())
    for fold in (0, 1):
        fitted.save_model(run / f"fold_{fold}")
    (run / "card.json").write_text(json.dumps({"schema": "timbrestack.run"}))
    clips = table.rename(columns={"path": "clip_id"}).assign(split="train")
    clips[["clip_id", "fold", "split"]].to_csv(run / "clips.csv", index=False)
    (folder / "<b>broken.wav").write_text("no sound")
    return folder


def explain(*words):
    return CliRunner().invoke(app, ["explain", *map(str, words), "--device", "cpu"])


def test_explain_makes_a_page_of_what_each_fold_never_saw(corpus, tmp_path):
    rows = pd.read_csv(corpus / "m.csv").iloc[[1, 6]]
    rows.assign(path=[corpus / name for name in rows["path"]], clip_id=rows["path"]).to_csv(
        tmp_path / "two.csv", index=False
    )
    found = explain(corpus / "run", tmp_path / "two.csv", "-o", tmp_path / "why")
    assert found.exit_code == 0, found.output
    assert f"2 clips, 2 pictures: {tmp_path / 'why' / 'index.html'}" in found.output
    table = pd.read_csv(tmp_path / "why" / "explanations.csv")
    assert list(table["networks"]) == [
        f"the network of fold {fold}, which never saw this clip" for fold in (0, 1)
    ]
    assert list(table["truth"]) == ["low", "high"]
    assert all((tmp_path / "why" / name).stat().st_size > 10_000 for name in table["picture"])
    page = (tmp_path / "why" / "index.html").read_text()
    assert page.count("<audio") == 2
    assert "Truth: low." in page
    assert "at the layer pairs.0" in page


def test_a_clip_of_no_fold_is_explained_by_all_and_broken_ones_are_listed(corpus, tmp_path):
    soundfile.write(tmp_path / "other.wav", np.ones(4000), SR)
    words = ["--label", "low", "--layer", "stem", "-o", tmp_path / "why"]
    found = explain(
        corpus / "run", tmp_path / "other.wav", corpus / "<b>broken.wav", *words
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert (
        f"1 clip could not be read, listed in {tmp_path / 'why' / 'failures.csv'}" in found.output
    )
    table = pd.read_csv(tmp_path / "why" / "explanations.csv", keep_default_na=False)
    assert list(table["label"]) == ["low"]
    assert set(table["networks"]) == {"the mean of 2 networks, trained without a clip of this name"}
    assert set(table["truth"]) == {""}
    assert len(pd.read_csv(tmp_path / "why" / "failures.csv")) == 1
    page = (tmp_path / "why" / "index.html").read_text()
    assert "&lt;b&gt;broken.wav" in page
    assert "<b>broken" not in page


def test_what_a_frontend_has_learned_is_drawn_too(corpus, tmp_path):
    paths = sorted(corpus.glob("[lh]*.wav"))
    fitted = fit("learnable-stft", paths, [path.name.split("_")[0] for path in paths])
    fitted.save_model(tmp_path / "model")
    found = explain(tmp_path / "model", paths[0], "-o", tmp_path / "why")
    assert found.exit_code == 0, found.output
    page = (tmp_path / "why" / "index.html").read_text()
    assert "The window, as it began and as it was learned" in page
    assert (tmp_path / "why" / "pictures" / "filter_responses.png").is_file()
    assert "which clips it was trained on is not known" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "m.csv", "--label", "nope"], "labels must be of the model's ['high', 'low']"),
        (["run", "m.csv", "--layer", "nope"], "layer must be a module of"),
        (["run", "nope.wav"], "no such file or folder"),
        (["m.csv", "m.csv"], "neither a run nor a saved network"),
        (["run", "<b>broken.wav"], "none of 1 clip could be read"),
    ],
    ids=["label", "layer", "audio", "model", "unreadable"],
)
def test_a_mistake_is_one_clear_line(corpus, tmp_path, capsys, words, message):
    model, audio, *options = words
    with pytest.raises(SystemExit) as left:
        main(["explain", str(corpus / model), str(corpus / audio), *options,
              "-o", str(tmp_path / "why")])  # fmt: skip
    assert left.value.code == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: ")
    assert message in told
    assert not (tmp_path / "why").exists()


def test_a_folder_that_is_not_ours_is_left_alone(corpus, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit):
        main(["explain", str(corpus / "run"), str(corpus / "m.csv"), "-o", str(tmp_path)])
    assert "not ours to replace" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "mine"
