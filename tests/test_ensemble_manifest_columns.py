"""Columns of the manifest as a view: encoded in the fold, checked for leaks, asked for again."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classical.boosting import OneVsRestXGBClassifier
from commands.models import fit_ensemble, predict
from ensemble.ablation.leaving_out import ablate
from ensemble.ablation.views import score_without_views
from ensemble.bundle import load_bundle, save_bundle
from ensemble.clip_scores import gather_scores
from ensemble.column_checks import check_columns
from ensemble.column_encoder import ColumnEncoder
from ensemble.evaluation import evaluate_bundle
from ensemble.fitting import fit_bundle
from ensemble.manifest_columns import REFUSED, read_columns, take_columns
from ensemble.members import Member
from ensemble.model_files import load_model, save_model
from ensemble.prediction import predict_clips
from features.extraction import extract_table
from features.feature_set import FeatureSet, Part
from features.manifest import make_manifest, write_manifest
from features.table import FeatureTable, read_table
from features.temporal import zero_crossing_rate

N = 48
SMALL = FeatureSet(
    "small-v1",
    (Part("temporal", "zero_crossing_rate", zero_crossing_rate, functionals=("mean", "std")),),
)
# Two clips a group; label by group; genre says something of it, though not all.
GROUPS = np.arange(N) // 2
LABELS = np.array(["a", "b", "c"])[GROUPS % 3]
GENRES = np.array(["jazz", "rock", "folk"])[(GROUPS + (GROUPS // 3 % 3 == 2)) % 3]
GENRES[GROUPS % 4 == 3] = ""
YEARS = np.where(GROUPS % 5 == 4, "", (1950 + 7 * GROUPS % 60).astype(str))


def clip_table(**columns):
    given = {
        "path": [f"{row}.wav" for row in range(N)],
        "labels": LABELS,
        "group": [f"group {group}" for group in GROUPS],
        "genre": GENRES,
        "year": YEARS,
    }
    return pd.DataFrame(given | columns)


def table_of(root, clips=None):
    manifest = make_manifest(clip_table() if clips is None else clips, root)
    values = np.random.default_rng(0).normal(size=(len(manifest), SMALL.n_features))
    frame = pd.DataFrame(
        values.astype(np.float32),
        index=pd.Index(manifest.clips["clip_id"], name="clip_id"),
        columns=SMALL.feature_names,
    )
    failures = pd.DataFrame(columns=["clip_id", "path", "reason"])
    return FeatureTable(frame, manifest, failures, {"silent": [], "feature_set": SMALL.card()})


def fit(table, **settings):
    return fit_bundle(table, **({"folds": 3, "audit": False, "calibration": None} | settings))


def test_categories_are_one_hot_and_numbers_ranks_by_hand():
    X = pd.DataFrame(
        {"genre": ["jazz", "rock", "", "jazz"], "year": [1960.0, 1980.0, np.nan, 1960.0]}
    )
    encoder = ColumnEncoder(["genre"]).fit(X)
    names = ["genre=", "genre=jazz", "genre=rock", "year", "year missing"]
    assert encoder.get_feature_names_out().tolist() == names
    # Of 1960, 1960, 1980: 1960 stands in the middle of the lower two, 1980 of the highest one.
    expected = [
        [0, 1, 0, 1 / 3, 0],
        [0, 0, 1, 5 / 6, 0],
        [1, 0, 0, 1 / 2, 1],
        [0, 1, 0, 1 / 3, 0],
    ]
    np.testing.assert_allclose(encoder.transform(X), expected)
    # An unknown category is none of those; a number between two, or beyond, has its place.
    new = pd.DataFrame({"genre": ["polka"] * 3, "year": [1970.0, 1900.0, 2000.0]})
    expected = [[0, 0, 0, 2 / 3, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 0]]
    np.testing.assert_allclose(encoder.transform(new), expected)


def test_an_empty_cell_that_was_never_seen_is_no_category():
    encoder = ColumnEncoder(["genre"]).fit(pd.DataFrame({"genre": ["jazz", "rock"], "n": [1, 2]}))
    gaps = pd.DataFrame({"genre": [""], "n": [np.nan]})
    assert encoder.transform(gaps).tolist() == [[0.0, 0.0, 0.5]]


def test_many_numbers_are_kept_as_few_steps_of_a_rank():
    X = pd.DataFrame({"n": np.random.default_rng(0).permutation(10_000).astype(float)})
    encoder = ColumnEncoder().fit(X)
    assert len(encoder.knots_["n"]) == 200
    np.testing.assert_allclose(encoder.transform(X)[:, 0], X["n"] / 9_999, atol=0.005)


def test_columns_are_read_as_numbers_where_all_cells_are(tmp_path):
    clips = clip_table(mixed=["7", "seven"] * (N // 2), note=["1e3", " 2 ", "", "-0.5"] * (N // 4))
    view = read_columns(make_manifest(clips, tmp_path), ["note", "mixed", "genre"])
    assert view.columns == ["columns.note", "columns.mixed", "columns.genre"]
    assert view.card["categorical"] == ["mixed", "genre"]
    assert view.values["columns.note"][:2].tolist() == [1000.0, 2.0]
    assert np.isnan(view.values["columns.note"].iloc[2])
    assert view.values["columns.genre"].tolist() == GENRES.tolist()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_names_clips_labels_or_folds_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match=f"cannot be used: '{name}' is refused: it|a clip's group"):
        read_columns(make_manifest(clip_table(), tmp_path), [name])


def test_all_that_is_wrong_with_columns_is_said_at_once(tmp_path):
    message = (
        r"'group' is refused: .*; 'year' is asked for twice; 'gnre' is not there.*'genre'.* "
        r"\(there are .*, genre, year\)"
    )
    with pytest.raises(ValueError, match=message):
        fit(table_of(tmp_path), members=["logistic"], columns=["year", "gnre", "year", "group"])


def test_a_member_is_made_for_the_columns_and_its_scores_are_those_by_hand(tmp_path):
    table = table_of(tmp_path)
    own = Member(
        "own",
        make_pipeline(ColumnEncoder(["columns.genre"]), LogisticRegression()),
        ["columns.genre"],
    )
    bundle = fit(table, members=["logistic", own], columns=["genre", "year"])
    names = [member.name for member in bundle.stack.members_]
    assert names == ["logistic", "logistic@columns", "own"]
    assert bundle.stack.members_[1].columns == ["columns.genre", "columns.year"]
    scores = bundle.results.scores.query("model == 'own' and stage == 'oof'")
    folds = bundle.results.clips["fold"].to_numpy()
    for fold in range(3):
        rest = folds != fold
        known = sorted(set(GENRES[rest]))
        one_hot = (GENRES[:, None] == known).astype(float)
        model = LogisticRegression().fit(one_hot[rest], LABELS[rest])
        found = scores[["a", "b", "c"]].to_numpy()[~rest]
        np.testing.assert_allclose(found, model.predict_proba(one_hot[~rest]), atol=1e-6)


def test_categories_are_learned_inside_the_fold(tmp_path):
    """A genre that one fold alone has is unknown to the model that scores it."""
    genres = np.where(GROUPS < 3, "polka", GENRES)
    table = table_of(
        tmp_path, clip_table(genre=genres, fold=np.where(GROUPS < 3, 0, 1 + GROUPS % 2))
    )
    encoder = ColumnEncoder(["columns.genre"])
    member = Member("own", make_pipeline(encoder, LogisticRegression()), ["columns.genre"])
    bundle = fit(table, members=[member], columns=["genre"])
    scores = bundle.results.scores.query("model == 'own' and stage == 'oof'")
    polka = scores[["a", "b", "c"]].to_numpy()[genres == "polka"]
    np.testing.assert_allclose(polka, np.tile(polka[0], (6, 1)))
    final = bundle.stack.named_estimators_["own"][0]
    assert "polka" in final[0].categories_["columns.genre"]


def test_a_member_may_be_asked_for_the_columns_alone(tmp_path):
    bundle = fit(table_of(tmp_path), members=["svm", "xgb@columns"], columns=["genre"])
    names = [member.name for member in bundle.stack.members_]
    assert names == ["svm", "svm@columns", "xgb@columns"]
    alone = fit(table_of(tmp_path), members=["xgb@columns"], columns=["genre"])
    assert [member.name for member in alone.stack.members_] == ["xgb@columns"]


def test_own_members_without_columns_see_no_texts(tmp_path):
    member = Member("linear", LogisticRegression())
    bundle = fit(table_of(tmp_path), members=[member], columns=["genre"])
    assert bundle.stack.members_[0].columns == SMALL.feature_names


def test_columns_that_help_are_seen_to_help(tmp_path):
    hint = np.where(np.arange(N) % 8 < 6, LABELS, "?")
    bundle = fit(table_of(tmp_path, clip_table(hint=hint)), members=["logistic"], columns=["hint"])
    found = ablate(bundle.results, metrics=["map"], n_boot=20)
    alone = {part["part"]: part["without"]["map"]["value"] for part in found["alone"]}
    assert alone["logistic@columns"] > alone["logistic"] + 0.2


MEMBERS = ["svm", "xgb", "logistic", "extratrees"]


@pytest.fixture(scope="module")
def sounding(tmp_path_factory):
    """A corpus on disk, and its bundle with a member of each kind on features and columns."""
    root = tmp_path_factory.mktemp("sounding")
    for row in range(N):
        tone = np.sin(2 * np.pi * (200 + 150 * (GROUPS[row] % 3) + row) * np.arange(2000) / 8000)
        soundfile.write(root / f"{row}.wav", 0.5 * tone, 8000)
    manifest = make_manifest(clip_table(), root)
    table = extract_table(manifest, root / "X.parquet", feature_set=SMALL, use_cache=False)
    bundle = fit(table, members=MEMBERS, columns=["genre", "year"], work_dir=root / "bundle.work")
    save_bundle(bundle, root / "bundle")
    return root, manifest, bundle, load_bundle(root / "bundle", with_results=True)


def stacked(predictions):
    return np.array([list(each.probabilities.values()) for each in predictions])


def test_a_loaded_bundle_predicts_what_the_fitted_one_did(sounding):
    _, manifest, bundle, opened = sounding
    before, after = (
        list(predict_clips(each, manifest.audio_clips(), columns=manifest.clips))
        for each in (bundle, opened)
    )
    np.testing.assert_allclose(stacked(after), stacked(before), atol=1e-12)
    view = opened.card["views"][0]
    assert view == {
        "name": "columns", "kind": "columns", "columns": ["genre", "year"],
        "categorical": ["genre"],
    }  # fmt: skip


def test_columns_change_what_is_said_of_the_same_sound(sounding):
    _, manifest, _, opened = sounding
    clips = manifest.audio_clips()[:3]
    told = manifest.clips[:3].assign(genre="jazz")
    other = told.assign(genre="never heard of", year="")
    scores = [gather_scores(opened, clips, columns=each)[0] for each in (told, other)]
    for name in ("logistic@columns", "stack"):
        assert (scores[0][name] != scores[1][name]).all()
    np.testing.assert_array_equal(scores[0]["logistic"], scores[1]["logistic"])


def test_scores_are_the_same_in_chunks_and_varied(sounding, monkeypatch):
    _, manifest, _, opened = sounding
    clips = manifest.audio_clips()
    whole = stacked(predict_clips(opened, clips, columns=manifest.clips))
    monkeypatch.setattr("ensemble.clip_scores.CHUNK", 7)
    parts = stacked(predict_clips(opened, clips, columns=manifest.clips))
    np.testing.assert_allclose(parts, whole, atol=1e-12)
    varied = stacked(predict_clips(opened, clips[:9], columns=manifest.clips[:9], tta=2))
    assert np.abs(varied - whole[:9]).max() < 0.3


def test_a_bundle_that_looks_at_columns_says_that_it_needs_them(sounding):
    _, manifest, _, opened = sounding
    clips = manifest.audio_clips()[:2]
    message = "looks at the columns genre, year of a manifest, and sound alone has none: give a man"
    with pytest.raises(ValueError, match=message):
        list(predict_clips(opened, clips))
    with pytest.raises(ValueError, match="of a manifest, year not there: give a manifest that has"):
        list(predict_clips(opened, clips, columns=manifest.clips[:2].drop(columns="year")))


def test_a_cell_that_is_no_number_is_that_clips_trouble_alone(sounding):
    _, manifest, _, opened = sounding
    clips, told = manifest.audio_clips()[:3], manifest.clips[:3].copy()
    whole = list(predict_clips(opened, clips, columns=told))
    told.loc[told.index[1], "year"] = "sixties"
    found = list(predict_clips(opened, clips, columns=told))
    assert found[1].error == "column 'year' must hold a number, got 'sixties'"
    assert [found[0], found[2]] == [whole[0], whole[2]]


def test_another_corpus_is_evaluated_with_its_columns(sounding):
    root, manifest, bundle, opened = sounding
    with pytest.warns(UserWarning, match="named like clips that the bundle was made from"):
        results = evaluate_bundle(opened, manifest)
    predicted = stacked(predict_clips(bundle, manifest.audio_clips(), columns=manifest.clips))
    found = results.scores.query("model == 'stack'")[["a", "b", "c"]].to_numpy()
    np.testing.assert_allclose(found, predicted, atol=1e-6)
    without = make_manifest(clip_table().drop(columns=["genre"]), root)
    with (
        pytest.warns(UserWarning, match="named like"),
        pytest.raises(ValueError, match="genre not there"),
    ):
        evaluate_bundle(opened, without)


def test_families_of_features_can_be_left_out_beside_columns(sounding):
    root, *_, opened = sounding
    found = score_without_views(
        opened, read_table(root / "X.parquet"), views={"genre": ["columns.genre"]}
    )
    assert set(found["genre"]) == {f"{name}@columns" for name in MEMBERS}


def test_the_commands_hand_columns_and_calibration_on(sounding, tmp_path, capsys):
    root, manifest, *_ = sounding
    fit_ensemble(root / "X.parquet", tmp_path / "b", members="logistic", folds="3", jobs=1,
                 columns="genre, year", calibration="temperature", no_audit=True)  # fmt: skip
    opened = load_bundle(tmp_path / "b", with_results=True)
    assert [member.name for member in opened.stack.members_] == ["logistic", "logistic@columns"]
    assert opened.results.card["calibration"]["method"] == "temperature"
    write_manifest(manifest, root / "m.csv")
    write_manifest(replace(manifest, clips=manifest.clips.drop(columns="year")), root / "n.csv")
    capsys.readouterr()
    predict(tmp_path / "b", [root / "m.csv"], as_json=True)
    found = [list(each["probabilities"].values()) for each in json.loads(capsys.readouterr().out)]
    expected = predict_clips(opened, manifest.audio_clips(), columns=manifest.clips)
    np.testing.assert_allclose(found, stacked(expected), atol=1e-12)
    for beside in ([root / "0.wav"], [root / "n.csv"]):
        with pytest.raises(ValueError, match=r"(genre, )?year not there"):
            predict(tmp_path / "b", [root / "m.csv", *beside])


def test_finished_fits_of_members_with_columns_are_found_again(sounding, tmp_path):
    table = table_of(tmp_path)
    settings = {"members": ["xgb", "svm"], "columns": ["genre"], "work_dir": tmp_path / "w"}
    first = fit(table, **settings)
    kept = sorted(path.stat().st_mtime_ns for path in (tmp_path / "w").glob("*/fit.json"))
    assert len(kept) == 16
    again = fit(table, **settings)
    pd.testing.assert_frame_equal(first.results.scores, again.results.scores)
    assert kept == sorted(p.stat().st_mtime_ns for p in (tmp_path / "w").glob("*/fit.json"))


def codes(n_each, n_values):
    return np.repeat(np.arange(n_values), n_each)


def check(column, truth, groups=None, classes=("a", "b", "c")):
    groups = np.arange(len(truth)) if groups is None else groups
    frame = pd.DataFrame({"x": column})
    frame["x"] = frame["x"].astype(float if frame["x"].dtype.kind in "if" else object)
    return check_columns(frame, truth, groups, classes=classes)


ONE_OF_THREE = np.eye(3, dtype=np.int8)[np.arange(60) % 3]


@pytest.mark.parametrize(
    ("column", "groups", "message"),
    [
        (["same"] * 60, None, "'x' holds the same for all training clips"),
        ([f"clip {row}" for row in range(60)], None, "other categories for each clip, 60 for 60"),
        (
            [f"song {row // 4}" for row in range(60)],
            np.arange(60) // 4,
            "for each group, 15 for 60",
        ),
        (np.array(["x", "y", "z"])[np.arange(60) % 3], None, "is the labels by another name"),
        (np.arange(60) % 3, None, "is the labels by another name"),
        (np.where(np.arange(60) % 3 == 1, "yes", "no"), None, "is the label 'b' by another name"),
        (np.where(np.arange(60) % 3 == 1, np.nan, 7.0), None, "is the label 'b' by another name"),
    ],
    ids=["constant", "id", "group", "renamed", "coded", "one label", "missing"],
)
def test_ids_and_labels_by_another_name_are_refused(column, groups, message):
    truth = ONE_OF_THREE if groups is None else np.roll(ONE_OF_THREE, 1, axis=0)
    with pytest.raises(ValueError, match=message):
        check(column, truth, groups)


def test_a_column_that_settles_labels_is_cautioned_against():
    makers = np.array(["Stradivari", "Amati", "Steinway", "Bechstein", "Buffet", "Selmer"])
    (caution,) = check(makers[np.arange(60) % 3 * 2 + np.arange(60) // 3 % 2], ONE_OF_THREE)
    assert caution.startswith("'x' gives labels away")
    assert "'a', 'b', 'c' alone" in caution
    # Here only one of the labels is settled, by one value.
    part = np.where(
        np.arange(60) % 3 == 0, "violin shop", np.array(["x", "y"])[np.arange(60) // 30]
    )
    assert "the absence of 'a' alone" in check(part, ONE_OF_THREE)[0]


def test_numbers_counted_up_are_cautioned_against():
    (caution,) = check(np.arange(60), ONE_OF_THREE)
    assert "another whole number for each clip, as an id does" in caution
    assert check(np.arange(60) + 0.5, ONE_OF_THREE) == []


def test_columns_that_know_nothing_for_sure_are_welcome(rng):
    for _ in range(20):
        genres = rng.choice(["jazz", "rock", "folk", ""], 60)
        assert check(genres, ONE_OF_THREE) == []
        assert check(rng.integers(1950, 2000, 60), ONE_OF_THREE) == []


def test_unknown_labels_prove_nothing():
    truth = ONE_OF_THREE.copy()
    truth[:, 1] = -1
    column = np.where(np.arange(60) % 3 == 1, "yes", "no")
    assert check(column, truth) == []


def test_chance_of_few_clips_is_no_giveaway(rng):
    """A rare label in a category of its own: two clips of one group prove nothing."""
    truth = np.zeros((60, 1), dtype=np.int8)
    truth[:2] = 1
    groups = np.arange(60) // 2
    column = np.where(np.arange(60) < 2, "odd", np.array(["x", "y"])[groups % 2])
    assert check(column, truth, groups, classes=["rare"]) == []


def test_a_leaking_column_is_refused_and_a_suspicious_one_shown_in_the_results(tmp_path):
    shops = np.array(["A1", "A2", "B1", "B2", "C1", "C2"])[GROUPS % 3 * 2 + GROUPS // 3 % 2]
    clips = clip_table(instrument=np.char.upper(LABELS), shop=shops)
    table = table_of(tmp_path, clips)
    with pytest.raises(ValueError, match="'instrument' is the labels by another name"):
        fit(table, members=["logistic"], columns=["instrument", "genre"])
    with pytest.warns(UserWarning, match="'shop' gives labels away"):
        bundle = fit(table, members=["logistic"], columns=["shop"])
    assert "'shop' gives labels away" in bundle.results.card["warnings"][0]


def test_only_training_rows_are_checked(tmp_path):
    """In the test rows the column equals the label, in the training rows it does not."""
    split = np.where(GROUPS < 18, "train", "test")
    hint = np.where(GROUPS < 18, GENRES, LABELS)
    table = table_of(tmp_path, clip_table(split=split, hint=hint))
    bundle = fit(table, members=["logistic"], columns=["hint"])
    assert set(bundle.results.scores["stage"]) == {"oof", "test"}


def test_a_pipeline_that_ends_in_a_booster_is_saved_by_its_steps(tmp_path, rng):
    X = rng.normal(size=(40, 3))
    y = np.where(X[:, 0] > 0, "a", "b")
    model = make_pipeline(StandardScaler(), OneVsRestXGBClassifier(5, random_state=0)).fit(X, y)
    entry = save_model(model, tmp_path, "model")
    assert entry == {"format": "pipeline", "path": "model"}
    loaded = load_model("pipeline", tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    steps = json.loads((tmp_path / "model" / "pipeline.json").read_text())
    (tmp_path / "model" / "pipeline.json").write_text(
        json.dumps([steps[0] | {"path": "../elsewhere.skops"}, steps[1]])
    )
    with pytest.raises(ValueError, match=r"lie beside each other, got \['\.\./elsewhere"):
        load_model("pipeline", tmp_path / "model")


def test_numbers_stay_numbers_whatever_the_other_manifest_holds():
    card = {"columns": ["year"], "categorical": []}
    values, failures = take_columns(pd.DataFrame({"year": ["1960", "", "x", "inf"]}), card)
    np.testing.assert_array_equal(values["columns.year"], [1960.0, np.nan, np.nan, np.nan])
    assert sorted(failures) == [2, 3]
