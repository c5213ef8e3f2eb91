"""The page about corpora: numbers side by side, pictures, tables, and names that stay text."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from reports.corpus_facts import (
    DASH,
    corpus_facts,
    describe_corpora,
    list_corpus_cautions,
    time_words,
)
from reports.corpus_page import create_corpus_page
from reports.corpus_pictures import rank_labels
from reports.corpus_tables import findings_table, together_table
from reports.plots.cooccurrence import choose_together, plot_together
from reports.plots.corpus import plot_durations, plot_label_numbers, plot_labels_per_clip

HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)> $x_{$'


def make_statistics(truth, *, labels=None, seconds=None, splits=None, **changes):
    """Return the statistics of a corpus whose clips have the labels of a table of presences."""
    truth = np.asarray(truth)
    n_clips, n_labels = truth.shape
    labels = labels or [f"label {number}" for number in range(n_labels)]
    parts = {}
    for part, rows in (splits or {}).items():
        parts[part] = {
            "clips": len(rows), "groups": len(rows), "seconds": None, "timed_clips": 0,
            "labels": dict(zip(labels, truth[rows].sum(axis=0).tolist(), strict=True)),
        }  # fmt: skip
    number, counts = np.unique(truth.sum(axis=1), return_counts=True)
    durations = seconds and {
        "clips": n_clips, "total_s": seconds * n_clips, "min_s": seconds, "median_s": seconds,
        "max_s": seconds, "edges_s": [seconds, 1.25 * seconds], "counts": [n_clips],
    }  # fmt: skip
    return {
        "clips": n_clips, "parents": n_clips, "groups": n_clips, "groups_given": True,
        "labels_given": True, "task": "single-label" if set(number) == {1} else "multi-label",
        "labels": labels,
        "per_label": {
            label: {"clips": int(count), "groups": int(count), "unknown": 0,
                    "seconds": seconds and seconds * int(count), "timed_clips": int(count),
                    "share": count / n_clips}
            for label, count in zip(labels, truth.sum(axis=0), strict=True)
        },
        "labels_per_clip": dict(zip(map(str, number.tolist()), counts.tolist(), strict=True)),
        "unlabelled": 0, "partly_unknown": 0, "unknown_cells": 0,
        "together": (truth.T @ truth).tolist(), "splits": parts, "folds": {},
        "durations": durations, "scanned": 0, "sample_rates": None, "channels": None,
        "codecs": None, **changes,
    }  # fmt: skip


SINGLE = make_statistics(np.eye(2, dtype=int)[[0, 0, 1]], labels=["cat", "dog"])
MULTI = make_statistics(
    [[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]],
    labels=["cello", "dog", "flute"],
    seconds=2.5,
    splits={"train": [0, 1], "test": [2, 3]},
    sample_rates={"44100": 3, "22050": 1},
)
PROBLEMS = pd.DataFrame(
    [
        (1, "duplicate-audio", "warning", "a.wav", "Two clips hold the same sound"),
        (1, "duplicate-audio", "warning", "b.wav", "Two clips hold the same sound"),
        (2, "missing-file", "error", "c.wav", f"A file is missing {HOSTILE}"),
        (3, "small-label", "warning", "", "A label has few clips"),
    ],
    columns=["finding", "check", "severity", "clip_id", "message"],
)


class _Reader(HTMLParser):
    """Collects what a browser would load, every element's name, and the text."""

    def __init__(self):
        super().__init__()
        self.loaded, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in {"src", "href", "data"}]

    def handle_data(self, data):
        self.text.append(data)


def read_page(path):
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora") / "page"
    stages = []
    summary = create_corpus_page(
        {"pets": SINGLE, "band": MULTI},
        folder,
        problems={"band": PROBLEMS, "pets": PROBLEMS[:0]},
        progress=stages.append,
    )
    return folder, summary, stages


def test_a_page_comes_with_its_figures_tables_and_numbers(page):
    folder, summary, stages = page
    assert summary["figures"] == ["clips_per_label", "seconds_per_label", "labels_per_clip",
                                  "together_2", "durations", "splits_2"]  # fmt: skip
    assert sorted(path.name for path in (folder / "figures").iterdir()) == sorted(
        f"{name}.{kind}" for name in summary["figures"] for kind in ("png", "svg")
    )
    assert {path.stem for path in (folder / "tables").iterdir()} == {
        "corpora", "labels", "parts", "histograms", "together", "problems"
    }  # fmt: skip
    assert json.loads((folder / "statistics.json").read_text()) == {"pets": SINGLE, "band": MULTI}
    assert stages[-1] == "writing the page"


def test_the_page_refers_to_nothing_outside_itself(page):
    reader = read_page(page[0] / "index.html")
    assert all(link.startswith(("#", "data:image/svg+xml;base64,")) for link in reader.loaded)
    assert not {"script", "link", "iframe", "object"} & set(reader.tags)


def test_every_link_of_the_contents_leads_somewhere(page):
    text = (page[0] / "index.html").read_text(encoding="utf-8")
    links = [link for link in read_page(page[0] / "index.html").loaded if link.startswith("#")]
    assert len(links) == 7
    assert all(f'id="{link[1:]}"' in text for link in links)


def test_corpora_are_told_apart_in_words(page):
    words = " ".join("".join(read_page(page[0] / "index.html").text).split())
    assert "2 corpora of 7 clips and 4 labels, 1 of them in every corpus." in words
    assert "pets: no clip's duration is known, so there are no seconds." in words
    assert "The check found no problem." in words
    assert words.index("missing-file") < words.index("duplicate-audio")


def test_tables_hold_the_numbers_and_leave_the_unknown_empty(page):
    labels = pd.read_csv(page[0] / "tables" / "labels.csv").set_index(["corpus", "label"])
    assert labels.loc[("band", "cello"), ["clips", "seconds"]].tolist() == [3, 7.5]
    assert np.isnan(labels.loc[("pets", "cat"), "seconds"])
    corpora = pd.read_csv(page[0] / "tables" / "corpora.csv").set_index("corpus")
    assert corpora.loc["band", ["clips", "labels", "labels_per_clip"]].tolist() == [4, 3, 1.5]
    assert np.isnan(corpora.loc["pets", "total_s"])
    parts = pd.read_csv(page[0] / "tables" / "parts.csv")
    assert parts.query("part == 'test' and label == 'dog'")["clips"].item() == 1
    assert len(pd.read_csv(page[0] / "tables" / "problems.csv")) == len(PROBLEMS)


def test_pairs_of_labels_are_listed_once():
    found = together_table({"band": MULTI, "pets": SINGLE})
    assert found.to_numpy().tolist() == [["band", "cello", "dog", 2], ["band", "cello", "flute", 1],
                                         ["band", "dog", "flute", 1]]  # fmt: skip


def test_findings_are_one_row_each_with_errors_first():
    found = findings_table(PROBLEMS, n_shown=1)
    assert found["check"].tolist() == ["missing-file", "duplicate-audio", "small-label"]
    assert found["clips"].tolist() == [1, 2, 0]
    assert found["examples"].tolist() == [["c.wav"], ["a.wav"], []]


def test_a_single_corpus_of_nothing_but_clips_has_a_page(tmp_path):
    bare = make_statistics(
        np.zeros((3, 0), int), labels_given=False, unlabelled=3, labels_per_clip={},
        groups_given=False,
    )  # fmt: skip
    summary = create_corpus_page({"bare": bare}, tmp_path / "page")
    assert summary["figures"] == []
    assert summary["sentence"] == "3 clips of 0 labels in 3 groups."
    assert len(summary["cautions"]) == 3


def test_a_page_is_replaced_and_anything_else_refused(tmp_path):
    for _ in range(2):
        create_corpus_page({"pets": SINGLE}, tmp_path / "page")
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").touch()
    with pytest.raises(FileExistsError, match="not ours to replace"):
        create_corpus_page({"pets": SINGLE}, tmp_path / "other")


@pytest.mark.parametrize(
    ("statistics", "problems", "message"),
    [
        ({}, None, "at least one corpus"),
        ({"a": {"clips": 3}}, None, "statistics of 'a' must have parents, groups"),
        ({"a": SINGLE}, {"b": PROBLEMS}, "problems are given of 'b', statistics only of"),
        ({"a": SINGLE}, {"a": PROBLEMS[["check"]]}, "problems of 'a' must have finding, severity"),
    ],
    ids=["none", "statistics", "stranger", "columns"],
)
def test_what_cannot_be_shown_is_refused(tmp_path, statistics, problems, message):
    with pytest.raises(ValueError, match=message):
        create_corpus_page(statistics, tmp_path / "page", problems=problems)
    assert not (tmp_path / "page").exists()


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "page"
    found = make_statistics(
        [[1, 1], [1, 0]], labels=[HOSTILE, "_b&b"], seconds=1.0, splits={HOSTILE: [0], "x": [1]},
        codecs={HOSTILE: 2},
    )  # fmt: skip
    create_corpus_page({HOSTILE: found, "../up": found}, folder, problems={HOSTILE: PROBLEMS})
    return folder


def test_markup_in_names_is_shown_and_never_run(hostile_page):
    reader = read_page(hostile_page / "index.html")
    assert "script" not in reader.tags
    assert all(link.startswith(("#", "data:image/svg+xml")) for link in reader.loaded)
    assert HOSTILE in "".join(reader.text)
    names = {path.name for path in (hostile_page / "figures").iterdir()}
    assert all(re.fullmatch(r"[a-z_0-9]+\.(png|svg)", name) for name in names)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
def test_a_browser_shows_every_picture_and_runs_no_name(hostile_page, tmp_path):
    dom = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
         "--virtual-time-budget=2000", "--dump-dom", (hostile_page / "index.html").as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert "<title>owned" not in dom
    assert dom.count("<figure") == 8
    assert "onerror=alert(1)>" not in dom.replace("&gt;", "")


@pytest.mark.parametrize("n_labels", [2, 40, 200])
@pytest.mark.parametrize("n_series", [1, 4])
def test_every_label_has_its_row_and_the_axis_its_unit(n_labels, n_series):
    labels = [f"label {number}" for number in range(n_labels)]
    numbers = {f"corpus {k}": dict.fromkeys(labels, k + 1.0) for k in range(n_series)}
    figure = plot_label_numbers(numbers, labels=labels, axis_name="Clips (number)")
    shown = [tick.get_text() for ax in figure.axes for tick in ax.get_yticklabels()]
    assert shown == labels
    assert figure.get_supxlabel() == "Clips (number)"
    assert len(figure.legends) == (n_series > 1)


def test_numbers_of_many_sizes_get_a_logarithmic_scale_and_zeros_no_dot():
    numbers = {"x": {"a": 0, "b": 1, "c": 1000, "d": None}}
    ax = plot_label_numbers(numbers, labels=list("abcd"), axis_name="Clips (number)").axes[0]
    assert ax.get_xscale() == "log"
    assert ax.lines[0].get_xdata().tolist() == [1, 1000]
    straight = plot_label_numbers(numbers, labels=list("abcd"), axis_name="", straight=True)
    assert straight.axes[0].get_xscale() == "linear"
    assert straight.axes[0].lines[0].get_xdata().tolist() == [0, 1, 1000]


def test_labels_per_clip_are_shares_of_each_corpus():
    ax = plot_labels_per_clip({"a": {"1": 30}, "b": {"0": 1, "2": 3}})
    heights = [[bar.get_height() for bar in bars] for bars in ax.containers]
    assert heights == [[0, 100, 0], [25, 0, 75]]


def test_durations_have_a_panel_each_over_one_axis():
    figure = plot_durations({"a": MULTI["durations"], "b": MULTI["durations"]})
    assert len(figure.axes) == 2
    assert figure.axes[-1].get_xlabel() == "Duration of a clip (s)"
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()


def test_the_labels_that_sound_together_most_are_chosen_in_their_order():
    counts = np.diag([9, 9, 9, 9]) + np.array(
        [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 5], [1, 0, 5, 0]]
    )
    assert choose_together(counts, limit=2).tolist() == [2, 3]


def test_together_is_a_share_of_the_row_without_its_diagonal():
    ax = plot_together([[4, 1], [1, 2]], labels=["a", "b"])
    np.testing.assert_array_equal(
        ax.images[0].get_array().filled(np.nan), [[np.nan, 25], [50, np.nan]]
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, DASH), (0.4211, "0.421 s"), (119.0, "119 s"), (150.0, "2.5 min"), (9000.0, "2.5 h")],
)
def test_lengths_have_the_unit_people_would_use(seconds, words):
    assert time_words(seconds) == words


def test_facts_that_no_corpus_has_are_left_out():
    names = [name for name, _ in corpus_facts({"pets": SINGLE})]
    assert "Sound" not in names
    assert "Folds" not in names
    both = dict(corpus_facts({"pets": SINGLE, "band": MULTI}))
    assert both["Sound"] == [DASH, "10 s"]
    assert both["Sample rates"] == [DASH, "44100 Hz (3), 22050 Hz (1)"]
    assert both["Clips of none of the classes"] == [DASH, "1 (25.0 %)"]


def test_a_label_of_one_group_or_missing_in_a_split_is_a_caution():
    cautions = list_corpus_cautions({"band": MULTI})
    assert cautions[0].startswith("Only one group has the label flute")
    assert "The train split has no clip of flute." in cautions


def test_one_corpus_is_described_by_its_labels_and_sound():
    assert describe_corpora({"band": MULTI}) == (
        "4 clips of 3 labels in 4 groups, 10 s of sound; 1.50 labels a clip on average."
    )


def test_labels_rank_by_their_clips_in_all_corpora():
    assert rank_labels({"pets": SINGLE, "band": MULTI}) == ["cello", "dog", "cat", "flute"]
