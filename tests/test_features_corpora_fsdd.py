"""The Free Spoken Digit Dataset as it is cloned: digits, speakers, and why no split."""

import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

# Paths in https://github.com/Jakobovski/free-spoken-digit-dataset; the last is from its README.
NAMES = (
    "recordings/0_george_0.wav",
    "recordings/0_george_1.wav",
    "recordings/0_george_4.wav",
    "recordings/0_george_10.wav",
    "recordings/0_george_11.wav",
    "recordings/0_george_49.wav",
    "recordings/0_jackson_0.wav",
    "recordings/0_jackson_9.wav",
    "recordings/0_jackson_12.wav",
    "recordings/0_jackson_48.wav",
    "recordings/7_jackson_32.wav",
)


@pytest.fixture
def tree(tmp_path):
    """Make empty files below a folder; readers look at names, not into the sound."""

    def make(names=NAMES):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def test_it_is_detected_by_its_file_names(tree):
    root = tree()
    reason = "its files are named like 0_george_0.wav"
    assert detect_layout(root) == ("fsdd", reason)
    assert detect_layout(root / "recordings") == ("fsdd", reason)


def test_a_folder_of_other_recordings_is_no_sign(tree):
    assert detect_layout(tree(("recordings/one.wav", *NAMES)))[0] == "folder"


def test_the_digit_is_the_label_and_the_speaker_the_group(tree):
    manifest = read_corpus(tree())
    clips = manifest.clips.set_index("path")
    columns = ["labels", "group", "index", "official_split"]
    assert clips.loc["recordings/7_jackson_32.wav", columns].tolist() == [
        "7",
        "jackson",
        "32",
        "train",
    ]
    assert manifest.clips["group"].value_counts().to_dict() == {"george": 6, "jackson": 5}
    assert manifest.task == "single-label"
    assert manifest.groups_given


def test_the_official_test_set_is_a_column_and_no_split(tree):
    clips = read_corpus(tree()).clips
    test = clips[clips["official_split"] == "test"]
    assert test["path"].tolist() == [
        "recordings/0_george_0.wav",
        "recordings/0_george_1.wav",
        "recordings/0_george_4.wav",
        "recordings/0_jackson_0.wav",
    ]
    assert set(clips["split"]) == {""}


@pytest.mark.parametrize("name", ["10_george_1.wav", "0_george.wav", "0_george_1_2.wav"])
def test_a_file_named_otherwise_is_named(tree, name):
    with pytest.raises(ManifestError, match=rf"must be named <digit>_.*found recordings/{name}"):
        read_corpus(tree((*NAMES, f"recordings/{name}")), layout="fsdd")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="found nothing"):
        read_corpus(tmp_path, layout="fsdd")


def test_its_provenance_is_told():
    assert LAYOUTS["fsdd"].expected == {"clips": 3000, "labels": 10, "groups": 6}
    assert LAYOUTS["fsdd"].licence == "CC BY-SA 4.0"
