"""Evaluation, tables, maps, figures and the page, on results made from noisy logits."""

import json
import re
import warnings
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from reports.evaluation import evaluate, evaluated_rows
from reports.page import create_report
from reports.plots.labels import plot_confusion
from reports.plots.style import label_style, plain
from reports.projections import draw_points, project
from reports.results import Results, read_results, write_results
from reports.tables import clips_table, worst_clips

LABELS = ["cello", "clarinet", "flute", "acoustic guitar", "electric guitar", "organ", "piano",
          "saxophone", "trumpet", "violin", "voice"]  # fmt: skip
MEMBERS = {"svm": 1.2, "xgb": 1.6, "crnn": 2.0}


def make_results(task="single-label", *, labels=LABELS, n_groups=44, with_test=False, seed=0):
    """Return results of about 7 clips a group, a stack of three members, and their references."""
    rng = np.random.default_rng(seed)
    n_labels, n_samples = len(labels), 7 * n_groups
    group = np.arange(n_samples) % n_groups
    if task == "single-label":
        truth = np.eye(n_labels, dtype=np.int8)[group % n_labels]
    else:
        truth = (rng.random((n_samples, n_labels)) < 0.25).astype(np.int8)
        truth[rng.random(truth.shape) < 0.05] = -1
    split = np.where(with_test & (group % 4 == 3), "test", "train")
    ids = pd.Index([f"clip {number:04d}" for number in range(n_samples)], name="clip_id")
    clips = pd.DataFrame(
        {"parent": ids, "group": [f"song {number}" for number in group],
         "fold": np.where(split == "test", -1, group % 5), "split": split},
        index=ids,
    )  # fmt: skip
    hard = rng.normal(size=truth.shape)
    noise = {name: spread * rng.normal(size=truth.shape) for name, spread in MEMBERS.items()}
    members = {name: _chances((truth == 1) * 3.0 - 1.5 + hard + noise[name]) for name in MEMBERS}
    stack = _chances((truth == 1) * 3.0 - 1.5 + hard + sum(noise.values()) / 3)
    models = {"stack": stack, **members, "average": sum(members.values()) / 3}
    models["chance"] = np.tile((truth == 1).mean(axis=0), (n_samples, 1))
    keys = {"stage": np.where(split == "test", "test", "oof"), "clip_id": ids}
    views = {"features": np.arange(n_samples), "crnn": np.flatnonzero(group % 5 == 0)}
    points = (truth == 1) @ rng.normal(size=(n_labels, 6)) + rng.normal(size=(n_samples, 6))
    return Results(
        classes=list(labels),
        task=task,
        clips=clips,
        truth=pd.DataFrame(truth, index=ids, columns=labels),
        scores=_stacked(models, keys, labels, np.float32),
        decisions=_stacked(
            {name: _decide(scores, task) for name, scores in models.items()}, keys, labels, np.int8
        ),
        projection=pd.concat(
            [
                pd.concat(
                    [
                        pd.DataFrame({"view": view, "clip_id": ids[rows]}),
                        pd.DataFrame(points[rows]).add_prefix("pc_0").astype(np.float32),
                    ],
                    axis=1,
                )
                for view, rows in views.items()
            ],
            ignore_index=True,
        ),
        card={
            "members": list(MEMBERS), "seed": 0, "failures": 2, "feature_set": "standard-v1",
            "notes": ["Thresholds were fitted on cross-fitted scores."],
            "histories": {"crnn": [[{"epoch": k, "train_loss": 2 / k, "validation_loss": 3 / k,
                                     "validation_macro_f1": 1 - 1 / k, "seconds": k}
                                    for k in range(1, 9)]] * 2},
        },
    )  # fmt: skip


def _chances(logits):
    return 1 / (1 + np.exp(-logits))


def _decide(scores, task):
    if task == "multi-label":
        return scores >= 0.5
    return np.eye(scores.shape[1])[scores.argmax(axis=1)]


def _stacked(models, keys, labels, dtype):
    return pd.concat(
        [
            pd.concat(
                [
                    pd.DataFrame({"model": name, **keys}),
                    pd.DataFrame(values.astype(dtype), columns=labels),
                ],
                axis=1,
            )
            for name, values in models.items()
        ],
        ignore_index=True,
    )


class _Reader(HTMLParser):
    """Collects what a browser would load, and every element's name."""

    def __init__(self):
        super().__init__()
        self.loaded, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        named = {"src", "href", "srcset", "data", "action", "poster"}
        self.loaded += [value for name, value in attrs if name in named]

    def handle_data(self, data):
        self.text.append(data)


def read_page(path):
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_results(make_results(), folder / "results")
    stages = []
    summary = create_report(
        [folder / "results"], folder / "report", n_boot=60, methods=("pca",), progress=stages.append
    )
    return folder / "report", summary, stages


def test_a_report_is_one_page_with_numbers_figures_and_tables(report):
    folder, summary, stages = report
    figures = ["models", "per_label_metrics", "roc", "reliability", "confusion",
               "projection_features_pca", "projection_crnn_pca", "training_crnn"]  # fmt: skip
    assert summary["figures"] == figures
    assert sorted(path.name for path in (folder / "figures").iterdir()) == sorted(
        f"{name}.{kind}" for name in figures for kind in ("png", "svg")
    )
    assert {path.name for path in (folder / "tables").iterdir()} == {
        "models.csv", "labels.csv", "clips.csv", "worst_clips.csv"
    }  # fmt: skip
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures", "index.html", "metrics.json", "tables"
    ]  # fmt: skip
    assert stages[-1] == "writing the page"


def test_the_page_refers_to_nothing_outside_itself(report):
    page = read_page(report[0] / "index.html")
    assert all(link.startswith(("#", "data:image/svg+xml;base64,")) for link in page.loaded)
    text = (report[0] / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import|//[a-z]", re.sub(r"base64,[^\"]*", "", text))
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


def test_every_link_of_the_contents_leads_somewhere(report):
    text = (report[0] / "index.html").read_text(encoding="utf-8")
    for link in read_page(report[0] / "index.html").loaded:
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in text, link


def test_the_answer_stands_first_and_in_words(report):
    folder, summary, _ = report
    words = " ".join("".join(read_page(folder / "index.html").text).split())
    for sentence in [*summary["sentences"], *summary["cautions"]]:
        assert sentence in words
    assert "The stack names the right label for" in summary["sentences"][0]
    assert "over its best member" in words or "than its best member" in words
    assert "2 clips were not readable and are in no number." in summary["cautions"]


def test_metrics_have_the_promised_shape(report):
    written = json.loads((report[0] / "metrics.json").read_text())
    assert written["evaluated_on"] == "oof"
    assert list(written["models"]) == ["stack", *MEMBERS, "average", "chance"]
    assert list(written["labels"]) == LABELS
    wanted = {"macro_f1", "micro_f1", "accuracy", "map", "lrap"}
    for scores in written["models"].values():
        assert wanted <= set(scores)
    for leaves in written["labels"].values():
        assert list(leaves)[:5] == ["precision", "recall", "f1", "ap", "roc_auc"]
        assert {"lwlrap", "brier", "ece"} <= set(leaves)
    for leaf in [*written["models"]["stack"].values(), *written["labels"]["cello"].values()]:
        assert list(leaf) == ["value", "low", "high"]
        assert leaf["value"] is None or 0 <= leaf["value"] <= 1
    assert written["comparison"]["best_member"] in MEMBERS
    assert written["comparison"]["stack_vs_average"]["sentence"]


def test_tables_hold_the_numbers_of_the_metrics(report):
    written = json.loads((report[0] / "metrics.json").read_text())
    models = pd.read_csv(report[0] / "tables" / "models.csv", index_col="model")
    leaf = written["models"]["svm"]["macro_f1"]
    found = models.loc["svm", ["macro_f1", "macro_f1_low", "macro_f1_high"]]
    assert found.tolist() == pytest.approx(list(leaf.values()), abs=1e-5)
    assert len(pd.read_csv(report[0] / "tables" / "clips.csv")) == written["counts"]["clips"]


def test_a_report_is_replaced_and_anything_else_refused(tmp_path):
    write_results(make_results(labels=LABELS[:3], n_groups=6), tmp_path / "results")
    settings = {"n_boot": 5, "methods": ()}
    for _ in range(2):
        create_report([tmp_path / "results"], tmp_path / "report", **settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report", "results"]
    with pytest.raises(FileExistsError, match="not ours to replace"):
        create_report([tmp_path / "results"], tmp_path / "results", **settings)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="is a file"):
        create_report([tmp_path / "results"], tmp_path / "file", **settings)
    read_results(tmp_path / "results")


def test_markup_in_names_is_shown_and_never_run(tmp_path):
    bad = "<script>alert(1)</script> $x_{$"
    results = make_results("multi-label", labels=[bad, "_b&b", "ok"], n_groups=24)
    results.card["notes"] = ["<img src=x onerror=alert(2)>"]
    results.clips["group"] = "<b>" + results.clips["group"]
    write_results(results, tmp_path / "results")
    create_report(
        [tmp_path / "results"], tmp_path / "report", title="<i>t</i>", n_boot=5, methods=("pca",)
    )
    page = read_page(tmp_path / "report" / "index.html")
    assert not {"script", "b", "i"} & set(page.tags)
    assert all(link.startswith(("#", "data:image/svg+xml")) for link in page.loaded)
    assert bad in "".join(page.text)


def test_several_sources_are_compared_under_different_names(tmp_path):
    for number, folder in enumerate(("x", "y")):
        results = make_results("multi-label", labels=LABELS[:3], n_groups=24, with_test=True)
        results.card["seed"] = number
        write_results(results, tmp_path / folder / "bundle" / "results")
    sources = [tmp_path / "x" / "bundle", tmp_path / "y" / "bundle" / "results"]
    summary = create_report(sources, tmp_path / "report", n_boot=5, methods=())
    assert summary["evaluated_on"] == "test"
    table = pd.read_csv(tmp_path / "report" / "tables" / "comparison.csv")
    assert table["source"].tolist() == ["bundle", "bundle (2)"]
    assert list(json.loads((tmp_path / "report" / "metrics.json").read_text())["others"]) == [
        "bundle (2)"
    ]
    assert "cooccurrence" in summary["figures"]


def test_all_three_maps_are_drawn_without_a_warning(tmp_path):
    write_results(make_results(labels=LABELS[:4], n_groups=24), tmp_path / "results")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = create_report([tmp_path / "results"], tmp_path / "report", n_boot=5)
    maps = [name for name in summary["figures"] if name.startswith("projection")]
    assert maps == [f"projection_{view}_{method}" for view in ("features", "crnn")
                    for method in ("tsne", "umap", "pca")]  # fmt: skip


@pytest.mark.parametrize(
    ("sources", "methods", "message"),
    [([], ("pca",), "at least one source"), (["x"], ("mds",), "methods must be among")],
    ids=["no source", "unknown method"],
)
def test_unusable_settings_are_refused(tmp_path, sources, methods, message):
    with pytest.raises(ValueError, match=message):
        create_report(sources, tmp_path / "report", methods=methods)


def test_the_test_stage_is_evaluated_where_there_is_one():
    results = make_results("multi-label", with_test=True)
    rows = evaluated_rows(results)
    assert rows.stage == "test"
    assert set(rows.clips["split"]) == {"test"}
    assert evaluate(results, n_boot=5)["counts"]["groups"] == 11


def test_equal_seeds_give_equal_numbers():
    results = make_results(labels=LABELS[:3], n_groups=24)
    assert evaluate(results, n_boot=20, seed=1) == evaluate(results, n_boot=20, seed=1)
    assert evaluate(results, n_boot=20, seed=1) != evaluate(results, n_boot=20, seed=2)


def test_few_groups_show_each_groups_score_and_no_interval():
    found = evaluate(make_results(labels=LABELS[:2], n_groups=8), n_boot=20)
    assert found["models"]["stack"]["macro_f1"]["low"] is None
    assert found["bootstrap"]["n_boot"] == 0
    assert list(found["comparison"]["groups"]["stack"]) == [f"song {k}" for k in range(8)]
    assert "8 groups cannot tell" in found["comparison"]["stack_vs_average"]["sentence"]


def test_models_are_compared_on_the_rows_they_share():
    results = make_results(labels=LABELS[:3], n_groups=24)
    lost = (results.scores["model"] == "crnn") & (results.scores["clip_id"] < "clip 0010")
    results.scores, results.decisions = results.scores[~lost], results.decisions[~lost]
    found = evaluate(results.check(), n_boot=5)
    assert found["counts"]["left_out"] == 10
    assert found["counts"]["clips"] == 24 * 7 - 10


def test_a_label_nobody_has_is_null_without_a_warning(tmp_path):
    results = make_results("multi-label", labels=LABELS[:4], n_groups=24)
    results.truth["flute"] = results.truth["flute"].where(results.truth["flute"] < 1, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_results(results, tmp_path / "results")
        summary = create_report([tmp_path / "results"], tmp_path / "report", n_boot=5, methods=())
    written = json.loads((tmp_path / "report" / "metrics.json").read_text())
    empty = {"value": None, "low": None, "high": None}
    assert all(leaf == empty for leaf in written["labels"]["flute"].values())
    assert "Not measured, for want of a clip: flute." in summary["cautions"]


def test_a_stack_that_names_one_class_only_can_be_reported(tmp_path):
    results = make_results(labels=LABELS[:2], n_groups=24)
    results.decisions[LABELS[:2]] = np.array([1, 0], dtype=np.int8)
    write_results(results, tmp_path / "results")
    summary = create_report([tmp_path / "results"], tmp_path / "report", n_boot=20, methods=())
    assert summary["macro_f1"]["value"] == pytest.approx(1 / 3, abs=0.01)
    gain = evaluate(results, n_boot=20)["comparison"]["stack_vs_best_member"]
    assert (gain["value"], gain["low"], gain["high"]) == (0, 0, 0)
    assert "no gain" in gain["sentence"]


def test_asked_for_metrics_are_given_and_the_first_one_compares():
    results = make_results("multi-label", labels=LABELS[:3], n_groups=24)
    found = evaluate(results, metrics=["lwlrap", "brier"], n_boot=20)
    assert list(found["models"]["svm"]) == ["lwlrap", "brier"]
    assert found["headline"] == found["comparison"]["metric"] == "lwlrap"
    assert " lwlrap (" in found["comparison"]["stack_vs_average"]["sentence"]
    whole = evaluate(results, n_boot=20)
    assert found["models"]["svm"]["brier"] == whole["models"]["svm"]["brier"]
    assert next(iter(whole["models"]["svm"])) == "macro_f1"
    with pytest.raises(
        ValueError, match=r"metrics must be among .*map_at_3.* got unknown \['f2'\]"
    ):
        evaluate(results, metrics=["macro_f1", "f2"])


def test_of_an_error_the_lower_one_is_better():
    results = make_results("multi-label", labels=LABELS[:3], n_groups=24)
    found = evaluate(results, metrics=["brier"], n_boot=200)
    models, gain = found["models"], found["comparison"]["stack_vs_best_member"]
    members = {name: models[name]["brier"]["value"] for name in MEMBERS}
    assert found["comparison"]["best_member"] == min(members, key=members.get)
    difference = min(members.values()) - models["stack"]["brier"]["value"]
    assert gain["value"] == pytest.approx(difference)
    assert difference > 0
    assert gain["sentence"].startswith("The stack is better than its best member")


def test_a_report_shows_the_metrics_it_was_asked_for_and_keeps_all(tmp_path):
    write_results(make_results(labels=LABELS[:3], n_groups=24), tmp_path / "results")
    summary = create_report(
        [tmp_path / "results"], tmp_path / "report", metrics=["map_at_3", "ece"], n_boot=5,
        methods=(),
    )  # fmt: skip
    assert "MAP@3" in summary["sentences"][1]
    written = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert {"macro_f1", "map_at_3", "ece", "hamming_loss"} <= set(written["models"]["stack"])
    assert set(written["estimators"]) == {"brier", "ece"}
    assert sum(found["n"] for found in written["reliability"]) == written["counts"]["clips"]
    page = (tmp_path / "report" / "index.html").read_text()
    head = page.split("<thead><tr><th>Model</th>")[1].split("</tr>")[0]
    assert re.findall(r">([^<]+)</th>", head) == ["MAP@3", "ECE"]


def test_a_calibration_in_the_card_is_shown_before_and_after(tmp_path):
    results = make_results("multi-label", labels=LABELS[:3], n_groups=24)
    bins = [{"score": 0.2, "share": 0.3, "low": 0.2, "high": 0.4, "n": 60}]
    leaf = {"value": 0.1, "low": 0.05, "high": 0.15}
    told = {"brier": leaf, "ece": leaf, "bins": bins}
    card = {"method": "sigmoid", "rows": 60, "groups": 20, "before": told, "after": told}
    for method, shown in (("sigmoid", True), ("none", False)):
        results.card["calibration"] = {**card, "method": method}
        write_results(results, tmp_path / method)
        summary = create_report([tmp_path / method], tmp_path / "report", n_boot=5, methods=())
        assert ("calibration" in summary["figures"]) == shown


def test_groups_in_several_folds_are_a_caution(tmp_path):
    results = make_results(labels=LABELS[:3], n_groups=24)
    results.clips.iloc[0, results.clips.columns.get_loc("fold")] = 4
    write_results(results, tmp_path / "results")
    summary = create_report([tmp_path / "results"], tmp_path / "report", n_boot=5, methods=())
    assert summary["cautions"][0].startswith("1 group stands in several folds")


def test_the_most_surely_wrong_clips_come_first():
    results = make_results("multi-label", labels=LABELS[:4])
    clips = clips_table(evaluated_rows(results), classes=results.classes)
    worst = worst_clips(clips, limit=5)
    assert not worst["correct"].any()
    assert worst["gap"].is_monotonic_decreasing
    assert worst["gap"].iloc[0] == clips.loc[~clips["correct"], "gap"].max()


def test_missed_and_wrong_labels_leave_out_the_unknown_ones():
    results = make_results("multi-label", labels=LABELS[:4])
    clips = clips_table(evaluated_rows(results), classes=results.classes)
    for row in clips.itertuples():
        truth, unknown, decided = (set(filter(None, text.split(";")))
                                   for text in (row.truth, row.unknown, row.decision))  # fmt: skip
        assert set(filter(None, row.missed.split(";"))) == truth - decided
        assert set(filter(None, row.wrong.split(";"))) == decided - truth - unknown


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_maps_keep_two_far_apart_clouds_apart(method, rng):
    clouds = np.concatenate([rng.normal(size=(30, 5)), rng.normal(size=(30, 5)) + 50])
    clouds -= clouds.mean(axis=0)
    points = project(clouds @ np.linalg.svd(clouds)[2].T, method=method)
    first, second = points[:30], points[30:]
    apart = np.linalg.norm(first.mean(axis=0) - second.mean(axis=0))
    assert apart > 2 * max(first.std(axis=0).max(), second.std(axis=0).max())


def test_a_map_of_equal_points_is_one_point():
    assert not project(np.ones((10, 3)), method="tsne").any()


@pytest.mark.parametrize(
    ("points", "method", "message"),
    [
        (np.ones((3, 2)), "pca", "at least 4 points, got 3"),
        (np.array([[1, np.nan]] + [[1, 1]] * 5), "pca", "finite numbers, got 1"),
        (np.ones((5, 2)), "mds", "method must be one of"),
    ],
    ids=["few points", "missing value", "unknown method"],
)
def test_what_cannot_be_mapped_is_refused(points, method, message):
    with pytest.raises(ValueError, match=message):
        project(points, method=method)


def test_a_draw_of_points_is_seeded_and_ordered():
    drawn = draw_points(10_000, limit=100, seed=1)
    assert len(set(drawn)) == 100
    assert (np.diff(drawn) > 0).all()
    assert (drawn == draw_points(10_000, limit=100, seed=1)).all()
    assert (draw_points(5) == np.arange(5)).all()


def test_labels_look_different_from_each_other():
    assert len({label_style(number) for number in range(56)}) == 56


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\nb  c", "a b c"), ("$x$", r"\$x\$"), ("_a", " _a"), ("x" * 40, "x" * 25 + "…")],
    ids=["lines", "formula", "underscore", "long"],
)
def test_any_label_can_be_drawn_as_plain_text(text, expected):
    assert plain(text) == expected


def test_plots_draw_on_the_axes_they_are_given():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert plot_confusion([[3, 1], [0, 0]], classes=["a", "b"], ax=ax) is ax
    assert [text.get_text() for text in ax.texts] == ["3", "1"]
