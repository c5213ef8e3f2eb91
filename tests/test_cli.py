"""The commands do what they say, in real processes, and say so when they can't."""

import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

import cli

ROOT = Path(__file__).resolve().parents[1]
SR = 22050


def run(*words, cwd=ROOT):
    return subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )


def run_well(*words, **settings):
    done = run(*words, **settings)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Tones and noises, eight a kind, in a folder each."""
    root = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    t = np.arange(SR // 5) / SR
    for kind in ("noise", "tone"):
        (root / kind).mkdir()
        for number in range(8):
            waveform = 0.1 * rng.standard_normal(len(t))
            if kind == "tone":
                waveform = 0.1 * waveform + 0.3 * np.sin(2 * np.pi * (300 + 50 * number) * t)
            soundfile.write(root / kind / f"{number}.wav", waveform, SR)
    return root


@pytest.fixture(scope="module")
def chain(recordings, tmp_path_factory):
    """Features and bundle made by the commands."""
    folder = tmp_path_factory.mktemp("chain")
    run_well("extract", recordings, "-o", folder / "X.parquet", "--feature-set", "compact-v1")
    fitted = run_well(
        "fit-ensemble", folder / "X.parquet", "-o", folder / "bundle",
        "--members", "svm", "--folds", "4", "--jobs", "1",
    )  # fmt: skip
    (folder / "told.txt").write_text(fitted.stdout)
    return folder


def test_the_help_lists_every_command_with_an_example():
    listed = run_well("--help").stdout
    for command in ("demo", "render", "manifest", "split", "extract", "fit-ensemble", "evaluate",
                    "report", "predict", "features"):  # fmt: skip
        assert command in listed
        assert "Example: python cli.py" in run_well(command, "--help").stdout


def test_extract_tells_layout_counts_and_the_leak_it_cannot_rule_out(recordings, tmp_path):
    done = run_well(
        "extract", recordings, "-o", tmp_path / "X.parquet", "--feature-set", "compact-v1"
    )
    assert "layout: folder" in done.stderr
    assert "siblings" in done.stderr
    assert "16 clips x 28 features" in done.stdout
    assert "extract: 16 of 16 clips" in done.stderr


def test_a_second_extraction_does_nothing(recordings, tmp_path):
    words = ("extract", recordings, "-o", tmp_path / "X.parquet", "--feature-set", "compact-v1")
    run_well(*words)
    before = (tmp_path / "X.parquet").stat().st_mtime_ns
    run_well(*words)
    assert (tmp_path / "X.parquet").stat().st_mtime_ns == before


def test_jobs_change_neither_table_nor_prediction(recordings, chain, tmp_path):
    run_well("extract", recordings, "-o", tmp_path / "X.parquet", "--feature-set", "compact-v1",
             "--jobs", "1")  # fmt: skip
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "X.parquet"), pd.read_parquet(chain / "X.parquet")
    )
    run_well("fit-ensemble", tmp_path / "X.parquet", "-o", tmp_path / "bundle", "--members", "svm",
             "--folds", "4", "--jobs", "2")  # fmt: skip
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "bundle/results/scores.parquet"),
        pd.read_parquet(chain / "bundle/results/scores.parquet"),
    )


def test_manifest_and_split_deal_whole_groups(recordings, tmp_path):
    run_well("manifest", recordings, "-o", tmp_path / "m.csv")
    table = pd.read_csv(tmp_path / "m.csv").assign(group=lambda t: t["path"].str[-5:-4])
    table.to_csv(tmp_path / "m.csv", index=False)
    done = run_well("split", tmp_path / "m.csv", "-o", tmp_path / "m2.csv", "--folds", "3",
                    "--test", "0.25")  # fmt: skip
    dealt = pd.read_csv(tmp_path / "m2.csv")
    assert dealt.groupby("group")["split"].nunique().max() == 1
    assert dealt.groupby("group")["fold"].nunique().max() <= 1
    assert (dealt["split"] == "test").sum() == 4
    assert "fold 2" in done.stdout


def test_predict_prints_labels_with_probabilities(recordings, chain):
    done = run_well("predict", chain / "bundle", recordings / "tone" / "3.wav")
    assert "3.wav" in done.stdout
    assert "tone" in done.stdout


def test_predict_gives_json_for_files_folders_and_manifests_alike(recordings, chain, tmp_path):
    run_well("manifest", recordings, "-o", tmp_path / "m.csv")
    (tmp_path / "broken.wav").write_text("no sound")
    done = run_well("predict", chain / "bundle", recordings / "tone", tmp_path / "m.csv",
                    tmp_path / "broken.wav", "--json")  # fmt: skip
    found = json.loads(done.stdout)
    assert len(found) == 8 + 16 + 1
    assert found[0].keys() == {"clip_id", "path", "start_s", "end_s", "labels", "probabilities"}
    assert found[0]["labels"] == ["tone"]
    assert sum(found[0]["probabilities"].values()) == pytest.approx(1.0)
    assert "error" in found[-1]
    assert "warning: 1 of 25 clips could not be read" in done.stderr
    by_id = {entry["clip_id"]: entry for entry in found}
    assert by_id["tone/0.wav"]["probabilities"] == by_id["0.wav"]["probabilities"]


def test_fitting_answers_in_words_whether_the_stack_is_better_than_its_best_member(chain):
    told = (chain / "told.txt").read_text().splitlines()
    answers = [line for line in told if line.startswith("The stack is")]
    assert len(answers) == 1
    assert "its best member (svm); 16 groups cannot tell whether by chance." in answers[0]


def test_report_needs_results_alone(chain, tmp_path):
    done = run_well("report", chain / "bundle" / "results", "-o", tmp_path / "report")
    assert (tmp_path / "report" / "index.html").is_file()
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["evaluated_on"] == "oof"
    assert {"stack", "average", "chance", "svm"} == set(metrics["models"])
    assert "index.html" in done.stdout


def test_evaluate_scores_another_corpus_and_its_result_can_be_reported(recordings, chain, tmp_path):
    done = run_well("evaluate", chain / "bundle", recordings, "-o", tmp_path / "results")
    assert "macro_f1" in done.stdout
    assert "its best member (svm)" in done.stdout
    assert "named like clips that the bundle was made from" in done.stderr
    # Here, not in a process of its own, where a second import of umap would take ten seconds.
    reported = CliRunner().invoke(
        cli.app, ["report", str(tmp_path / "results"), "-o", str(tmp_path / "report")]
    )
    assert reported.exit_code == 0, reported.output
    assert (tmp_path / "report" / "index.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["extract", "nowhere", "-o", "X.parquet"], "no such file or folder: nowhere"),
        (["extract", "empty", "-o", "X.parquet"], "no sound files found"),
        (["extract", "m.csv", "-o", "X.parquet"], "a 'path' column is required"),
        (["extract", "twice.csv", "-o", "X.parquet"], "'clip_id' must be unique, row 2: 'a'"),
        (["extract", "torn.csv", "-o", "X.parquet"], "a group must stay in one split"),
        (["extract", "empty", "-o", "X.parquet", "--layout", "nope"], "layout must be one of"),
        (["fit-ensemble", "nowhere.parquet", "-o", "b"], "no such table: nowhere.parquet"),
        (["report", "empty", "-o", "r"], "empty"),
        (["extract", "empty", "-o", "X.parquet", "--feature-set", "compct-v1"],
         "got 'compct-v1', did you mean 'compact-v1'?"),
        (["extract", "empty", "-o", "X.parquet", "--feature-set", "no.yaml"],
         "no such file: no.yaml"),
        (["extract", "empty", "-o", "X.parquet", "--feature-set", "bad.yaml"],
         "bad.yaml: there is no key 'part', did you mean 'parts'?; feature set 'bad'"),
        (["features", "describe", "mfc"], "or descriptor 'mfc', did you mean 'mfcc'?"),
        (["predict", "empty", "m.csv"], "a 'path' column is required"),
        (["predict", "empty", "some.wav"], "is no bundle"),
        (["predict", "empty", "nowhere.wav"], "no such file or folder: nowhere.wav"),
    ],
    ids=["no-source", "empty-folder", "no-path-column", "duplicate-ids", "torn-group", "layout",
         "no-table", "no-results", "misspelt-set", "no-recipe", "bad-recipe", "no-descriptor",
         "no-column-to-predict", "no-bundle", "no-audio"],
)  # fmt: skip
def test_a_mistake_gives_one_clear_line_and_exit_code_2(tmp_path, words, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.csv").write_text("file_id,label\n1,a\n")
    (tmp_path / "twice.csv").write_text("path,clip_id,group\na.wav,a,g\nb.wav,a,g\n")
    (tmp_path / "some.wav").touch()
    (tmp_path / "bad.yaml").write_text("part: [rms]")
    (tmp_path / "torn.csv").write_text("path,group,split\na.wav,g,train\nb.wav,g,test\n")
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "X.parquet").exists()


def test_features_lists_sets_and_descriptors_in_columns_that_line_up():
    shown = run_well("features").stdout.splitlines()
    listed = json.loads(run_well("features", "--json").stdout)
    for table in (listed["sets"], listed["descriptors"]):
        ends = set()
        for each in table:
            line = next(line for line in shown if line.startswith(f" {each['name']} "))
            ends.add(re.search(rf" {each['n_features']}  ", line).end())
        assert len(ends) == 1


def test_features_describe_says_all_of_a_descriptor_and_of_a_set(chain):
    shown = run_well("features", "describe", "spectral_moments").stdout
    for said in ("Hz", "m_3 / m_2^1.5", "Peeters", "standard-v1", "scipy.stats", "kurtosis, slope"):
        assert said in shown
    described = json.loads(run_well("features", "describe", "compact-v1", "--json").stdout)
    assert described["groups"]["contrast"] == 7
    assert described["digest"] in run_well("features", "describe", chain / "X.parquet").stdout


def test_features_markdown_is_the_page_in_docs():
    shown = run_well("features", "--markdown").stdout
    assert shown == (ROOT / "docs" / "features.md").read_text(encoding="utf-8")


def test_a_recipe_is_extracted_and_its_table_extracts_another_alike(recordings, tmp_path):
    (tmp_path / "mine.yaml").write_text("parts: [rms, {part: mfcc, contours: 3}]\nsr: 16000")
    done = run_well("extract", recordings, "-o", tmp_path / "X.parquet", "--jobs", "1",
                    "--feature-set", tmp_path / "mine.yaml")  # fmt: skip
    assert "16 clips x 52 features" in done.stdout
    run_well("extract", recordings, "-o", tmp_path / "Y.parquet", "--jobs", "1", "--no-cache",
             "--feature-set", tmp_path / "X.parquet.card.json")  # fmt: skip
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "X.parquet"), pd.read_parquet(tmp_path / "Y.parquet")
    )
    run_well("fit-ensemble", tmp_path / "X.parquet", "-o", tmp_path / "bundle", "--members", "svm",
             "--folds", "3", "--jobs", "1")  # fmt: skip
    shown = run_well("predict", tmp_path / "bundle", recordings / "tone" / "3.wav").stdout
    assert "tone" in shown


def test_debug_shows_the_traceback(tmp_path):
    done = run("extract", "nowhere", "-o", "X.parquet", "--debug", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["extract", "{recordings}", "-o", "thesis.txt"], "has no card, so it is not ours"),
        (["extract", "{recordings}", "-o", "folder"], "folder is a folder"),
        (["extract", "{recordings}", "-o", "thesis.txt/X.parquet"], "thesis.txt is a file"),
        (["evaluate", "{chain}/bundle", "{recordings}", "-o", "folder"], "is not empty"),
        (["evaluate", "{chain}/bundle", "{recordings}", "-o", "thesis.txt"], "is a file"),
        (["fit-ensemble", "{chain}/X.parquet", "-o", "folder"], "is not empty"),
        (["fit-ensemble", "{chain}/X.parquet", "-o", "thesis.txt/b"], "thesis.txt is a file"),
        (["demo", "-o", "thesis.txt"], "thesis.txt is a file"),
    ],
    ids=["extract-over-file", "extract-over-folder", "extract-below-file", "evaluate-over-folder",
         "evaluate-over-file", "fit-over-folder", "fit-below-file", "demo-over-file"],
)  # fmt: skip
def test_a_place_for_the_result_is_refused_before_the_work(
    recordings, chain, tmp_path, words, message
):
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    done = run(*(word.format(recordings=recordings, chain=chain) for word in words), cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert not re.search(r"^(extract|fit|evaluate|render): ", done.stderr, re.MULTILINE)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_brackets_and_colons_in_names_are_shown_as_they_are(recordings, tmp_path):
    root = tmp_path / "[bold]corpus"
    for kind, label in (("noise", "[/]"), ("tone", "[red]t\u00f6ne:bell:")):
        shutil.copytree(recordings / kind, root / label)
    words = ("--jobs", "1")
    run_well(
        "extract", root, "-o", tmp_path / "X[b].parquet", "--feature-set", "compact-v1", *words
    )
    run_well("fit-ensemble", tmp_path / "X[b].parquet", "-o", tmp_path / "b[b]", "--members", "svm",
             "--folds", "3", *words)  # fmt: skip
    shown = run_well("predict", tmp_path / "b[b]", root).stdout
    assert "[/]/0.wav" in shown
    assert "[red]t\u00f6ne:bell:/7.wav" in shown
    run_well("manifest", root, "-o", tmp_path / "m.csv")
    dealt = run_well("split", tmp_path / "m.csv", "-o", tmp_path / "m2.csv", "--folds", "2").stdout
    assert "[red]t\u00f6ne:bell:" in dealt


@pytest.mark.parametrize("form", [["--json"], []], ids=["json", "table"])
def test_a_closed_pipe_is_no_error(recordings, chain, form):
    command = [sys.executable, str(ROOT / "cli.py"), "predict", str(chain / "bundle")]
    process = subprocess.Popen(
        [*command, str(recordings), *form],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert "rror" not in told


def test_ctrl_c_stops_with_one_line_and_code_130(recordings, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("features.corpora.layouts.read_corpus", interrupted)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit) as left:
        cli.main(["manifest", str(recordings), "-o", str(tmp_path / "m.csv")])
    assert left.value.code == 130
    assert capsys.readouterr().err.strip().endswith("nothing half-written is left")


def test_windows_of_one_clip_are_predicted_alike(recordings, chain, tmp_path):
    rows = [
        {"file": recordings / "tone" / "1.wav", "start_s": start, "end_s": start + 0.1,
         "parent": "whole"}
        for start in (0.0, 0.1)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "windows.csv", index=False)
    done = run_well("predict", chain / "bundle", tmp_path / "windows.csv", "--json")
    first, second = json.loads(done.stdout)
    assert (first["start_s"], second["start_s"]) == (0.0, 0.1)
    assert first["probabilities"] == second["probabilities"]


def test_bad_files_are_listed_and_the_rest_unharmed(recordings, tmp_path):
    root = tmp_path / "corpus"
    for kind in ("noise", "tone"):
        (root / kind).mkdir(parents=True)
        for path in (recordings / kind).iterdir():
            (root / kind / path.name).write_bytes(path.read_bytes())
    whole = (root / "tone" / "0.wav").read_bytes()
    (root / "tone" / "text.wav").write_text("this is no sound\n" * 20)
    (root / "tone" / "zero.wav").write_bytes(b"")
    (root / "tone" / "cut.wav").write_bytes(whole[: len(whole) // 2])
    soundfile.write(root / "noise" / "one.wav", np.full(1, 0.5), SR)
    soundfile.write(root / "noise" / "silent.wav", np.zeros(SR // 5), SR)
    done = run_well("extract", root, "-o", tmp_path / "X.parquet", "--feature-set", "compact-v1")
    failures = pd.read_csv(tmp_path / "X.parquet.failures.csv")
    assert failures["clip_id"].tolist() == ["tone/cut.wav", "tone/text.wav", "tone/zero.wav"]
    assert "warning: 3 clips could not be read" in done.stderr
    table = pd.read_parquet(tmp_path / "X.parquet").set_index("clip_id")
    assert len(table) == 18
    assert np.isfinite(table.to_numpy()).all()
    card = json.loads((tmp_path / "X.parquet.card.json").read_text())
    assert card["silent"] == ["noise/silent.wav"]


@pytest.mark.slow
def test_the_demo_runs_from_nothing_to_a_report(tmp_path):
    run_well("demo", "-o", tmp_path / "demo", "--members", "svm", cwd=tmp_path)
    metrics = json.loads((tmp_path / "demo" / "report" / "metrics.json").read_text())
    stack = metrics["models"]["stack"]["macro_f1"]["value"]
    chance = metrics["models"]["chance"]["macro_f1"]["value"]
    assert chance + 0.2 < stack < 0.97
