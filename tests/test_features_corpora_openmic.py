"""OpenMIC-2018 as it unpacks: what was listened for, what was not, and what two tables agree on."""

import io
import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

# https://github.com/cosmir/openmic-2018, class-map.json.
CLASSES = (
    "accordion", "banjo", "bass", "cello", "clarinet", "cymbals", "drums", "flute", "guitar",
    "mallet_percussion", "mandolin", "organ", "piano", "saxophone", "synthesizer", "trombone",
    "trumpet", "ukulele", "violin", "voice",
)  # fmt: skip

# First lines of the official lists, https://github.com/mir-dataset-loaders/mirdata,
# tests/resources/mir_datasets/openmic2018/partitions/split01_{train,test}.csv; the first five of
# train are printed in examples/modeling-baseline.ipynb of cosmir/openmic-2018 as well.
TRAIN = ("000046_3840", "000135_483840", "000139_119040", "000141_153600", "000144_30720",
         "000145_172800", "000154_288000")  # fmt: skip
TEST = ("000178_3840", "000308_61440", "000312_184320", "000319_145920", "000321_218880")

# Its three lines are those of mirdata's openmic-2018-aggregated-labels.csv; that voice is in the
# other two is told by the docstring of src/data/dataset_csv.py in ciglenecki/lumen-audio, how much
# the listeners agreed is made up here.
LINES = (
    "000046_3840,clarinet,0.17104999999999998,3",
    "000046_3840,flute,0.0,3",
    "000046_3840,trumpet,0.0,3",
    "000135_483840,voice,1.0,3",
    "000178_3840,voice,0.5,3",
)
JUDGED = ("000046_3840", "000135_483840", "000178_3840")
HEADER = "sample_key,instrument,relevance,num_responses"

# From mirdata's openmic-2018-metadata.csv, the columns that matter here.
METADATA = (
    "track_id,artist_id,artist_name,sample_key,start_time\n46,4,Nicky Cook,000046_3840,3.84\n"
)


@pytest.fixture
def corpus(tmp_path):
    """Make the tree, with the tables that are wanted."""

    def make(*, lines=LINES, npz=None, keys=JUDGED, partitions=True):
        for key in keys:
            path = tmp_path / "audio" / key[:3] / f"{key}.ogg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        if lines is not None:
            text = "\n".join([HEADER, *lines]) + "\n"
            (tmp_path / "openmic-2018-aggregated-labels.csv").write_text(text)
        if npz is not None:
            np.savez(tmp_path / "openmic-2018.npz", **npz)
            numbers = {name: number for number, name in enumerate(CLASSES)}
            (tmp_path / "class-map.json").write_text(json.dumps(numbers))
        if partitions:
            (tmp_path / "partitions").mkdir()
            (tmp_path / "partitions" / "split01_train.csv").write_text("\n".join(TRAIN) + "\n")
            (tmp_path / "partitions" / "split01_test.csv").write_text("\n".join(TEST) + "\n")
        return tmp_path

    return make


def arrays(*, lines=LINES, keys=JUDGED, dtype=object):
    """Give the same labels as the publisher's arrays hold them: 0.5 where nobody listened."""
    truth = np.full((len(keys), len(CLASSES)), 0.5)
    mask = np.zeros(truth.shape, dtype=bool)
    for line in lines:
        key, instrument, relevance, _ = line.split(",")
        cell = keys.index(key), CLASSES.index(instrument)
        truth[cell], mask[cell] = float(relevance), True
    features = np.zeros((len(keys), 10, 128), dtype=np.int64)
    names = np.array(keys, dtype=dtype)
    return {"X": features, "Y_true": truth, "Y_mask": mask, "sample_key": names}


def rows_by_key(manifest):
    return manifest.clips.set_index("group")


def test_labels_are_what_half_the_listeners_heard_and_the_rest_is_unknown(corpus):
    manifest = read_corpus(corpus(npz=arrays()))
    rows = rows_by_key(manifest)
    assert rows["labels"].to_dict() == dict(zip(JUDGED, ("", "voice", "voice"), strict=True))
    for key, judged in zip(
        JUDGED, (["clarinet", "flute", "trumpet"], ["voice"], ["voice"]), strict=True
    ):
        unknown = rows.loc[key, "unknown_labels"].split(";")
        assert sorted([*unknown, *judged]) == sorted(CLASSES)
    row = manifest.label_matrix(CLASSES)[0]
    assert row[CLASSES.index("flute")] == 0
    assert row[CLASSES.index("voice")] == -1
    assert manifest.task == "multi-label"


@pytest.mark.parametrize("dtype", [object, str], ids=["objects", "text"])
def test_either_table_alone_is_enough(corpus, dtype):
    both = read_corpus(corpus(npz=arrays(dtype=dtype)))
    root = both.root
    (root / "openmic-2018-aggregated-labels.csv").unlink()
    pd.testing.assert_frame_equal(read_corpus(root).clips, both.clips)


def test_all_classes_are_known_of_where_few_were_judged(corpus):
    assert read_corpus(corpus()).classes == list(CLASSES)


def test_relevances_are_kept_as_text(corpus):
    rows = rows_by_key(read_corpus(corpus()))
    assert rows.loc["000046_3840", "relevance"] == "clarinet=0.171 flute=0 trumpet=0"


def test_the_official_split_and_one_group_an_excerpt(corpus):
    rows = rows_by_key(read_corpus(corpus()))
    assert rows["split"].to_dict() == dict(zip(JUDGED, ("train", "train", "test"), strict=True))
    assert rows["path"].tolist() == [
        "audio/000/000046_3840.ogg",
        "audio/000/000135_483840.ogg",
        "audio/000/000178_3840.ogg",
    ]


def test_all_keys_of_the_official_lists_may_be_judged(corpus):
    keys = (*TRAIN, *TEST)
    lines = [f"{key},banjo,0.9,3" for key in keys]
    manifest = read_corpus(corpus(lines=lines, keys=keys))
    assert manifest.clips["split"].value_counts().to_dict() == {"train": 7, "test": 5}


def test_without_the_lists_there_is_no_split(corpus):
    assert (read_corpus(corpus(partitions=False)).clips["split"] == "").all()


def test_the_artist_is_told_where_the_metadata_are_there(corpus):
    root = corpus()
    (root / "openmic-2018-metadata.csv").write_text(METADATA)
    assert rows_by_key(read_corpus(root))["artist"].tolist() == ["4", "", ""]


def test_openmic_is_detected_by_its_tables(corpus):
    assert detect_layout(corpus()) == ("openmic", "it holds openmic-2018-aggregated-labels.csv")


def test_openmic_is_detected_by_its_arrays(corpus):
    assert detect_layout(corpus(lines=None, npz=arrays()))[0] == "openmic"


def test_sound_that_is_missing_is_left_out_and_told(corpus):
    root = corpus()
    (root / "audio" / "000" / "000178_3840.ogg").unlink()
    with pytest.warns(UserWarning, match=r"1 of 3 clips .* not there.*000178_3840\.ogg"):
        assert len(read_corpus(root)) == 2


def test_tables_that_disagree_are_refused_by_row(corpus):
    other = ["000046_3840,clarinet,0.9,3", "000135_483840,voice,1.0,3", "000178_3840,voice,0.5,3"]
    message = (
        r"must agree, found 000046_3840 clarinet: 0\.171 and 0\.9; 000046_3840 flute: 0 and none"
    )
    with pytest.raises(ManifestError, match=message):
        read_corpus(corpus(npz=arrays(lines=other)))


def test_other_roundings_are_no_disagreement(corpus):
    other = [LINES[0].replace("0.17104999999999998", "0.15055"), *LINES[1:]]
    assert len(read_corpus(corpus(npz=arrays(lines=other)))) == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("46_3840,flute,0.1,3", "a sample key must be .* line 7: '46_3840'"),
        ("000135_483840,oboe,0.1,3", "must be one of accordion, .* line 7: 'oboe'"),
        ("000135_483840,flute,maybe,3", "a number from 0 to 1, line 7: 'maybe'"),
        ("000135_483840,flute,1.5,3", "a number from 0 to 1, line 7: '1.5'"),
        ("000046_3840,flute,0.0,3", "judged once, line 7: '000046_3840'"),
    ],
    ids=["key", "instrument", "word", "too-large", "twice"],
)
def test_a_broken_line_is_named(corpus, line, reason):
    with pytest.raises(ManifestError, match=reason):
        read_corpus(corpus(lines=[*LINES, line]))


def test_columns_that_are_missing_are_named(corpus):
    root = corpus()
    (root / "openmic-2018-aggregated-labels.csv").write_text("sample_key,instrument\n")
    with pytest.raises(ManifestError, match="columns relevance are missing"):
        read_corpus(root)


def test_a_clip_in_both_lists_or_none_is_named(corpus):
    root = corpus()
    (root / "partitions" / "split01_test.csv").write_text("000046_3840\n")
    with pytest.raises(ManifestError, match="2 are in both or neither: 000046_3840, 000178_3840"):
        read_corpus(root)


def test_half_a_split_is_refused(corpus):
    root = corpus()
    (root / "partitions" / "split01_test.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no split01_test\.csv"):
        read_corpus(root)


def test_arrays_without_a_class_map_are_refused(corpus):
    root = corpus(npz=arrays())
    (root / "class-map.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no class-map\.json .* names the columns"):
        read_corpus(root)


@pytest.mark.parametrize(
    "text", ["no json", '["banjo"]', '{"banjo": 0}'], ids=["no-json", "list", "part"]
)
def test_a_class_map_of_other_classes_is_refused(corpus, text):
    root = corpus(npz=arrays())
    (root / "class-map.json").write_text(text)
    with pytest.raises(
        ManifestError, match=r"class-map\.json.*\n.*it must (be JSON|number the columns)"
    ):
        read_corpus(root)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"neither openmic-2018-aggregated-labels\.csv nor"):
        read_corpus(tmp_path, layout="openmic")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Y_mask": np.ones((3, 7), bool)}, r"found Y_true \(3, 20\), Y_mask \(3, 7\), 3 keys"),
        ({"sample_key": np.array(["000046_3840"] * 3)}, "1 keys"),
        ({"sample_key": np.array(["000046_3840", 5, None], object)}, "but 1 keys were found"),
        ({"Y_true": np.array([[print]], object)}, "no pickle but the keys'"),
    ],
    ids=["shape", "repeated", "no-keys", "objects"],
)
def test_arrays_that_do_not_fit_are_refused(corpus, change, reason):
    with pytest.raises(ManifestError, match=reason):
        read_corpus(corpus(npz=arrays() | change))


def test_the_keys_pickle_is_never_run(corpus, tmp_path):
    class Runs:
        def __reduce__(self):
            return (open, (str(tmp_path / "was-run"), "w"))

    root = corpus(npz=arrays())
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|O", "fortran_order": False, "shape": (3,)}
    )
    stream.write(pickle.dumps([*JUDGED, Runs()]))
    stored = arrays()
    del stored["sample_key"]
    np.savez(root / "openmic-2018.npz", **stored)
    with zipfile.ZipFile(root / "openmic-2018.npz", "a") as archive:
        archive.writestr("sample_key.npy", stream.getvalue())
    assert len(read_corpus(root)) == 3
    assert not (tmp_path / "was-run").exists()


def test_a_file_that_is_no_archive_is_refused(corpus):
    root = corpus(npz=arrays())
    (root / "openmic-2018.npz").write_bytes(b"<html>not found</html>")
    with pytest.raises(ManifestError, match="must hold Y_true, Y_mask and sample_key"):
        read_corpus(root)


def test_provenance_and_counts_are_those_of_the_release():
    # Printed in examples/modeling-baseline.ipynb of cosmir/openmic-2018; that no two excerpts are
    # from one recording is in the publisher's description, quoted in mirdata's openmic2018.py.
    expected = {"clips": 20000, "labels": 20, "groups": 20000, "train": 14915, "test": 5085}
    assert LAYOUTS["openmic"].expected == expected
    assert "10.5281/zenodo.1432913" in LAYOUTS["openmic"].source
