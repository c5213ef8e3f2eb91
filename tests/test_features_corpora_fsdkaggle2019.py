"""FSDKaggle2019 from Zenodo and from Kaggle: several labels, checked or not, known faults."""

import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

# File names: the publisher's README (the first and the six with faults), the first lines of
# Kaggle's tables and the first entries of its test.zip, as public notebooks print them. Labels of
# the first two curated and noisy clips, and the pair with a comma, are from the same places; the
# other labels, numbers and licences only fill the columns that the README names.
CURATED = (
    "0006ae4e.wav,Bark,30344,Attribution",
    "0019ef41.wav,Raindrop,2002,Attribution",
    'f76181c4.wav,"Walk_and_footsteps,Slam",2003,Attribution',
    "77b925c2.wav,Bark,2004,Attribution",
    "6a1f682a.wav,Bark,2005,Attribution",
    "1d44b0bd.wav,Bark,2006,Attribution",
)
NOISY = (
    "00097e21.wav,Bathtub_(filling_or_washing),https://flic.kr/v/1,CC-BY",
    "000b6cfb.wav,Motorcycle,https://flic.kr/v/1,CC-BY",
)
TEST = (
    "66b82f03.wav,Bark,Public,3001,Attribution",
    'e667e7ad.wav,"Walk_and_footsteps,Slam",Public,3002,Attribution',
    "488b78b0.wav,Raindrop,Private,3003,Attribution",
)
META, AUDIO = "FSDKaggle2019.meta", "FSDKaggle2019.audio"


@pytest.fixture
def write(tmp_path):
    """Write a table and the empty sounds that it lists."""

    def make(listing, header, lines, folder):
        path = tmp_path / listing
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *lines]) + "\n")
        (tmp_path / folder).mkdir(exist_ok=True)
        for line in lines:
            (tmp_path / folder / line.split(",")[0]).touch()
        return tmp_path

    return make


@pytest.fixture
def zenodo(write):
    curated, noisy = "train_curated_post_competition.csv", "train_noisy_post_competition.csv"
    write(f"{META}/{curated}", "fname,labels,freesound_id,license", CURATED,
          f"{AUDIO}_train_curated")  # fmt: skip
    write(f"{META}/{noisy}", "fname,labels,flickr_video_URL,license", NOISY,
          f"{AUDIO}_train_noisy")  # fmt: skip
    return write(f"{META}/test_post_competition.csv", "fname,labels,usage,freesound_id,license",
                 TEST, f"{AUDIO}_test")  # fmt: skip


def test_it_is_detected_by_its_listing(zenodo):
    reason = "it holds FSDKaggle2019.meta/train_curated_post_competition.csv"
    assert detect_layout(zenodo) == ("fsdkaggle2019", reason)


def test_the_parts_become_splits_and_a_column(zenodo):
    manifest = read_corpus(zenodo)
    clips = manifest.clips.set_index("path")
    assert clips.groupby(["split", "curated"]).size().to_dict() == {
        ("test", "1"): 3,
        ("train", "0"): 2,
        ("train", "1"): 6,
    }
    assert manifest.task == "multi-label"
    assert clips.loc["FSDKaggle2019.audio_test/e667e7ad.wav", "labels"] == "Walk_and_footsteps;Slam"


def test_clips_of_one_video_are_one_group(zenodo):
    manifest = read_corpus(zenodo)
    clips = manifest.clips.set_index("path")
    assert clips.loc["FSDKaggle2019.audio_train_curated/0006ae4e.wav", "group"] == "30344"
    noisy = clips[clips["curated"] == "0"]
    assert set(noisy["group"]) == {"https://flic.kr/v/1"}
    assert manifest.groups_given


def test_known_faults_are_marked_and_kept(zenodo):
    clips = read_corpus(zenodo).clips
    marked = clips.loc[clips["fault"] != "", ["path", "fault"]].to_numpy().tolist()
    assert [(path[-12:], fault) for path, fault in marked] == [
        ("f76181c4.wav", "wrong label"),
        ("77b925c2.wav", "wrong label"),
        ("6a1f682a.wav", "wrong label"),
        ("1d44b0bd.wav", "no signal"),
    ]


def test_kaggles_form_is_read_with_its_missing_groups_told(write):
    lines = [line.rsplit(",", 2)[0] for line in CURATED]
    root = write("train_curated.csv", "fname,labels", lines, "train_curated")
    assert detect_layout(root) == ("fsdkaggle2019", "it holds train_curated.csv")
    (root / "test").mkdir()
    with (
        pytest.warns(UserWarning, match=r"test: without FSDKaggle2019\.meta/test_post_competition"),
        pytest.warns(UserWarning, match="siblings"),
    ):
        manifest = read_corpus(root)
    assert manifest.clips["path"].tolist()[0] == "train_curated/0006ae4e.wav"


def test_a_part_that_was_not_downloaded_is_told(zenodo):
    for path in (zenodo / f"{AUDIO}_train_noisy").iterdir():
        path.unlink()
    (zenodo / f"{AUDIO}_train_noisy").rmdir()
    with pytest.warns(UserWarning, match=r"2 of 11 .*audio_train_noisy/00097e21\.wav"):
        assert len(read_corpus(zenodo)) == 9


def test_a_missing_column_is_named_with_its_listing(zenodo):
    (zenodo / META / "train_noisy_post_competition.csv").write_text("fname,label\na.wav,x\n")
    with pytest.raises(ManifestError, match=r"train_noisy_post.*\n.*columns labels are missing"):
        read_corpus(zenodo)


def test_a_missing_first_listing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no train_curated_post_competition\.csv"):
        read_corpus(tmp_path, layout="fsdkaggle2019")


def test_its_provenance_is_told():
    expected = {"clips": 29266, "labels": 80, "train": 24785, "test": 4481}
    assert LAYOUTS["fsdkaggle2019"].expected == expected
    assert expected["train"] == 4970 + 19815
