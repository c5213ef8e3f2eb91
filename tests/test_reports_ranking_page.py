"""The page about a feature ranking: answer, tables, pictures, and names that stay text."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from reports.plots.ranking import plot_clusters, plot_importance, plot_label_gains, plot_variance
from reports.ranking_page import create_ranking_page
from reports.ranking_pictures import make_ranking_pictures
from reports.ranking_words import describe_ranking, known_by_model, list_ranking_cautions

HOSTILE = '"><script>document.title="owned"</script> $x_{$'


def leaves(name, values, spread=0.01):
    values = np.asarray(values, dtype=float)
    return {name: values, f"{name}_low": values - spread, f"{name}_high": values + spread}


def score(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def make_ranking(*, loss=0.1, folds=5, name="mfcc_00_mean"):
    """Four features in three clusters and two families."""
    names = [name, "mfcc_00_p50", "flux_mean", "flux_std"]
    features = pd.DataFrame(
        {
            "feature": names,
            "rank": [1, 2, 3, 4],
            "family": ["mfcc", "mfcc", "flux", "flux"],
            "cluster": [1, 1, 2, 3],
            "representative": [True, False, True, True],
            "variance": [1e4, 1e4, 0.2, 0.0],
            "cv": [np.nan, np.nan, 0.5, 0.0],
            "spread": [0.3, 0.29, 0.5, 0.0],
            "anova_f": [90.0, 80.0, 2.0, 0.0],
            "mutual_information": [0.9, 0.8, 0.1, 0.0],
            "best_label": ["cello", "cello", "flute", ""],
            **leaves("roc_auc", [0.8, 0.8, 0.6, 0.5]),
            **leaves("permutation", [0.06, 0.06, 0.005, 0.0]),
            **leaves("gain", [0.5, 0.2, 0.1, 0.0]),
        }
    )
    families = pd.DataFrame(
        {
            "family": ["mfcc", "flux"],
            "features": [2, 2],
            "clusters": [1, 2],
            "best_feature": [name, "flux_mean"],
            **leaves("permutation", [0.06, 0.005]),
            **leaves("gain", [0.6, 0.1]),
        }
    )
    gains = pd.DataFrame([[0.9, 0.3], [0.0, 0.1]], ["mfcc", "flux"], ["cello", "flute"])
    alike = np.eye(4)
    alike[0, 1] = alike[1, 0] = -0.95
    scores = {
        "log_loss": score(loss), "chance_log_loss": score(0.2), "roc_auc": score(0.9),
        "folds": folds, "rows": 120, "labels": 2,
    }  # fmt: skip
    return {
        "features": features,
        "families": families,
        "label_gains": gains,
        "correlation": pd.DataFrame(alike, names, names),
        "scores": scores,
    }


def write(ranking, out_dir, **settings):
    features = ranking["features"]
    others = {key: value for key, value in ranking.items() if key != "features"}
    summary = create_ranking_page(features, out_dir, **others, **settings)
    return summary, (out_dir / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "ranking"
    return folder, *write(make_ranking(), folder, title="Two instruments")


def test_the_page_answers_in_words(written):
    _, summary, page = written
    assert summary["sentences"] == [
        "Of 4 features in 3 clusters of like ones, 1 cluster helps beyond chance on sound that the "
        "model never heard.",
        "The family mfcc matters most: with its 2 features shuffled, 60 % of what the model knows "
        "is lost.",
        "How much a feature varies says something about how much it matters: their rank "
        "correlation is 0.40.",
    ]
    assert all(sentence in page for sentence in summary["sentences"])
    assert "<h1>Two instruments</h1>" in page


def test_the_tables_and_pictures_lie_beside_it(written):
    folder, summary, page = written
    ranking = make_ranking()
    pictures = ["top_features", "families", "labels", "clusters", "variance"]
    assert summary["figures"] == pictures
    for name in pictures:
        assert f'id="figure-{name}"' in page
        for kind in ("png", "svg"):
            assert (folder / "figures" / f"{name}.{kind}").stat().st_size > 1000
    again = pd.read_csv(folder / "ranking.csv", keep_default_na=False)
    assert again["feature"].tolist() == ranking["features"]["feature"].tolist()
    assert again.columns.tolist() == ranking["features"].columns.tolist()
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert scores == ranking["scores"]
    assert sorted(path.name for path in (folder / "tables").iterdir()) == [
        "families.csv",
        "label_gains.csv",
    ]


def test_the_page_needs_nothing_from_outside(written):
    page = written[2]
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page) == []


def test_names_stay_text(tmp_path):
    _, page = write(make_ranking(name=HOSTILE), tmp_path / "ranking", title=HOSTILE)
    assert "<script" not in page


def test_an_older_page_is_replaced_and_nothing_else_is(tmp_path):
    (tmp_path / "ranking").mkdir()
    for name in ("index.html", "ranking.csv", "old.txt"):
        (tmp_path / "ranking" / name).touch()
    _, page = write(make_ranking(), tmp_path / "ranking", title="Again")
    assert "<h1>Again</h1>" in page
    assert not (tmp_path / "ranking" / "old.txt").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    with pytest.raises(FileExistsError, match="not ours to replace"):
        write(make_ranking(), tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "ranking"]


def test_what_is_missing_is_named_at_once(tmp_path):
    ranking = make_ranking()
    ranking["features"] = ranking["features"].drop(columns=["gain", "spread"])
    del ranking["scores"]["folds"]
    ranking["label_gains"] = ranking["label_gains"].iloc[:1]
    with pytest.raises(
        ValueError, match=r"features must have spread, gain; scores must have folds; label_gains"
    ):
        write(ranking, tmp_path / "ranking")
    assert list(tmp_path.iterdir()) == []


def test_no_feature_is_no_page(tmp_path):
    ranking = make_ranking()
    ranking["features"] = ranking["features"][:0]
    with pytest.raises(ValueError, match="at least one feature"):
        write(ranking, tmp_path / "ranking")


def test_a_model_that_knows_nothing_is_told(tmp_path):
    ranking = make_ranking(loss=0.25)
    summary, page = write(ranking, tmp_path / "ranking")
    assert known_by_model(ranking["scores"]) is None
    assert summary["sentences"][-1] == "The model tells the labels no better than chance does."
    assert "no better than chance on held-out rows" in summary["cautions"][0]
    assert "Loss (mnat)" in page


def test_cautions_speak_of_folds_constants_and_selection():
    ranking = make_ranking(folds=2)
    cautions = list_ranking_cautions(ranking["features"], ranking["scores"])
    assert [words.split()[0] for words in cautions] == ["Intervals", "1", "This"]
    assert "cross-validation too good" in cautions[-1]


def test_one_family_and_no_clusters_make_fewer_pictures():
    ranking = make_ranking()
    ranking["features"] = ranking["features"].assign(family="mfcc", cluster=[1, 2, 3, 4], spread=0)
    ranking["families"] = ranking["families"][:1]
    ranking["label_gains"] = ranking["label_gains"][:1]
    features = ranking.pop("features")
    assert [picture.name for picture in make_ranking_pictures(features, **ranking)] == [
        "top_features"
    ]
    assert len(describe_ranking(features, ranking["families"], ranking["scores"])) == 2


def test_dots_are_filled_where_the_interval_is_above_zero():
    table = make_ranking()["features"]
    figure = plot_importance(table, names=table["feature"], panels={"permutation": "nats"})
    filled, hollow = (line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert filled.get_xdata().tolist() == [0.06, 0.06]
    assert hollow.get_markerfacecolor() == "white"
    assert hollow.get_xdata().tolist() == [0.005, 0.0]


def test_missing_intervals_leave_dots_alone():
    table = make_ranking()["features"].assign(gain_low=np.nan, gain_high=np.nan)
    figure = plot_importance(table, names=table["feature"], panels={"gain": "log odds"})
    assert figure.axes[0].collections[0].get_segments() == []


def test_shares_are_written_into_cells():
    shares = pd.DataFrame([[75.0, 25.0], [np.nan, np.nan]], ["cello", "gong"], ["mfcc", "flux"])
    ax = plot_label_gains(shares)
    assert [text.get_text() for text in ax.texts] == ["75", "25"]


def test_clusters_are_framed_and_numbered():
    ranking = make_ranking()
    ax = plot_clusters(ranking["correlation"].iloc[:3, :3], clusters=[1, 1, 4])
    assert [(frame.get_width(), frame.get_xy()) for frame in ax.patches] == [
        (2, (-0.5, -0.5)),
        (1, (1.5, 1.5)),
    ]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "4"]


def test_named_features_are_written():
    ax = plot_variance(make_ranking()["features"], named=["flux_mean", "mfcc_00_p50"])
    assert sorted(text.get_text() for text in ax.texts) == ["flux_mean", "mfcc_00_p50"]
