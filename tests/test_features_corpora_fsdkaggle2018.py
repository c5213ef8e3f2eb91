"""FSDKaggle2018 from Zenodo and from Kaggle: splits, padding, Freesound clips."""

import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

TRAIN_HEADER = "fname,label,manually_verified,freesound_id,license"
TEST_HEADER = "fname,label,usage,freesound_id,license"
# Lines of the competition's tables, from the copies in https://github.com/vanphuoc9/luanvan,
# train_post_competition.csv and test_post_competition.csv.
TRAIN = (
    "ffa61f00.wav,Tearing,1,181773,Creative Commons 0",
    "ffb4c87e.wav,Tambourine,0,375716,Creative Commons 0",
    "ffbba18f.wav,Laughter,0,76066,Attribution",
    "ffc92b01.wav,Cello,1,247544,Attribution",
    "ffcb5c56.wav,Computer_keyboard,1,348239,Creative Commons 0",
    "ffd52400.wav,Microwave_oven,1,209487,Attribution",
    "fff37590.wav,Hi-hat,0,33136,Attribution",
    "fff81f55.wav,Cough,1,19117,Attribution",
)
TEST = (
    "00326aa9.wav,Oboe,Private,355125,Attribution",
    "0038a046.wav,Bass_drum,Private,90621,Creative Commons 0",
    "00eac343.wav,Electric_piano,Public,371494,Creative Commons 0",
)
PADDING = (
    "00063640.wav,None,Ignored,88926,Attribution",
    "0013a1db.wav,None,Ignored,373335,Creative Commons 0",
)
META = "FSDKaggle2018.meta"


@pytest.fixture
def write(tmp_path):
    """Write a table and the empty sounds that it lists."""

    def make(listing, header, lines, folder=None):
        path = tmp_path / listing
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *lines]) + "\n")
        for line in lines if folder else ():
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / line.split(",")[0]).touch()
        return tmp_path

    return make


@pytest.fixture
def zenodo(write):
    write(f"{META}/train_post_competition.csv", TRAIN_HEADER, TRAIN, "FSDKaggle2018.audio_train")
    name = f"{META}/test_post_competition_scoring_clips.csv"
    return write(name, TEST_HEADER, TEST, "FSDKaggle2018.audio_test")


@pytest.fixture
def kaggle(write):
    # Kaggle's training table has the first three columns only.
    lines = [",".join(line.split(",")[:3]) for line in TRAIN]
    return write("train.csv", "fname,label,manually_verified", lines, "audio_train")


def test_zenodos_form_is_detected(zenodo):
    reason = f"it holds {META}/train_post_competition.csv"
    assert detect_layout(zenodo) == ("fsdkaggle2018", reason)


def test_kaggles_form_is_detected(kaggle):
    assert detect_layout(kaggle) == ("fsdkaggle2018", "it holds train.csv and audio_train")


def test_a_table_called_train_alone_is_no_sign(write):
    assert detect_layout(write("train.csv", TRAIN_HEADER, TRAIN, "wavs"))[0] == "folder"


def test_split_label_and_freesound_clip_come_from_the_listings(zenodo):
    manifest = read_corpus(zenodo)
    clips = manifest.clips.set_index("path")
    columns = ["labels", "split", "group", "manually_verified", "usage", "license"]
    assert clips.loc["FSDKaggle2018.audio_train/ffb4c87e.wav", columns].tolist() == [
        "Tambourine", "train", "375716", "0", "", "Creative Commons 0",
    ]  # fmt: skip
    assert clips.loc["FSDKaggle2018.audio_test/00eac343.wav", columns].tolist() == [
        "Electric_piano", "test", "371494", "", "Public", "Creative Commons 0",
    ]  # fmt: skip
    assert clips["split"].value_counts().to_dict() == {"train": 8, "test": 3}
    assert manifest.task == "single-label"
    assert manifest.groups_given


def test_padding_that_was_never_scored_is_left_out_and_told(kaggle, write):
    root = write("test_post_competition.csv", TEST_HEADER, TEST + PADDING, "audio_test")
    with (
        pytest.warns(UserWarning, match="2 of 13 listed files are padding"),
        pytest.warns(UserWarning, match="8 of 11 clips have no 'group'"),
    ):
        clips = read_corpus(root).clips
    assert "None" not in set(clips["labels"])
    assert clips["split"].value_counts().to_dict() == {"train": 8, "test": 3}


def test_sounds_without_a_table_are_told(kaggle):
    (kaggle / "audio_test").mkdir()
    with (
        pytest.warns(UserWarning, match="audio_test: without"),
        pytest.warns(UserWarning, match="siblings"),
    ):
        clips = read_corpus(kaggle).clips
    assert set(clips["split"]) == {"train"}


def test_a_split_that_was_not_downloaded_is_told(zenodo):
    for path in (zenodo / "FSDKaggle2018.audio_test").iterdir():
        path.unlink()
    with pytest.warns(UserWarning, match=r"3 of 11 clips .* not there.*audio_test/00326aa9\.wav"):
        assert set(read_corpus(zenodo).clips["split"]) == {"train"}


def test_a_freesound_clip_in_both_splits_is_refused(write, zenodo):
    name = f"{META}/test_post_competition_scoring_clips.csv"
    line = "0001aaaa.wav,Cello,Private,247544,Attribution"
    write(name, TEST_HEADER, [*TEST, line], "FSDKaggle2018.audio_test")
    with pytest.raises(ManifestError, match=r"a group must stay in one split, .*'247544'"):
        read_corpus(zenodo)


def test_a_missing_listing_or_column_is_named(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"no train_post_competition\.csv"):
        read_corpus(tmp_path, layout="fsdkaggle2018")
    root = write(f"{META}/train_post_competition.csv", "fname,labels", ["a.wav,x"])
    with pytest.raises(ManifestError, match="columns label are missing, found fname, labels"):
        read_corpus(root)


def test_its_provenance_is_told():
    layout = LAYOUTS["fsdkaggle2018"]
    assert layout.expected == {"clips": 11073, "labels": 41, "train": 9473, "test": 1600}
    assert "2552860" in layout.source
