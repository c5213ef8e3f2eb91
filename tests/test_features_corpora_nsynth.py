"""NSynth as it unpacks: notes by instrument, and the instruments that two parts share."""

import json

import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

# Notes of nsynth-test/examples.json as kept in
# https://github.com/ShreevathsaPK/Music_Instrument_Recognition (name, number, qualities).
TEST = (
    ("bass_synthetic_068-049-025", 217499, ["dark"]),
    ("keyboard_electronic_001-021-127", 299359, []),
    ("guitar_acoustic_010-066-100", 72288, []),
    ("reed_acoustic_037-068-127", 22259, ["reverb"]),
    ("flute_acoustic_002-077-100", 72001, ["reverb"]),
    ("string_acoustic_056-047-075", 45336, ["fast_decay", "reverb"]),
    (
        "vocal_synthetic_003-088-025",
        22833,
        ["bright", "distortion", "long_release", "nonlinear_env"],
    ),
    ("brass_acoustic_046-101-050", 80852, ["long_release"]),
    ("mallet_acoustic_062-066-050", 125499, ["dark", "fast_decay", "multiphonic"]),
    ("organ_electronic_057-056-127", 254994, ["dark"]),
    ("keyboard_electronic_001-063-075", 51390, ["dark"]),
)
# Files of nsynth-valid/audio that public scripts load; their numbers and qualities are made up. The
# first one's instrument is in the test part as well, see above.
VALID = (
    ("guitar_acoustic_010-055-025", 1, []),
    ("brass_acoustic_006-031-050", 2, []),
    ("string_acoustic_080-053-100", 3, []),
)
# The first is a public downloader's example of a training note; the rest is made up.
TRAIN = (("guitar_acoustic_001-082-050", 16629, []), ("synth_lead_synthetic_000-060-100", 4, []))


def entry(name, number, qualities):
    """Write a note as the publisher does."""
    instrument, pitch, velocity = name.rsplit("-", 2)
    family, source, _ = instrument.rsplit("_", 2)
    return {
        "qualities": [0] * 10,
        "pitch": int(pitch),
        "note": number,
        "instrument_source_str": source,
        "velocity": int(velocity),
        "instrument_str": instrument,
        "instrument": 0,
        "sample_rate": 16000,
        "qualities_str": qualities,
        "instrument_source": 0,
        "note_str": name,
        "instrument_family": 0,
        "instrument_family_str": family,
    }


@pytest.fixture
def corpus(tmp_path):
    """Make the parts that are wanted."""

    def make(**parts):
        for part, notes in parts.items():
            folder = tmp_path / f"nsynth-{part}"
            (folder / "audio").mkdir(parents=True)
            examples = {name: entry(name, number, rest) for name, number, rest in notes}
            (folder / "examples.json").write_text(json.dumps(examples, indent=4))
            for name in examples:
                (folder / "audio" / f"{name}.wav").touch()
        return tmp_path

    return make


def test_a_note_tells_family_instrument_and_playing(corpus):
    clips = read_corpus(corpus(test=TEST)).clips.set_index("path")
    row = clips.loc["nsynth-test/audio/string_acoustic_056-047-075.wav"]
    columns = ["labels", "group", "split", "instrument_str", "instrument_source_str", "pitch",
               "velocity", "qualities"]  # fmt: skip
    assert row[columns].tolist() == [
        "string",
        "string_acoustic_056",
        "test",
        "string_acoustic_056",
        "acoustic",
        47,
        75,
        "fast_decay;reverb",
    ]


def test_families_are_labels_and_instruments_are_groups(corpus):
    manifest = read_corpus(corpus(test=TEST))
    families = "bass brass flute guitar keyboard mallet organ reed string vocal"
    assert manifest.classes == families.split()
    clips = manifest.clips
    assert (clips["group"] == "keyboard_electronic_001").sum() == 2
    assert clips["group"].nunique() == len(TEST) - 1
    assert manifest.task == "single-label"


def test_a_family_of_two_words_is_one_label(corpus):
    assert "synth_lead" in read_corpus(corpus(train=TRAIN)).classes


def test_the_folder_is_the_split(corpus):
    with pytest.warns(UserWarning, match="1 instruments are in validation and in test"):
        clips = read_corpus(corpus(train=TRAIN, valid=VALID, test=TEST)).clips
    assert clips["split"].value_counts().to_dict() == {"test": 11, "validation": 3, "train": 2}


def test_an_instrument_that_validation_and_test_share_is_a_group_in_each(corpus):
    with pytest.warns(UserWarning, match=r"flatters the test score\. Validate on a part of train"):
        clips = read_corpus(corpus(valid=VALID, test=TEST)).clips
    shared = clips[clips["instrument_str"] == "guitar_acoustic_010"]
    assert shared["group"].tolist() == [
        "guitar_acoustic_010@validation",
        "guitar_acoustic_010@test",
    ]
    rest = clips.drop(index=shared.index)
    assert (rest["group"] == rest["instrument_str"]).all()


@pytest.mark.parametrize(
    "others", [{"test": TRAIN}, {"valid": TRAIN}, {"valid": TRAIN, "test": TRAIN}]
)
def test_an_instrument_of_train_in_another_part_is_refused(corpus, others):
    with pytest.raises(ManifestError, match=r"must stay in one split.*guitar_acoustic_001"):
        read_corpus(corpus(train=TRAIN, **others))


def test_one_part_alone_is_read_and_its_split_known(corpus):
    manifest = read_corpus(corpus(valid=VALID) / "nsynth-valid")
    assert manifest.clips["path"].iloc[0] == "audio/guitar_acoustic_010-055-025.wav"
    assert set(manifest.clips["split"]) == {"validation"}
    assert manifest.clips["group"].iloc[0] == "guitar_acoustic_010"


@pytest.mark.parametrize("inner", ["", "nsynth-test"], ids=["above", "part"])
def test_nsynth_is_detected_by_its_notes(corpus, inner):
    name, reason = detect_layout(corpus(test=TEST) / inner)
    assert name == "nsynth"
    assert reason.endswith("examples.json and audio")


def test_sound_that_is_missing_is_left_out_and_told(corpus):
    root = corpus(test=TEST)
    (root / "nsynth-test" / "audio" / "brass_acoustic_046-101-050.wav").unlink()
    with pytest.warns(UserWarning, match=r"1 of 11 clips that examples\.json lists are not there"):
        clips = read_corpus(root).clips
    assert len(clips) == 10
    assert "there" not in clips


def test_a_folder_without_notes_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no examples\.json beside a folder 'audio'"):
        read_corpus(tmp_path, layout="nsynth")


def test_notes_that_lack_something_are_named(corpus):
    root = corpus(test=TEST)
    path = root / "nsynth-test" / "examples.json"
    notes = json.loads(path.read_text())
    del notes["reed_acoustic_037-068-127"]["pitch"]
    notes["odd"] = {"a": 1}
    path.write_text(json.dumps(notes))
    message = r"nsynth-test.examples\.json(.|\n)*2 have not: reed_acoustic_037-068-127, odd"
    with pytest.raises(ManifestError, match=message):
        read_corpus(root)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "must be JSON"), ("[]", "one entry a note"), ("{}", "one entry a note")],
    ids=["cut", "list", "empty"],
)
def test_a_file_that_holds_no_notes_is_refused(corpus, text, reason):
    root = corpus(test=TEST)
    (root / "nsynth-test" / "examples.json").write_text(text)
    with pytest.raises(ManifestError, match=reason):
        read_corpus(root)


def test_provenance_and_counts_are_those_of_the_release():
    # The publisher's page, quoted in many repositories: 289,205, 12,678 and 4,096 notes; test
    # instruments are said not to overlap with train, and nothing is said of valid.
    expected = LAYOUTS["nsynth"].expected
    assert expected["clips"] == expected["train"] + expected["validation"] + expected["test"]
    assert LAYOUTS["nsynth"].source == "https://magenta.tensorflow.org/datasets/nsynth"
