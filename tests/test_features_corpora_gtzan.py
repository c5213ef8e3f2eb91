"""GTZAN as it unpacks: the fault-filtered split by default, everything on request."""

import pytest
from torchaudio.datasets import gtzan as torchaudio_gtzan

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

# Names in the lists that torchaudio carries (torchaudio.datasets.gtzan: filtered_train and its
# siblings), and some that are in none.
SPLITS = {
    "blues.00029": "train",
    "blues.00030": "train",
    "hiphop.00021": "train",
    "jazz.00054": "train",
    "blues.00000": "validation",
    "blues.00001": "validation",
    "blues.00012": "test",
    "metal.00087": "test",
    "pop.00000": "test",
}
LEFT_OUT = ("classical.00042", "country.00008", "disco.00038")


@pytest.fixture
def tree(tmp_path):
    """Make empty files below a folder; readers look at names, not into the sound."""

    def make(stems, *, below="genres", ending=".wav"):
        for stem in stems:
            path = tmp_path / below / stem.split(".")[0] / f"{stem}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


@pytest.mark.parametrize("ending", [".wav", ".au"])
@pytest.mark.parametrize("below", ["genres", "genres_original", "."])
def test_it_is_detected_by_a_file_of_a_genre(tree, below, ending):
    name, reason = detect_layout(tree(SPLITS, below=below, ending=ending))
    assert name == "gtzan"
    assert reason.endswith(f"blues/blues.00000{ending}")


@pytest.mark.parametrize("stem", ["blues.0", "blues_00000", "rumba.00000"])
def test_a_genre_folder_with_other_files_is_no_sign(tree, stem):
    root = tree([stem], below=".")
    assert detect_layout(root)[0] == "folder"


def test_label_and_split_are_the_fault_filtered_ones(tree):
    root = tree(SPLITS)
    with pytest.warns(UserWarning, match="siblings"):
        manifest = read_corpus(root)
    clips = manifest.clips
    assert dict(zip(clips["path"], clips["split"], strict=True)) == {
        f"genres/{stem.split('.')[0]}/{stem}.wav": split for stem, split in SPLITS.items()
    }
    assert clips.set_index("path").loc["genres/pop/pop.00000.wav", "labels"] == "pop"
    assert manifest.task == "single-label"
    assert not manifest.groups_given


def test_files_outside_the_split_are_left_out_and_told(tree):
    root = tree([*SPLITS, *LEFT_OUT])
    told = r"3 of 12 files repeat others.*gtzan-all.*genres/classical/classical\.00042\.wav"
    with (
        pytest.warns(UserWarning, match=told),
        pytest.warns(UserWarning, match="siblings"),
    ):
        assert len(read_corpus(root)) == len(SPLITS)


def test_the_whole_set_has_every_file_and_no_split(tree):
    root = tree([*SPLITS, *LEFT_OUT])
    with pytest.warns(UserWarning, match="siblings"):
        clips = read_corpus(root, layout="gtzan-all").clips
    assert len(clips) == 12
    assert set(clips["split"]) == {""}


def test_the_full_release_has_the_sizes_that_are_expected_of_it(tree):
    root = tree(f"{genre}.{n:05d}" for genre in torchaudio_gtzan.gtzan_genres for n in range(100))
    with (
        pytest.warns(UserWarning, match="70 of 1000 files"),
        pytest.warns(UserWarning, match="siblings"),
    ):
        clips = read_corpus(root).clips
    sizes = clips["split"].value_counts().to_dict()
    expected = LAYOUTS["gtzan"].expected
    assert sizes == {key: expected[key] for key in ("train", "validation", "test")}
    assert len(clips) == expected["clips"] == 930
    assert clips["labels"].nunique() == expected["labels"]


@pytest.mark.parametrize("layout", ["gtzan", "gtzan-all"])
@pytest.mark.parametrize("stem", ["blues.1", "rumba.00000"])
def test_a_file_named_otherwise_is_named(tree, layout, stem):
    root = tree([*SPLITS, stem])
    with pytest.raises(ManifestError, match=rf"one of blues, .*found genres/.*{stem}\.wav"):
        read_corpus(root, layout=layout)


def test_files_outside_the_split_alone_are_refused(tree):
    root = tree(LEFT_OUT)
    with (
        pytest.warns(UserWarning, match="3 of 3 files"),
        pytest.raises(ManifestError, match="none of its files is in the fault-filtered split"),
    ):
        read_corpus(root)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="found nothing"):
        read_corpus(tmp_path, layout="gtzan")


def test_their_provenance_is_told():
    assert LAYOUTS["gtzan-all"].expected == {"clips": 1000, "labels": 10}
    assert "none given" in LAYOUTS["gtzan"].licence
    assert "Tzanetakis" in LAYOUTS["gtzan"].citation
