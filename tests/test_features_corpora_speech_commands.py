"""Speech Commands as it unpacks: speakers on one side, the publisher's two lists, no noise."""

import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

# Lines of testing_list.txt and validation_list.txt of version 0.02, from the copies in
# https://github.com/ubkarakaya/Human-Data-Analytic.
TESTING = (
    "four/8769c34c_nohash_0.wav",
    "four/8769c34c_nohash_2.wav",
    "four/a60a09cf_nohash_0.wav",
    "four/0cb74144_nohash_1.wav",
    "four/0c40e715_nohash_0.wav",
)
VALIDATION = (
    "four/32ad5b65_nohash_2.wav",
    "four/e95c70e2_nohash_0.wav",
    "four/099d52ad_nohash_0.wav",
    "four/c6389ab0_nohash_0.wav",
)
# Names in neither list: train_list.txt of
# https://github.com/christosfranco/Signal-Processing-and-Voice-Recognition.
TRAINING = (
    "five/9a43b64b_nohash_1.wav",
    "five/4a294341_nohash_1.wav",
    "five/da584bc0_nohash_3.wav",
    "five/28ce0c58_nohash_4.wav",
)
EVERYTHING = TESTING + VALIDATION + TRAINING


@pytest.fixture
def corpus(tmp_path):
    """Make the corpus; sounds are empty files, readers do not look into them."""

    def make(names=EVERYTHING, *, testing=TESTING, validation=VALIDATION):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / "testing_list.txt").write_text("\n".join(testing))
        (tmp_path / "validation_list.txt").write_text("\n".join(validation))
        return tmp_path

    return make


def test_it_is_detected_by_its_lists(corpus):
    reason = "it holds validation_list.txt and testing_list.txt"
    assert detect_layout(corpus()) == ("speech-commands", reason)


def test_word_speaker_and_split_are_read(corpus):
    manifest = read_corpus(corpus())
    clips = manifest.clips.set_index("path")
    columns = ["labels", "group", "split", "take"]
    assert clips.loc["four/8769c34c_nohash_2.wav", columns].tolist() == [
        "four",
        "8769c34c",
        "test",
        "2",
    ]
    assert clips["split"].value_counts().to_dict() == {"test": 5, "validation": 4, "train": 4}
    assert manifest.classes == ["five", "four"]
    assert manifest.task == "single-label"
    assert manifest.groups_given


def test_background_noise_is_left_out_and_told(corpus):
    root = corpus((*EVERYTHING, "_background_noise_/pink_noise.wav", "_background_noise_/x.wav"))
    with pytest.warns(UserWarning, match="2 recordings in _background_noise_ are no words"):
        manifest = read_corpus(root)
    assert len(manifest) == len(EVERYTHING)
    assert manifest.task == "single-label"


def test_background_noise_can_be_read_on_its_own(corpus):
    root = corpus((*EVERYTHING, "_background_noise_/pink_noise.wav"))
    with pytest.warns(UserWarning, match="siblings"):
        assert read_corpus(root / "_background_noise_").has_unknown()


def test_listed_clips_that_are_not_there_are_told(corpus):
    with pytest.warns(UserWarning, match=r"1 of 9 clips .*: four/a60a09cf_nohash_0\.wav"):
        manifest = read_corpus(corpus([name for name in EVERYTHING if "a60a09cf" not in name]))
    assert len(manifest) == 12


def test_lists_of_other_clips_are_refused(corpus):
    with pytest.raises(ManifestError, match="none of the 9 clips that validation_list"):
        read_corpus(corpus(TRAINING))


def test_a_speaker_in_two_splits_is_refused(corpus):
    root = corpus((*EVERYTHING, "five/8769c34c_nohash_0.wav"))
    with pytest.raises(ManifestError, match=r"a group must stay in one split, .*'8769c34c'"):
        read_corpus(root)


def test_a_clip_in_both_lists_is_named(corpus):
    root = corpus(validation=(*VALIDATION, TESTING[0]))
    with pytest.raises(
        ManifestError, match=r"testing_list\.txt.*\n.*1 of its clips .*: four/8769c34c_nohash_0"
    ):
        read_corpus(root)


@pytest.mark.parametrize(
    "name",
    ["four/take one.wav", "four/8769c34c_nohash_x.wav", "a/four/8769c34c_nohash_0.wav", "b.wav"],
)
def test_a_clip_named_otherwise_is_named(corpus, name):
    with pytest.raises(ManifestError, match=rf"must be named <word>/.*found {name}"):
        read_corpus(corpus((*EVERYTHING, name)))


def test_an_empty_or_missing_list_is_named(corpus):
    root = corpus(testing=())
    with pytest.raises(ManifestError, match=r"testing_list\.txt.*\n.*lists no clips"):
        read_corpus(root)
    (root / "testing_list.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no testing_list\.txt in"):
        read_corpus(root, layout="speech-commands")


def test_a_folder_without_clips_is_refused(corpus):
    with pytest.raises(ManifestError, match="found nothing"):
        read_corpus(corpus([]))


def test_its_provenance_is_told():
    expected = LAYOUTS["speech-commands"].expected
    assert sum(expected[split] for split in ("train", "validation", "test")) == expected["clips"]
    assert expected["clips"] == 105829
    assert LAYOUTS["speech-commands"].licence == "CC BY 4.0"
