"""The nuisance audit in a report: section, table, picture and caution; nothing without it."""

import json

import numpy as np
import pandas as pd
import pytest

from reports.nuisance import nuisance_cautions, nuisance_table
from reports.page import create_report
from reports.plots.nuisance import plot_nuisance
from reports.results import Results, read_results, write_results

CLASSES = ["cello", "<b>flute</b>"]
HEADING = "Could the recording conditions give the label away?"


def leaf(value, spread=0.05):
    return {"value": value, "low": value - spread, "high": value + spread}


def scores(area):
    return {"macro_roc_auc": leaf(area), "map": leaf(0.6), "macro_f1": leaf(0.5)}


def make_audit(verdict="strong", **changes):
    label = {"roc_auc": leaf(0.8), "ap": leaf(0.7), "f1": leaf(0.6), "frequency": 0.5,
             "variable": "duration", "roc_auc_alone": 0.8}  # fmt: skip
    return {
        "verdict": verdict,
        "sentences": ["The length gives it away.", "Cut all clips to 1 s."],
        "counts": {"clips": 120, "groups": 40, "folds": 5, "unreadable": 0},
        "chance": {"macro_roc_auc": 0.5, "map": 0.5, "macro_f1": 0.5},
        "together": scores(0.83),
        "recording": scores(0.81),
        "variables": {"duration": scores(0.79), "level": scores(0.6), "codec": {}},
        "of_sound": ["level"],
        "labels": dict.fromkeys(CLASSES, label),
        "left_out": {},
        "failures": [],
        "seed": 0,
    } | changes


def nothing_measured():
    empty = {"together": {}, "recording": {}, "variables": {}, "labels": {}, "chance": {}}
    return make_audit("cannot tell", sentences=["2 groups are too few."], **empty)


def make_results(audit):
    rng = np.random.default_rng(0)
    ids = pd.Index([f"clip {k}" for k in range(120)], name="clip_id")
    truth = np.eye(2, dtype=np.int8)[np.arange(120) % 2]
    keys = pd.DataFrame({"model": "stack", "stage": "oof", "clip_id": ids})
    chances = 0.3 * rng.random((120, 1)) + [0.2, 0.5]
    chances = np.where(truth == 1, chances[:, ::-1], 1 - chances[:, ::-1]).astype(np.float32)
    decided = np.eye(2, dtype=np.int8)[chances.argmax(axis=1)]
    groups = [f"song {k // 3}" for k in range(120)]
    return Results(
        classes=CLASSES,
        task="single-label",
        clips=pd.DataFrame(
            {"parent": ids, "group": groups, "fold": np.arange(120) // 3 % 5, "split": "train"},
            index=ids,
        ),
        truth=pd.DataFrame(truth, index=ids, columns=CLASSES),
        scores=pd.concat([keys, pd.DataFrame(chances, columns=CLASSES)], axis=1),
        decisions=pd.concat([keys, pd.DataFrame(decided, columns=CLASSES)], axis=1),
        projection=pd.DataFrame({"view": [], "clip_id": []}, dtype=str),
        card={} if audit is None else {"nuisance": audit},
    )


def report(audit, folder):
    write_results(make_results(audit), folder / "results")
    summary = create_report([folder / "results"], folder / "report", n_boot=5, methods=())
    return summary, (folder / "report" / "index.html").read_text(encoding="utf-8")


def test_a_report_shows_the_audit_that_results_carry(tmp_path):
    summary, page = report(make_audit(), tmp_path)
    assert HEADING in page
    assert '<a href="#nuisance-audit">' in page
    assert "<p>The length gives it away.</p>" in page
    assert "nuisance" in summary["figures"]
    assert nuisance_cautions(make_audit())[0] in summary["cautions"]
    assert (tmp_path / "report" / "figures" / "nuisance.svg").is_file()
    assert page.count("the same in all clips") == 1
    assert "<b>flute" not in page


def test_results_without_an_audit_are_reported_as_before(tmp_path):
    summary, page = report(None, tmp_path)
    assert HEADING not in page
    assert "nuisance" not in page
    assert "nuisance" not in summary["figures"]
    assert not (tmp_path / "report" / "tables" / "nuisance.csv").exists()


def test_an_audit_that_measured_nothing_is_words_alone(tmp_path):
    summary, page = report(nothing_measured(), tmp_path)
    assert "2 groups are too few." in page
    assert "nuisance" not in summary["figures"]
    assert not (tmp_path / "report" / "tables" / "nuisance.csv").exists()


@pytest.mark.parametrize(
    ("verdict", "n_cautions"), [("strong", 1), ("some", 0), ("none found", 0), ("cannot tell", 0)]
)
def test_only_a_strong_verdict_is_a_caution(verdict, n_cautions):
    assert len(nuisance_cautions(make_audit(verdict))) == n_cautions


def test_the_caution_tells_what_only_the_recording_makes():
    assert (
        "in 83 % of cases (guessing: 50 %), what only the recording makes in 81 %"
        in (nuisance_cautions(make_audit())[0])
    )
    assert "what only" not in nuisance_cautions(make_audit(recording={}))[0]


def test_the_table_has_a_row_for_all_that_was_shown(tmp_path):
    audit = make_audit()
    table = nuisance_table(audit)
    assert table["shown"].tolist() == ["all together", "recording alone", "duration", "level",
                                       "codec", "chance"]  # fmt: skip
    assert table.set_index("shown").loc["duration", "macro_roc_auc_low"] == pytest.approx(0.74)
    assert table["varies"].tolist() == [True, True, True, True, False, True]
    assert table["of_sound"].tolist() == [False, False, False, True, False, False]
    report(audit, tmp_path)
    written = pd.read_csv(tmp_path / "report" / "tables" / "nuisance.csv")
    pd.testing.assert_frame_equal(written, table, rtol=1e-5)


def test_the_audit_stays_out_of_metrics(tmp_path):
    report(make_audit(), tmp_path)
    assert "nuisance" not in json.loads((tmp_path / "report" / "metrics.json").read_text())


def test_an_audit_is_read_as_it_was_written(tmp_path):
    write_results(make_results(make_audit()), tmp_path / "results")
    assert read_results(tmp_path / "results").card["nuisance"] == make_audit()


@pytest.mark.parametrize(
    ("audit", "message"),
    [
        ("strong", "must be an audit, got str"),
        (make_audit("certain"), "must be one of .* got 'certain'"),
        (make_audit(variables=None), "must have variables as dict, got None"),
    ],
    ids=["text", "verdict", "variables"],
)
def test_an_unsound_audit_is_refused(audit, message):
    with pytest.raises(ValueError, match=message):
        make_results(audit).check()


def test_the_picture_has_a_row_for_all_that_varies_and_a_legend():
    ax = plot_nuisance(make_audit(), stack=leaf(0.97, 0.02))
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["the stack", "all together", "recording alone", "duration", "level"]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(legend) == 5
    assert legend[-1] == "chance"
    # Colour is never needed: the marks differ too, the two kinds of variables by their filling.
    marks = [(h.get_marker(), h.get_markerfacecolor() == "white")
             for h in ax.get_legend().legend_handles[:-1]]  # fmt: skip
    assert len(set(marks)) == len(marks)


def test_a_score_without_an_interval_is_drawn_without_one():
    bare = {"macro_roc_auc": {"value": 0.7, "low": None, "high": None}}
    undefined = {"macro_roc_auc": {"value": None, "low": None, "high": None}}
    audit = make_audit(together=bare, recording={}, variables={"duration": undefined})
    ax = plot_nuisance(audit)
    assert [text.get_text() for text in ax.texts] == ["0.70", "\N{EN DASH}"]
