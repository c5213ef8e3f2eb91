"""The nuisance audit finds what is planted, nothing where nothing is, and says what it cannot."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.naive_bayes import GaussianNB

import ensemble.nuisance.table as nuisance_table
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.nuisance.audit import audit_nuisance
from ensemble.nuisance.scores import score_block
from ensemble.nuisance.table import VARIABLES, measure_nuisance, nuisance_names
from features.extraction import extract_table
from features.manifest import make_manifest

SR = 16000
N_GROUPS, PER_GROUP = 24, 2
COLUMNS = [*nuisance_names(), "leading_silence_s", "trailing_silence_s", "dc_offset", "sr",
           "n_channels", "bit_rate"]  # fmt: skip


def plain(waveform, rng):
    return waveform, SR, "wav"


# How a clip of the second label was recorded, if not plainly.
PLANTED = {
    "duration": lambda w, rng: (w[: SR // 5], SR, "wav"),
    "level": lambda w, rng: (0.3 * w, SR, "wav"),
    "sample rate": lambda w, rng: (w, 22050, "wav"),
    "codec": lambda w, rng: (w, SR, "mp3"),
    "leading silence": lambda w, rng: (np.concatenate([np.zeros(SR // 10), w])[: len(w)], SR,
                                       "wav"),
    "bandwidth": lambda w, rng: (np.convolve(w, np.hanning(9), "same") / 3, SR, "wav"),
    "DC offset": lambda w, rng: (w + 0.05, SR, "wav"),
    "channels": lambda w, rng: (np.stack([w, w], axis=1), SR, "wav"),
}  # fmt: skip


def write_corpus(folder, treat, rng):
    """Noise of random length and level; clips of label b are treated; two clips a group."""
    rows = []
    for k in range(N_GROUPS * PER_GROUP):
        group = k // PER_GROUP
        label = "ab"[group % 2]
        noise = rng.normal(size=int(SR * rng.uniform(0.3, 0.5))) * 0.05 * 10 ** rng.uniform(0, 0.2)
        waveform, sr, suffix = (treat if label == "b" else plain)(noise, rng)
        path = folder / f"{k}.{suffix}"
        soundfile.write(path, waveform, sr)
        rows.append({"path": path.name, "labels": label, "group": f"group {group}"})
    return make_manifest(pd.DataFrame(rows), folder)


def drawn(labels, rng, *, groups=None, shared=0.5, **columns):
    """A measured table of chance, half of it shared within groups, with some columns planted."""
    n = len(labels)
    groups = np.arange(n) // PER_GROUP if groups is None else groups
    clips = {"path": [f"{k}.wav" for k in range(n)], "labels": labels, "group": groups.astype(str)}
    clips |= {name: columns.pop(name) for name in ("unknown_labels", "fold", "split", "parent")
              if name in columns}  # fmt: skip
    manifest = make_manifest(pd.DataFrame(clips), "/nowhere")
    index = pd.Index(manifest.clips["clip_id"], name="clip_id")
    table = pd.DataFrame(1.0, index=index, columns=COLUMNS)
    for name in ("duration_mean", "level_mean", "bandwidth_p90"):
        common = rng.normal(size=groups.max() + 1)[groups]
        table[name] = shared**0.5 * common + (1 - shared) ** 0.5 * rng.normal(size=n)
    return table.assign(codec="WAV PCM_16", failure="", **columns), manifest


def alternating(n_groups=N_GROUPS, n_labels=2):
    return ["abcdef"[k // PER_GROUP % n_labels] for k in range(n_groups * PER_GROUP)]


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_and_named(name, tmp_path, rng):
    manifest = write_corpus(tmp_path, PLANTED[name], rng)
    nuisance = measure_nuisance(manifest)
    assert (nuisance["failure"] == "").all()
    audit = audit_nuisance(nuisance, manifest, folds=2)
    assert audit.verdict == "strong"
    assert audit.together["macro_roc_auc"]["low"] > 0.9
    areas = {key: leaf["macro_roc_auc"]["value"] for key, leaf in audit.variables.items() if leaf}
    assert areas[name] > 0.95
    # Loudness follows level, and silence lowers both.
    assert areas[name] > max(areas.values()) - 0.05
    assert name in " ".join(audit.sentences)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_found_where_nothing_is(seed):
    table, manifest = drawn(alternating(), np.random.default_rng(seed))
    audit = audit_nuisance(table, manifest, folds=3, random_state=seed)
    assert audit.verdict == "none found"
    assert audit.sentences[0].startswith("No sign")


def test_what_marks_each_group_gives_nothing_away_while_groups_stay_whole(rng):
    # Every group has a length of its own: known only to who has heard another clip of it.
    groups = np.repeat(np.arange(40), 4)
    labels = np.array(["a", "b"])[rng.permutation(40) % 2][groups]
    table, manifest = drawn(labels, rng, groups=groups, duration_mean=rng.permutation(40)[groups])
    assert audit_nuisance(table, manifest, folds=4).verdict == "none found"
    torn = np.arange(len(labels))
    manifest.clips["group"] = torn.astype(str)
    assert audit_nuisance(table, manifest, folds=4).verdict == "strong"


def test_labels_that_are_unknown_neither_teach_nor_count(rng):
    labels = alternating(40)
    unknown = ["b" if k % 4 == 1 else "" for k in range(80)]
    # Where b is unknown, all seem absent; their lengths would say the opposite.
    duration = np.where(np.array(labels) == "b", 1.0, 0.0)
    strange = np.array(unknown) == "b"
    both = [f"{label};c" if k % 6 < 3 else label for k, label in enumerate(labels)]
    both = ["a" if odd else label for label, odd in zip(both, strange, strict=True)]
    table, manifest = drawn(both, rng, unknown_labels=unknown,
                            duration_mean=np.where(strange, 1.0, duration))  # fmt: skip
    audit = audit_nuisance(table, manifest, folds=3)
    assert "accuracy" not in audit.together
    assert audit.labels["b"]["roc_auc"]["value"] == 1
    assert audit.labels["b"]["variable"] == "duration"
    assert audit.labels["c"]["roc_auc"]["low"] < 0.5


def test_clips_without_any_known_label_take_no_part(rng):
    unknown = ["*"] * 4 + [""] * 44
    labels = ["" if k < 4 else label for k, label in enumerate(alternating())]
    table, manifest = drawn(labels, rng, unknown_labels=unknown)
    audit = audit_nuisance(table, manifest, folds=2)
    assert audit.counts["clips"] == 44
    assert "accuracy" in audit.together


def test_the_numbers_do_not_depend_on_the_number_of_threads(rng):
    table, manifest = drawn(alternating(n_labels=3), rng)
    first, second = (audit_nuisance(table, manifest, folds=2, n_jobs=k).as_dict() for k in (1, 3))
    assert json.dumps(first, allow_nan=False) == json.dumps(second)


def test_nor_does_what_headers_say(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(nuisance_table, "HEADERS_AT_ONCE", 4)
    manifest = write_corpus(tmp_path, PLANTED["sample rate"], rng)
    known = measure_nuisance(manifest)
    again = measure_nuisance(manifest, features=known[nuisance_names()], n_jobs=2)
    pd.testing.assert_frame_equal(again, known)


def test_a_files_header_is_measured_with_its_sound(tmp_path, rng):
    clip = np.concatenate([np.zeros(SR), 0.1 * rng.normal(size=3 * SR)])
    soundfile.write(tmp_path / "a.wav", clip, SR)
    segments = pd.DataFrame({"path": "a.wav", "start_s": [0, 1], "end_s": [4, 3]})
    manifest = make_manifest(segments.assign(labels="a", group="a"), tmp_path)
    found = measure_nuisance(manifest)
    assert found["sr"].tolist() == [SR, SR]
    assert found["codec"].tolist() == ["WAV PCM_16"] * 2
    assert found["bit_rate"].tolist() == [256, 256]
    assert found["duration_mean"].tolist() == pytest.approx([4, 2], abs=1e-4)
    # The first frame that holds sound begins up to a frame before it.
    assert found["leading_silence_s"].tolist() == pytest.approx([1, 0], abs=0.1)
    assert found["dc_offset"].tolist() == pytest.approx(np.round(found["dc_offset"], 3).tolist())


def test_unreadable_clips_are_listed_and_the_others_audited(tmp_path, rng):
    manifest = write_corpus(tmp_path, PLANTED["duration"], rng)
    (tmp_path / "0.wav").write_bytes(b"")
    (tmp_path / "3.wav").unlink()
    nuisance = measure_nuisance(manifest)
    assert len(nuisance) == len(manifest)
    audit = audit_nuisance(nuisance, manifest, folds=2)
    assert [failure["clip_id"] for failure in audit.failures] == ["0.wav", "3.wav"]
    assert "no such file" in audit.failures[1]["reason"]
    assert (audit.counts["clips"], audit.counts["unreadable"]) == (46, 2)
    assert "Not readable, and left out: 0.wav" in audit.sentences[-1]


def test_not_one_readable_clip_is_said_and_no_error(tmp_path):
    clips = pd.DataFrame({"path": ["0.wav", "1.wav"], "labels": ["a", "b"], "group": ["0", "1"]})
    manifest = make_manifest(clips, tmp_path)
    audit = audit_nuisance(measure_nuisance(manifest), manifest)
    assert audit.verdict == "cannot tell"
    assert "not one labelled clip could be read, such as 0.wav: no such file" in audit.sentences[0]


@pytest.mark.parametrize(
    ("labels", "folds", "words"),
    [
        (["a", "a", "b", "b"] * 2, 5, "5 folds need at least as many groups.*got 4"),
        (["a"] * 8, 2, "only one label, 'a'"),
        (["a", "a", "b", "b"], 2, "no label has groups with and without it in two folds"),
        (["a", "a", "b", "b"] * 4, 2, "8 groups are too few for an interval, which needs 20"),
    ],
    ids=["fewer-groups-than-folds", "one-label", "a-group-a-label", "few-groups"],
)
def test_what_is_too_little_to_tell_is_said_so(labels, folds, words, rng):
    table, manifest = drawn(labels, rng)
    audit = audit_nuisance(table, manifest, folds=folds)
    assert audit.verdict == "cannot tell"
    assert pd.Series(audit.sentences[0]).str.contains(words).all()


def test_a_label_of_one_group_is_left_out_of_the_mean(rng):
    labels = ["c", "c", *alternating()[2:]]
    table, manifest = drawn(labels, rng)
    audit = audit_nuisance(table, manifest, folds=2)
    assert audit.left_out == {"c": "clips with it are of 1 group"}
    assert sorted(audit.labels) == ["a", "b"]
    areas = [audit.labels[label]["roc_auc"]["value"] for label in "ab"]
    assert audit.together["macro_roc_auc"]["value"] == pytest.approx(np.mean(areas))
    assert "Not measured: c (clips with it are of 1 group)." in audit.sentences


def test_a_variable_that_never_varies_has_no_score(rng):
    table, manifest = drawn(alternating(), rng)
    audit = audit_nuisance(table, manifest, folds=2)
    assert [name for name, leaves in audit.variables.items() if not leaves] == [
        variable.name for variable in VARIABLES
        if variable.name not in ("duration", "level", "bandwidth")
    ]  # fmt: skip


def test_clips_recorded_all_alike_give_nothing_away(rng):
    table, manifest = drawn(alternating(), rng, duration_mean=1, level_mean=1, bandwidth_p90=1)
    audit = audit_nuisance(table, manifest)
    assert audit.verdict == "none found"
    assert "the clips are the same" in audit.sentences[0]


def test_folds_of_the_clip_table_come_first(rng):
    fold = [k // PER_GROUP % 4 // 2 + 1 for k in range(48)]
    table, manifest = drawn(alternating(), rng, fold=fold)
    own = audit_nuisance(table, manifest, folds=5)
    assert own.counts["folds"] == 2
    bare = manifest.clips.assign(fold=-1)
    given = audit_nuisance(table, make_manifest(bare, "/nowhere"), folds=np.array(fold))
    assert given.as_dict() == own.as_dict()


def test_clips_that_are_left_in_one_fold_cannot_tell(rng):
    table, manifest = drawn(alternating(), rng, fold=[0] * 40 + [1] * 8)
    table.iloc[40:, table.columns.get_loc("failure")] = "truncated"
    audit = audit_nuisance(table, manifest)
    assert audit.verdict == "cannot tell"
    assert "all clips that were read are in one fold" in audit.sentences[0]


def test_test_clips_take_no_part_unless_there_are_no_others(rng):
    split = ["test" if k < 8 else "train" for k in range(48)]
    table, manifest = drawn(alternating(), rng, split=split)
    assert audit_nuisance(table, manifest, folds=2).counts["clips"] == 40
    alone = manifest.select(np.arange(8))
    assert audit_nuisance(table, alone, folds=2).counts["clips"] == 8


def test_windows_of_a_clip_count_once(rng):
    parent = [f"parent {k // PER_GROUP}" for k in range(48)]
    table, manifest = drawn(alternating(), rng, parent=parent)
    assert audit_nuisance(table, manifest, folds=2).counts["clips"] == 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table, clips: (table.iloc[1:], clips), "1 have not, such as '0.wav'"),
        (lambda table, clips: (table, clips.drop(columns="labels")), "have no labels"),
    ],
    ids=["not-measured", "no-labels"],
)
def test_what_cannot_be_audited_is_refused(change, message, rng):
    table, manifest = drawn(alternating(), rng)
    table, clips = change(table, manifest.clips.drop(columns="unknown_labels"))
    with pytest.raises(ValueError, match=message):
        audit_nuisance(table, make_manifest(clips, "/nowhere"))


def test_an_empty_manifest_is_refused(rng):
    _, manifest = drawn(alternating(), rng)
    with pytest.raises(ValueError, match="no clips to measure"):
        measure_nuisance(manifest.select(np.arange(0)))


def test_intervals_are_wider_than_a_plain_bootstraps(rng):
    truth = np.eye(2, dtype=np.int8)[np.arange(60) % 2]
    scores = rng.random((60, 2)) + 0.3 * truth
    settings = {"groups": np.arange(60), "measured": np.ones(2, dtype=bool), "multilabel": False}
    two, many = (
        score_block(truth, scores, folds=np.arange(60) % k, **settings).macro["macro_roc_auc"]
        for k in (2, 60)
    )
    widths = [leaf["high"] - leaf["low"] for leaf in (two, many)]
    assert two["value"] == many["value"]
    assert widths[0] / widths[1] == pytest.approx((3 / (1 + 60 / 59)) ** 0.5, rel=1e-6)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return write_corpus(folder, PLANTED["level"], np.random.default_rng(3))


def fitted(table, **settings):
    return fit_bundle(table, members=[Member("bayes", GaussianNB())], folds=2, **settings)


def test_fitting_keeps_the_audit_of_its_training_rows_and_folds(corpus, tmp_path):
    table = extract_table(corpus, tmp_path / "X.parquet", feature_set="compact-v1")
    seen = []
    audit = fitted(table, progress=lambda *state: seen.append(state)).results.card["nuisance"]
    assert audit["verdict"] == "strong"
    assert audit["counts"] == {"clips": 48, "groups": 24, "unreadable": 0, "folds": 2}
    assert (seen[0][0], seen[-1][0], seen[-1][1]) == (2, 4, 4)
    direct = audit_nuisance(measure_nuisance(corpus), corpus, folds=2)
    assert direct.as_dict() == audit
    assert "nuisance" not in fitted(table, audit=False).results.card


def test_a_table_that_has_the_nuisance_spares_reading_the_sound(corpus, tmp_path, monkeypatch):
    table = extract_table(corpus, tmp_path / "X.parquet", feature_set="standard-v1+nuisance-v1")
    monkeypatch.setattr(nuisance_table, "extract_to_file", None)
    audit = fitted(table).results.card["nuisance"]
    monkeypatch.undo()
    assert audit == audit_nuisance(measure_nuisance(corpus), corpus, folds=2).as_dict()


def test_sound_at_a_uri_is_not_fetched_only_for_the_audit(corpus, tmp_path):
    table = extract_table(corpus, tmp_path / "X.parquet", feature_set="compact-v1")
    table.manifest.clips["path"] = "memory://" + table.manifest.clips["path"]
    card = fitted(table).results.card
    assert "nuisance" not in card
    assert any("python cli.py audit nuisance" in note for note in card["notes"])
