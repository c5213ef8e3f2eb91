"""UrbanSound8K as it unpacks: folds from zero, recordings whole, mistakes by their row."""

import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

HEADER = "slice_file_name,fsID,start,end,salience,fold,classID,class"
# Lines of the release's metadata/UrbanSound8K.csv, from the copy in
# https://github.com/Adarsh1999/Audio-Classification; names and folds also in soundata 0.1.1,
# datasets/indexes/urbansound8k_index.json.
LINES = (
    "100263-2-0-117.wav,100263,58.5,62.5,1,5,2,children_playing",
    "100263-2-0-121.wav,100263,60.5,64.5,1,5,2,children_playing",
    "104817-4-0-0.wav,104817,0,4,1,2,4,drilling",
    "104998-7-0-5.wav,104998,18.872926,22.872926,1,5,7,jackhammer",
    "105088-3-0-10.wav,105088,5,9,1,9,3,dog_bark",
    "105289-8-0-0.wav,105289,26.31554,30.31554,2,7,8,siren",
    "105289-8-1-0.wav,105289,40.426771,44.426771,1,7,8,siren",
    "105425-9-0-1.wav,105425,0.5,4.5,1,5,9,street_music",
    "106014-5-0-0.wav,106014,4.400954,8.400954,1,10,5,engine_idling",
    "106955-6-0-0.wav,106955,0.495575,1.649031,1,9,6,gun_shot",
    "107090-1-0-0.wav,107090,25.500254,26.099176,2,8,1,car_horn",
)
# One of the five recordings that the release's folds tear apart, in full.
TORN = (
    "106905-5-0-0.wav,106905,55.008446,59.008446,2,8,5,engine_idling",
    "106905-5-0-1.wav,106905,55.508446,59.508446,2,8,5,engine_idling",
    "106905-5-0-2.wav,106905,56.008446,60.008446,2,8,5,engine_idling",
    "106905-8-0-0.wav,106905,43.636489,47.636489,2,1,8,siren",
    "106905-8-0-1.wav,106905,44.136489,48.136489,2,1,8,siren",
    "106905-8-0-2.wav,106905,44.636489,48.636489,2,1,8,siren",
    "106905-8-0-3.wav,106905,45.136489,49.136489,2,1,8,siren",
)


@pytest.fixture
def corpus(tmp_path):
    """Make the corpus of some lines; sounds are empty files, readers do not look into them."""

    def make(lines=LINES, *, header=HEADER, without=()):
        listing = tmp_path / "metadata" / "UrbanSound8K.csv"
        listing.parent.mkdir()
        listing.write_text("\n".join([header, *lines]) + "\n")
        for line in lines:
            name, fold = line.split(",")[0], line.split(",")[5]
            if name not in without:
                path = tmp_path / "audio" / f"fold{fold}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return tmp_path

    return make


def test_it_is_detected_by_its_listing(corpus):
    assert detect_layout(corpus()) == ("urbansound8k", "it holds metadata/UrbanSound8K.csv")


def test_label_fold_and_recording_come_from_the_listing(corpus):
    manifest = read_corpus(corpus())
    clips = manifest.clips.set_index("path")
    row = clips.loc["audio/fold10/106014-5-0-0.wav"]
    assert row[["labels", "fold", "official_fold", "group"]].tolist() == [
        "engine_idling",
        9,
        "10",
        "106014",
    ]
    assert clips.loc["audio/fold7/105289-8-0-0.wav", "salience"] == "2"
    assert len(clips) == 11
    assert manifest.task == "single-label"
    assert manifest.groups_given
    assert manifest.classes == ["car_horn", "children_playing", "dog_bark", "drilling",
                                "engine_idling", "gun_shot", "jackhammer", "siren",
                                "street_music"]  # fmt: skip


def test_a_slice_is_a_whole_file_wherever_it_was_cut_from(corpus):
    manifest = read_corpus(corpus())
    clips = manifest.clips.set_index("path")
    assert clips.loc["audio/fold8/107090-1-0-0.wav", ["start", "end"]].tolist() == [
        "25.500254",
        "26.099176",
    ]
    assert manifest.clips[["start_s", "end_s"]].isna().all(axis=None)


def test_a_recording_that_the_folds_tear_apart_is_kept_whole(corpus):
    root = corpus(LINES + TORN)
    with pytest.warns(
        UserWarning, match=r"divide 1 of 10 groups \(106905\).*3 of 18 clips were moved"
    ):
        clips = read_corpus(root).clips
    torn = clips[clips["group"] == "106905"]
    assert set(torn["fold"]) == {0}
    assert torn["official_fold"].tolist() == ["8", "8", "8", "1", "1", "1", "1"]
    assert torn["path"].tolist()[0] == "audio/fold8/106905-5-0-0.wav"


def test_a_part_of_the_corpus_has_the_folds_of_the_whole(corpus):
    root = corpus(TORN, without=[line.split(",")[0] for line in TORN[3:]])
    with (
        pytest.warns(UserWarning, match="publisher's folds divide 1 of 1 groups"),
        pytest.warns(UserWarning, match="4 of 7 clips that metadata"),
    ):
        clips = read_corpus(root).clips
    assert clips["fold"].tolist() == [0, 0, 0]


def test_no_sound_at_all_is_refused(corpus):
    with pytest.raises(ManifestError, match=r"none of the 11 clips that metadata/UrbanSound8K"):
        read_corpus(corpus(without=[line.split(",")[0] for line in LINES]))


@pytest.mark.parametrize("fold", ["0", "ten", "", "-1", "1.5"])
def test_a_fold_that_is_no_number_from_one_is_named_by_its_row(corpus, fold):
    odd = f"105319-3-0-22.wav,105319,11,15,2,{fold},3,dog_bark"
    with pytest.raises(ManifestError, match=rf"UrbanSound8K\.csv.*\n.*from 1, row 13: '{fold}'"):
        read_corpus(corpus((*LINES, odd)))


def test_a_listing_without_its_columns_or_rows_is_refused(corpus, tmp_path):
    root = corpus(header=HEADER.replace("fsID", "fs_id"))
    with pytest.raises(ManifestError, match="columns fsID are missing, found slice_file_name"):
        read_corpus(root)
    (root / "metadata" / "UrbanSound8K.csv").write_text(HEADER + "\n")
    with pytest.raises(ManifestError, match="lists no clips"):
        read_corpus(root)


def test_a_missing_listing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no UrbanSound8K\.csv in .*metadata"):
        read_corpus(tmp_path, layout="urbansound8k")


def test_its_provenance_is_told():
    layout = LAYOUTS["urbansound8k"]
    assert layout.expected == {"clips": 8732, "labels": 10, "groups": 1297}
    assert layout.licence == "CC BY-NC 3.0"
    assert "Salamon" in layout.citation
