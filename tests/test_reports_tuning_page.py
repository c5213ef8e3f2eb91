"""The page about a search: whole, offline, honest about the best trial, safe from names."""

import copy
import json
import re

import pytest

from reports.plots.tuning import plot_history, plot_nested
from reports.plots.tuning_settings import plot_parallel, plot_slices
from reports.tuning_page import create_tuning_page

CAUTION = "The best of many trials is also the luckiest."


def trial(turn, value, state="complete", **parameters):
    given = {"C": 10.0 * (turn + 1), "depth": 1 + turn % 4, "scaling": ("ranks", None)[turn % 2]}
    return {
        "turn": turn, "state": state, "value": value, "fold_scores": [value, None],
        "seconds": 1.0, "parameters": given | parameters,
    }  # fmt: skip


def setting(**given):
    return {"kind": "number", "reason": "why <b>", "low": None, "high": None, "log": False,
            "choices": []} | given  # fmt: skip


def make_part(values=(0.5, 0.62, 0.1, 0.71, 0.7)):
    trials = [trial(turn, value) for turn, value in enumerate(values)]
    trials.append(trial(len(values), 0.3, "pruned"))
    trials.append(trial(len(values) + 1, None, "pruned"))
    return {
        "settings": {
            "C": setting(low=0.1, high=1000.0, log=True),
            "depth": setting(kind="whole number", low=1, high=8),
            "scaling": setting(kind="choice", choices=["ranks", None]),
        },
        "trials": trials,
        "best": max(trials[: len(values)], key=lambda trial: trial["value"]),
        "ready_made": {"value": 0.5, "fold_scores": [0.5, None], "parameters": {
            "C": 10.0, "depth": 1, "scaling": "ranks"}},
        "importances": {"C": 0.7, "depth": 0.2, "scaling": 0.1},
    }  # fmt: skip


def leaf(value, spread=0.1):
    return {"value": value, "low": value - spread, "high": value + spread}


def make_tuning(nested=True):
    parts = {"<i>svm</i>": make_part(), "stack": make_part()}
    worth = {"tuned": leaf(0.55), "ready_made": leaf(0.52), "gain": leaf(0.03),
             "fold_scores": [0.5, 0.6]}  # fmt: skip
    return {
        "metric": "macro_f1",
        "metric_words": "macro F1",
        "task": "single-label",
        "seed": 0,
        "counts": {"training clips": 1200, "test clips, not touched": 30},
        "findings": ["The search saw only the 1,200 training clips.", "svm: macro F1 0.710."],
        "cautions": [CAUTION, "A nested search says what they are worth."],
        "parts": parts,
        "nested": {"trials": 10, "inner_folds": 3, "parts": dict.fromkeys(parts, worth)}
        if nested
        else None,
    }


def test_the_page_stands_alone_and_holds_what_was_found(tmp_path):
    told = []
    written = create_tuning_page(make_tuning(), tmp_path / "report", progress=told.append)
    page = (tmp_path / "report" / "index.html").read_text()
    assert written["page"] == str(tmp_path / "report" / "index.html")
    for words in (CAUTION, "only the 1,200 training clips", "0.710", "0.550", "30", "0.1 to 1000"):
        assert words in page
    assert "<i>svm" not in page
    assert "why <b>" not in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    figures = {path.name for path in (tmp_path / "report" / "figures").iterdir()}
    assert {f"{name}.{end}" for name in written["figures"] for end in ("png", "svg")} == figures
    assert json.loads((tmp_path / "report" / "tuning.json").read_text()) == make_tuning()
    assert "drawing history" in told


def test_the_same_search_gives_the_same_page(tmp_path):
    pages, tuning = [], make_tuning(nested=False)
    del tuning["parts"]["stack"]
    for name in ("one", "two"):
        create_tuning_page(tuning, tmp_path / name)
        pages.append((tmp_path / name / "index.html").read_bytes())
    assert pages[0] == pages[1]


def test_without_nested_scores_the_best_trial_is_called_what_it_is(tmp_path):
    written = create_tuning_page(make_tuning(nested=False), tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "nested" not in written["figures"]
    assert "stack, best trial" in page
    assert CAUTION in page


def test_one_trial_of_one_setting_is_drawn_too(tmp_path):
    tuning = make_tuning(nested=False)
    part = make_part([0.5])
    part["trials"] = part["trials"][:1]
    part["settings"] = {"C": part["settings"]["C"]}
    part["importances"] = None
    tuning["parts"] = {"xgb": part}
    written = create_tuning_page(tuning, tmp_path / "report")
    assert written["figures"] == ["history", "slices_1"]


def test_a_search_that_lacks_something_is_refused_all_at_once(tmp_path):
    tuning = copy.deepcopy(make_tuning())
    del tuning["cautions"], tuning["parts"]["stack"]["best"]
    tuning["parts"]["<i>svm</i>"]["trials"] = []
    with pytest.raises(ValueError, match=r"'cautions'.*complete trial.*'stack' must have 'best'"):
        create_tuning_page(tuning, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(FileExistsError, match=r"tuning\.json"):
        create_tuning_page(make_tuning(), tmp_path)


def test_the_line_of_the_best_never_falls_and_reaches_the_last_trial():
    figure = plot_history({"svm": make_part()}, metric="Macro F1")
    line = figure.axes[0].lines[0]
    assert list(line.get_ydata()) == [0.5, 0.62, 0.62, 0.71, 0.71, 0.71]
    assert line.get_xdata()[-1] == 6


def test_a_slice_shows_all_that_was_searched():
    figure = plot_slices(make_part(), metric="Macro F1")
    low, high = figure.axes[0].get_xlim()
    assert low < 0.1
    assert high > 1000
    assert [tick.get_text() for tick in figure.axes[2].get_xticklabels()] == ["ranks", "none"]


def test_every_completed_trial_has_a_line_beside_the_ready_made_one():
    ax = plot_parallel(make_part(), metric="Macro F1").axes[0]
    assert sum(len(line.get_xdata()) == 4 for line in ax.lines) == 5 + 1


def test_a_nested_score_without_an_interval_is_a_dot():
    bare = {"value": 0.5, "low": None, "high": None}
    figure = plot_nested(
        {"svm": make_part()}, {"svm": {"tuned": bare, "ready_made": bare}}, metric="Macro F1"
    )
    assert len(figure.axes[0].lines) == 3
