"""Feature table to bundle to prediction, on a small corpus of tones, chords and noises."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
import soundfile
from scipy.special import expit, logit
from sklearn.ensemble import RandomForestClassifier

from classical.boosting import OneVsRestXGBClassifier
from classical.svm import OneVsRestSVMClassifier
from deep.classifier import AudioBackboneClassifier
from ensemble.averages import AVERAGES
from ensemble.bundle import CLIP, load_bundle, save_bundle
from ensemble.bundle_schema import upgrade_card
from ensemble.calibration import read_calibration
from ensemble.evaluation import evaluate_bundle
from ensemble.finished_fits import work_folder
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.prediction import predict_clips
from features.audio import Clip
from features.corpora.layouts import read_corpus
from features.extraction import extract_table
from features.manifest import make_manifest, read_manifest
from reports.results import read_results

# Written by this toolkit when their version was the last one, of two linear members.
EARLIER_CARDS = json.loads(Path(__file__).with_name("earlier_bundle_cards.json").read_text())

SR = 22050
KINDS = ("chord", "noise", "tone")


def sound(kind: str, pitch: int, take: int) -> np.ndarray:
    rng = np.random.default_rng([pitch, take])
    t = np.arange(SR // 4) / SR
    hum = 0.02 * rng.standard_normal(len(t))
    if kind == "noise":
        return 0.3 * rng.standard_normal(len(t))
    partials = (1.0, 1.26, 1.5) if kind == "chord" else (1.0,)
    f0 = 200.0 * 2 ** (pitch / 12)
    return 0.2 * sum(np.sin(2 * np.pi * f0 * p * t) for p in partials) + hum


def write_corpus(root, *, several: bool):
    """Two takes of eight pitches a kind; a pitch is a group. With `several`, mixtures to test."""
    rows = []

    def write(name, waveform, **columns):
        path = root / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.clip(waveform, -1, 1), SR)
        rows.append({"path": f"{name}.wav", **columns})

    for kind in KINDS:
        for pitch in range(8):
            for take in range(2):
                write(
                    f"{kind}/{pitch}_{take}",
                    sound(kind, pitch, take),
                    labels=kind,
                    group=f"{kind}{pitch}",
                    split="train",
                )
    for split, first in (("validation", 20), ("test", 40)) if several else ():
        for number in range(12):
            kinds = [KINDS[number % 3], KINDS[(number + 1 + number // 6) % 3]]
            kinds = sorted(set(kinds[: 1 + number % 2]))
            mixture = sum(sound(kind, first + number, 0) for kind in kinds)
            write(
                f"{split}/{number}",
                0.5 * mixture,
                labels=";".join(kinds),
                group=f"{split}{number // 2}",
                split=split,
            )
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    return root


def members(feature_names, *, deep: bool):
    classical = list(feature_names)
    found = [
        Member("svm", OneVsRestSVMClassifier(n_splits=2, random_state=0), classical),
        Member("xgb", OneVsRestXGBClassifier(n_estimators=15, random_state=0), classical),
    ]
    if deep:
        net = AudioBackboneClassifier(epochs=2, batch_size=16, random_state=0, max_seconds=0.3)
        found.append(Member("crnn", net, [CLIP]))
    return found


def fit(root, tmp, *, deep=False, **settings):
    table = extract_table(
        read_corpus(root), tmp / "X.parquet", feature_set="compact-v1", use_cache=False
    )
    made = members(table.values.columns, deep=deep)
    with warnings.catch_warnings():
        # Two epochs on forty clips: no claim to converge.
        warnings.simplefilter("ignore")
        return table, fit_bundle(table, members=made, folds=3, **settings)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    root = write_corpus(tmp_path_factory.mktemp("single"), several=False)
    table, bundle = fit(root, tmp_path_factory.mktemp("made"), deep=True)
    folder = tmp_path_factory.mktemp("saved") / "bundle"
    save_bundle(bundle, folder)
    return root, table, bundle, folder


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    root = write_corpus(tmp_path_factory.mktemp("several"), several=True)
    table, bundle = fit(root, tmp_path_factory.mktemp("made"))
    folder = tmp_path_factory.mktemp("saved") / "bundle"
    save_bundle(bundle, folder)
    return root, table, bundle, folder


def columns(table):
    return table.values.assign(**{CLIP: table.rows().audio_clips()})


def test_a_saved_bundle_predicts_what_the_fitted_one_did(single):
    _, table, bundle, folder = single
    X = columns(table)
    opened = load_bundle(folder)
    for name, scores in bundle.stack.score_models(X).items():
        np.testing.assert_allclose(opened.stack.score_models(X)[name], scores, atol=1e-12)
    np.testing.assert_array_equal(opened.stack.predict(X), bundle.stack.predict(X))


def test_the_stack_tells_tones_from_chords_from_noise(single):
    _, _, bundle, _ = single
    scores = bundle.results.scores.query("model == 'stack'").set_index("clip_id")
    truth = bundle.results.truth.loc[scores.index].to_numpy()
    right = scores[list(KINDS)].to_numpy().argmax(axis=1) == truth.argmax(axis=1)
    assert right.mean() > 0.9


def test_a_bundle_holds_no_pickle_and_lists_every_part(single):
    *_, folder = single
    card = json.loads((folder / "card.json").read_text())
    parts = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert parts == set(card["parts"]) | {"card.json"}
    assert {p.rsplit(".", 1)[-1] for p in parts} <= {
        "json",
        "skops",
        "ubj",
        "safetensors",
        "parquet",
    }
    assert any(p.endswith(".safetensors") for p in parts)


def test_all_fold_networks_ship(single):
    *_, folder = single
    assert len(list((folder / "members" / "crnn").glob("*/*.safetensors"))) == 3


def test_a_changed_part_is_refused(single, tmp_path):
    *_, folder = single
    copy = shutil.copytree(folder, tmp_path / "bundle")
    part = copy / "final.skops"
    part.write_bytes(part.read_bytes() + b" ")
    with pytest.raises(ValueError, match=r"part final\.skops was changed"):
        load_bundle(copy)


def edit_card(folder, tmp_path, change):
    copy = shutil.copytree(folder, tmp_path / "bundle")
    card = json.loads((copy / "card.json").read_text())
    change(card)
    (copy / "card.json").write_text(json.dumps(card))
    return copy


def test_a_part_outside_the_bundle_is_refused(single, tmp_path):
    (tmp_path / "secret").write_text("x")
    copy = edit_card(single[-1], tmp_path, lambda card: card["parts"].update({"../secret": "0"}))
    with pytest.raises(ValueError, match=r"'\.\./secret' lies outside the bundle"):
        load_bundle(copy)


def test_a_model_that_the_card_does_not_vouch_for_is_refused(single, tmp_path):
    def point_elsewhere(card):
        card["members"][0]["models"][0]["path"] = "results"

    def point_at_nothing(card):
        card["members"][0]["models"][0]["path"] = "members/other"

    with pytest.raises(ValueError, match="not among the parts"):
        load_bundle(edit_card(single[-1], tmp_path, point_at_nothing))


def test_a_foreign_type_in_a_part_is_refused(single, tmp_path):
    class Foreign:
        pass

    copy = shutil.copytree(single[-1], tmp_path / "bundle")
    skops.io.dump([Foreign()], copy / "final.skops")
    card = json.loads((copy / "card.json").read_text())
    import hashlib

    card["parts"]["final.skops"] = hashlib.sha256((copy / "final.skops").read_bytes()).hexdigest()
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="types that are not trusted"):
        load_bundle(copy)


def test_a_later_schema_is_refused_with_advice(single, tmp_path):
    copy = edit_card(single[-1], tmp_path, lambda card: card.update(schema_version=99))
    with pytest.raises(ValueError, match="upgrade timbrestack"):
        load_bundle(copy)


def as_of_version_2(card):
    """What the second version wrote: slopes and offsets of sigmoids, or no calibration."""
    del card["calibration_asked"]
    card["schema_version"] = 2
    if card["calibration"] is not None:
        n_labels = len(card["classes"])
        lines = {name: given["parameters"] for name, given in card["calibration"].items()}
        card["calibration"] = {**lines, "chance": [[1.0, 0.0]] * n_labels}


def as_of_version_1(card):
    """What the first version wrote: no word of averages, views or the final estimator's sight."""
    as_of_version_2(card)
    for later in ("final", "averages", "views", "runs", "nested"):
        del card[later]
    for fitted in ("thresholds", "calibration"):
        if card[fitted] is not None:
            for average in AVERAGES[1:]:
                del card[fitted][average]
    card["schema_version"] = 1


@pytest.fixture(scope="module", params=["none", "sigmoid"])
def earlier(request, tmp_path_factory, single, several):
    """Bundles of what earlier versions could do: calibrated on validation rows by lines, or not."""
    _, table, *_ = single if request.param == "none" else several
    made = members(table.values.columns, deep=False)
    bundle = fit_bundle(table, members=made, folds=3, calibration=request.param)
    folder = tmp_path_factory.mktemp("earlier") / "bundle"
    save_bundle(bundle, folder)
    return table, bundle, folder


@pytest.mark.parametrize("as_it_was", [as_of_version_1, as_of_version_2], ids=["1", "2"])
def test_a_bundle_of_an_earlier_version_opens_and_says_what_it_said(earlier, as_it_was, tmp_path):
    table, bundle, folder = earlier
    old = load_bundle(edit_card(folder, tmp_path, as_it_was), with_results=True)
    X = columns(table)
    now, then = bundle.stack.score_models(X), old.stack.score_models(X)
    assert set(now) - set(then) == set(AVERAGES[1:] if as_it_was is as_of_version_1 else ())
    for name, scores in then.items():
        np.testing.assert_allclose(scores, now[name], atol=1e-12)
    decided = old.stack.decide_models(then)
    np.testing.assert_array_equal(decided["stack"], bundle.stack.decide_models(now)["stack"])
    save_bundle(old, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "card.json").read_text())["schema_version"] == 3
    again = load_bundle(tmp_path / "new").stack.predict_proba(X)
    np.testing.assert_allclose(again, then["stack"], atol=1e-12)


@pytest.mark.parametrize("card", EARLIER_CARDS, ids=lambda card: card["made_as"])
def test_the_earlier_layout_is_the_one_that_was_written(earlier, card, tmp_path):
    as_it_was = {1: as_of_version_1, 2: as_of_version_2}[card["schema_version"]]
    copied = json.loads((edit_card(earlier[-1], tmp_path, as_it_was) / "card.json").read_text())
    assert set(copied) == set(card) - {"made_as"}
    upgraded = upgrade_card(card, "here")
    assert upgraded["schema_version"] == 3
    for name, given in (upgraded["calibration"] or {}).items():
        found = read_calibration(given).apply(np.full((2, len(card["classes"])), 0.3))
        slopes, offsets = np.transpose(card["calibration"][name])
        np.testing.assert_allclose(found[0], expit(slopes * logit(0.3) + offsets))


def test_a_bundle_of_no_version_says_what_to_do(single, tmp_path):
    copy = edit_card(single[-1], tmp_path, lambda card: card.update(schema_version=0))
    with pytest.raises(ValueError, match="has schema 0, the first is 1: fit it again"):
        load_bundle(copy)


def test_averages_come_from_a_loaded_bundle_too(several):
    _, table, bundle, folder = several
    opened = load_bundle(folder).stack
    scores = opened.score_models(columns(table))
    expected = bundle.stack.score_models(columns(table))
    for name in AVERAGES:
        np.testing.assert_allclose(scores[name], expected[name], atol=1e-12)
        np.testing.assert_array_equal(
            opened.decide_models(scores)[name], bundle.stack.decide_models(expected)[name]
        )


def test_a_final_estimator_that_could_not_be_loaded_is_refused_when_saving(single, tmp_path):
    _, table, *_ = single
    bundle = fit_bundle(table, members=members(table.values.columns, deep=False), folds=2)
    bundle.stack.final_estimators_ = [RandomForestClassifier(2).fit([[0], [1]], [0, 1])]
    with pytest.raises(ValueError, match=r"in final cannot be saved.*sklearn\.tree\._tree\.Tree"):
        save_bundle(bundle, tmp_path / "bundle")


def test_the_work_folder_goes_when_the_bundle_is_whole(single, tmp_path):
    _, table, *_ = single
    work = work_folder(tmp_path / "bundle")
    settings = {"members": members(table.values.columns, deep=False), "folds": 2, "work_dir": work}
    bundle = fit_bundle(table, **settings)
    assert len(list(work.glob("*/fit.json"))) == 6
    again = fit_bundle(table, **settings, nested=False)
    pd.testing.assert_frame_equal(bundle.results.scores, again.results.scores)
    save_bundle(bundle, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert load_bundle(tmp_path / "bundle").work_dir is None


def test_an_older_definition_of_the_features_is_refused(single, tmp_path):
    copy = edit_card(single[-1], tmp_path, lambda card: card["feature_set"].update(revision=-1))
    with pytest.raises(ValueError, match=r"revision -1 of the numbers.*; install timbrestack 0"):
        list(predict_clips(load_bundle(copy), [Clip("any.wav")]))


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.pop("members"),
        lambda card: card.update(schema_version="new"),
        lambda card: card.update(parts=[1]),
        lambda card: card.update(members="svm"),
        lambda card: card.pop("feature_set"),
    ],
    ids=["no-members", "schema", "parts", "members", "features"],
)
def test_a_damaged_card_is_told_from_an_error_of_ours(single, tmp_path, change):
    with pytest.raises(ValueError, match="its card is damaged"):
        load_bundle(edit_card(single[-1], tmp_path, change))


def test_a_card_that_is_no_object_is_no_bundle(tmp_path):
    (tmp_path / "card.json").write_text("[1]")
    with pytest.raises(ValueError, match="is no bundle"):
        load_bundle(tmp_path)


def test_a_type_that_could_not_be_loaded_is_refused_when_saving(single, tmp_path):
    _, table, *_ = single
    forest = Member("forest", RandomForestClassifier(3, random_state=0))
    bundle = fit_bundle(table, members=[forest], folds=2)
    with pytest.raises(ValueError, match=r"cannot be saved.*sklearn\.tree\._tree\.Tree"):
        save_bundle(bundle, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_calibrated_anew_is_saved_as_it_is_now(several, tmp_path):
    _, table, _, folder = several
    opened = load_bundle(folder)
    truth = table.rows().label_matrix(opened.classes)
    opened.stack.calibrate(columns(table), truth)
    save_bundle(opened, tmp_path / "again")
    for name in ("thresholds_", "calibration_"):
        np.testing.assert_array_equal(
            getattr(load_bundle(tmp_path / "again").stack, name)["stack"],
            getattr(opened.stack, name)["stack"],
        )


def test_somebody_elses_folder_is_not_overwritten(single, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError):
        save_bundle(single[2], tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_earlier_bundle_is_replaced_and_nothing_left_beside_it(single, tmp_path):
    save_bundle(single[2], tmp_path / "b")
    save_bundle(single[2], tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert load_bundle(tmp_path / "b").classes == list(KINDS)


def test_results_of_a_bundle_are_sound_and_complete(several):
    _, table, _, folder = several
    results = read_results(folder)
    results.check()
    assert results.models == ["stack", "svm", "xgb", *AVERAGES, "chance"]
    stages = results.scores.groupby("stage")["clip_id"].nunique()
    assert stages.to_dict() == {"oof": 48, "uncalibrated": 48, "test": 12}
    assert len(results.clips) == len(table.values) == 72
    assert (results.clips["fold"] >= 0).sum() == 48


def test_mixtures_to_validate_on_give_thresholds_and_calibration(several):
    *_, bundle, folder = several
    assert bundle.task == "multi-label"
    assert {*bundle.stack.calibration_, "chance"} == set(bundle.stack.thresholds_)
    assert bundle.results.card["calibration"]["rows"] == 12
    assert load_bundle(folder).results is None
    assert bundle.results.card["calibrated_on"] == "validation"


def test_single_sounds_for_training_and_mixtures_for_test_give_a_warning(several, tmp_path):
    root, *_ = several
    copy = shutil.copytree(root, tmp_path / "corpus")
    table = pd.read_csv(copy / "manifest.csv")
    table[table["split"] != "validation"].to_csv(copy / "manifest.csv", index=False)
    X = extract_table(
        read_corpus(copy), tmp_path / "X.parquet", feature_set="compact-v1", use_cache=False
    )
    with pytest.warns(UserWarning, match="thresholds found on single sounds do not transfer"):
        fit_bundle(X, members=members(X.values.columns, deep=False)[:1], folds=3)


def test_the_fold_column_of_the_manifest_is_used(several, tmp_path):
    root, table, *_ = several
    clips = table.manifest.clips
    given = np.where(clips["split"] == "train", clips["group"].str[-1].replace("", "0"), "")
    folds = pd.Series(given).map(lambda text: int(text) % 4 + 1 if text else -1)
    manifest = make_manifest(clips.assign(fold=folds.to_numpy()), root)
    X = extract_table(manifest, tmp_path / "X.parquet", feature_set="compact-v1", use_cache=False)
    bundle = fit_bundle(X, members=members(X.values.columns, deep=False)[:1])
    used = bundle.results.clips["fold"]
    assert sorted(used.unique()) == [-1, 0, 1, 2, 3]
    np.testing.assert_array_equal(used[folds.to_numpy() > 0], folds[folds > 0] - 1)


def test_predictions_of_files_equal_those_of_their_rows(single):
    _, table, bundle, folder = single
    clips = table.rows().audio_clips()[::7]
    expected = bundle.stack.predict_proba(columns(table).iloc[::7])
    for prediction, row in zip(predict_clips(load_bundle(folder), clips), expected, strict=True):
        np.testing.assert_allclose(list(prediction.probabilities.values()), row, atol=1e-6)
        assert prediction.labels == [KINDS[row.argmax()]]


def test_a_clip_that_cannot_be_read_gives_an_error_and_the_rest_goes_on(single, tmp_path):
    _, table, _, folder = single
    good = table.rows().audio_clips()[0]
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    predictions = list(predict_clips(load_bundle(folder), [good, Clip(str(bad)), good]))
    assert [bool(prediction.error) for prediction in predictions] == [False, True, False]
    assert predictions[1].as_dict().keys() == {"clip_id", "path", "start_s", "end_s", "error"}
    assert predictions[0].probabilities == predictions[2].probabilities


def test_a_bundle_can_be_evaluated_on_another_corpus(single, tmp_path):
    *_, folder = single
    root = write_corpus(tmp_path / "other", several=False)
    shutil.move(root / "noise", root / "hiss")
    table = pd.read_csv(root / "manifest.csv").replace({"noise": "hiss"}, regex=True)
    table.to_csv(root / "manifest.csv", index=False)
    manifest = read_manifest(root / "manifest.csv")
    with pytest.warns(UserWarning, match="hiss|never occur|named like|take no part") as caught:
        results = evaluate_bundle(load_bundle(folder, with_results=True), manifest)
    messages = " ".join(str(warning.message) for warning in caught)
    assert "['hiss']" in messages
    assert "16 clips without exactly one label of the bundle's take no part" in messages
    assert "clips are named like clips that the bundle was made from" in messages
    results.check()
    assert len(results.clips) == 32
    assert set(results.scores["stage"]) == {"test"}


def test_unlabelled_clips_cannot_be_learned_from(single, tmp_path):
    root, *_ = single
    flat = make_manifest(pd.DataFrame({"path": ["tone/0_0.wav"], "group": ["a"]}), root)
    X = extract_table(flat, tmp_path / "X.parquet", feature_set="compact-v1", use_cache=False)
    with pytest.raises(ValueError, match="the clips have no labels"):
        fit_bundle(X, members=["svm"])


def test_an_unknown_member_is_refused_by_name(single):
    _, table, *_ = single
    with pytest.raises(ValueError, match=r"a member must be one of svm, xgb, .*got 'svn'"):
        fit_bundle(table, members=["svn"])


def test_a_class_in_one_group_is_warned_of(single, tmp_path):
    root, table, *_ = single
    clips = table.manifest.clips.copy()
    clips.loc[clips["group"] == "tone3", "labels"] = "whistle"
    X = extract_table(
        make_manifest(clips, root),
        tmp_path / "X.parquet",
        feature_set="compact-v1",
        use_cache=False,
    )
    with pytest.warns(UserWarning, match="class 'whistle' has 2 training clips in 1 groups"):
        fit_bundle(X, members=members(X.values.columns, deep=False)[1:], folds=3)


def test_paths_are_predicted_like_clips_and_silence_is_warned_of(single, tmp_path):
    _, table, _, folder = single
    clip = table.rows().audio_clips()[0]
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(SR // 4), SR)
    with pytest.warns(UserWarning, match=r"silent clips: 1, such as .*silent\.wav"):
        predictions = list(predict_clips(load_bundle(folder), [clip, clip.path, silent]))
    assert predictions[0] == predictions[1]


def test_missing_groups_are_a_caution_in_the_results(single, tmp_path):
    root, *_ = single
    table = pd.read_csv(root / "manifest.csv").drop(columns="group")
    with pytest.warns(UserWarning, match="48 of 48 clips have no 'group'"):
        manifest = make_manifest(table, root)
    X = extract_table(manifest, tmp_path / "X.parquet", feature_set="compact-v1", use_cache=False)
    bundle = fit_bundle(X, members=members(X.values.columns, deep=False)[:1], folds=3)
    assert "Clips have no groups" in bundle.results.card["warnings"][0]
