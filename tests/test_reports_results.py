"""Results: what is written is read again, problems are listed together, parents are the unit."""

import json

import numpy as np
import pandas as pd
import pytest

from reports.results import Results, read_results, write_results

TABLES = ("clips", "truth", "scores", "decisions", "projection")
CLASSES = ["cello", "flute"]


@pytest.fixture
def results():
    """Three windows of two recordings: the first two windows belong together."""
    ids = pd.Index(["a#0", "a#1", "b#0"], name="clip_id")
    keys = pd.DataFrame(
        {"model": ["stack"] * 3 + ["svm"] * 3, "stage": "oof", "clip_id": [*ids, *ids]}
    )
    scores = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]] * 2, dtype=np.float32)
    decided = np.array([[1, 0], [1, 0], [0, 1]] * 2, dtype=np.int8)
    truth = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.int8)
    points = np.array([[0, 1], [2, 3], [4, 5]], dtype=np.float32)
    return Results(
        classes=CLASSES,
        task="single-label",
        clips=pd.DataFrame(
            {
                "parent": ["a", "a", "b"],
                "group": ["g", "g", "h"],
                "fold": [0, 0, 1],
                "split": "train",
            },
            index=ids,
        ),
        truth=pd.DataFrame(truth, index=ids, columns=CLASSES),
        scores=pd.concat([keys, pd.DataFrame(scores, columns=CLASSES)], axis=1),
        decisions=pd.concat([keys, pd.DataFrame(decided, columns=CLASSES)], axis=1),
        projection=pd.concat(
            [
                pd.DataFrame({"view": "features", "clip_id": ids}),
                pd.DataFrame(points, columns=["pc_00", "pc_01"]),
            ],
            axis=1,
        ),
        card={"seed": 3, "notes": ["A note."]},
    )


def test_what_is_written_is_read_again(results, tmp_path):
    write_results(results, tmp_path / "results")
    again = read_results(tmp_path / "results")
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(results, name))
    assert (again.classes, again.task) == (results.classes, results.task)
    assert again.card["notes"] == ["A note."]


def test_a_bundle_gives_the_results_inside_it(results, tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "card.json").write_text("{}")
    write_results(results, tmp_path / "bundle" / "results")
    assert read_results(tmp_path / "bundle").models == ["stack", "svm"]


def test_older_results_are_replaced_and_nothing_else_is_left(results, tmp_path):
    for _ in range(2):
        write_results(results, tmp_path / "results")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_unsound_results_leave_nothing_behind(results, tmp_path):
    results.task = "other"
    with pytest.raises(ValueError, match="task must be one of"):
        write_results(results, tmp_path / "results")
    assert not list(tmp_path.iterdir())


def test_a_directory_of_something_else_is_never_replaced(results, tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "card.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"has no scores\.parquet"):
        write_results(results, tmp_path / "bundle")
    assert (tmp_path / "bundle" / "card.json").read_text() == "{}"


def test_a_directory_without_results_is_told_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no results"):
        read_results(tmp_path)


def test_a_newer_schema_is_refused(results, tmp_path):
    card = write_results(results, tmp_path / "results") / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "schema_version": 99}))
    with pytest.raises(ValueError, match="schema version 99, this version reads up to 2"):
        read_results(tmp_path / "results")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "must be JSON"), ("[]", "card of results"), ("{}", "schema_version")],
)
def test_a_broken_card_is_refused(results, tmp_path, text, message):
    (write_results(results, tmp_path / "results") / "card.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_results(tmp_path / "results")


def test_parents_are_scored_by_the_mean_of_their_clips(results):
    parents = results.per_parent()
    assert list(parents.clips.index) == ["a", "b"]
    stack = parents.scores.query("model == 'stack'").set_index("clip_id")[CLASSES]
    np.testing.assert_allclose(stack, [[0.7, 0.3], [0.1, 0.9]], atol=1e-6)
    np.testing.assert_allclose(parents.projection[["pc_00", "pc_01"]], [[1, 2], [4, 5]])
    assert parents.truth.to_numpy().tolist() == [[1, 0], [0, 1]]
    assert parents.clips["group"].tolist() == ["g", "h"]
    parents.check()


def test_all_problems_are_listed_at_once(results):
    results.clips.loc["a#1", "group"] = "other"
    results.truth.iloc[2, 0] = 5
    results.scores.loc[0, "cello"] = np.nan
    results.decisions.loc[0, "cello"] = 2
    with pytest.raises(ValueError, match="4 problem") as caught:
        results.check()
    for words in ("agree in group", "truth must hold only", "probabilities from 0 to 1",
                  "decisions must hold only 0 and 1"):  # fmt: skip
        assert words in str(caught.value)


def _spoil(name, change):
    return lambda results: setattr(results, name, change(getattr(results, name)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_spoil("classes", lambda _: ["cello", "cello"]), "two or more different names"),
        (_spoil("classes", lambda _: ["cello", "model"]), "must not be called"),
        (_spoil("truth", lambda table: table[::-1]), "same clip_ids as clips"),
        (_spoil("truth", lambda table: table * 0), "exactly one 1 and no -1"),
        (_spoil("scores", lambda table: table.assign(stage="train")), "stage must be one of"),
        (_spoil("scores", lambda table: table.assign(model="svm")), "must hold the model 'stack'"),
        (_spoil("scores", lambda table: table.assign(clip_id="z")), "must be of listed clips"),
        (_spoil("decisions", lambda table: table[::-1]), "must have the rows of scores"),
        (_spoil("clips", lambda table: table.assign(split="dev")), "split must be one of"),
        (_spoil("clips", lambda table: table.assign(parent="")), "every clip needs a parent"),
        (_spoil("clips", lambda table: table.drop(columns="fold")), "missing \\['fold'\\]"),
        (_spoil("projection", lambda table: table.assign(clip_id="a#0")), "one row for each view"),
        (_spoil("card", lambda _: {"loss": float("nan")}), "card must be JSON"),
    ],
)
def test_each_problem_is_named(results, spoil, message):
    spoil(results)
    with pytest.raises(ValueError, match=message):
        results.check()


def test_models_come_in_the_order_of_a_report(results):
    order = {"svm": "chance", "stack": "xgb"}
    more = results.scores.assign(model=results.scores["model"].map(order))
    results.scores = pd.concat([more, results.scores], ignore_index=True)
    assert results.models == ["stack", "xgb", "svm", "chance"]
    assert results.members == ["xgb", "svm"]
