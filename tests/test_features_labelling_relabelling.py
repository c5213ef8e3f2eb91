"""Labels given anew: which clip a line names, what its cells decide, what stays as it was."""

import pandas as pd
import pytest

from features.labelling.relabelling import apply_relabelling
from features.manifest import ManifestError, make_manifest

# https://github.com/ciglenecki/lumen-audio, normalized_random_samples_relabeling.csv below
# data/irmas_sample, which its `train_override_csvs` takes.
HUMAN = """filename,sax,gac,org,gel,cel,tru,voi,vio,pia,flu,cla
data/irmas/train/cel/[cel][cla]0068__2.wav,0.0,1.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,1.0
data/irmas/train/cel/[cel][cla]0070__1.wav,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,1.0,0.0,0.0
data/irmas/train/cel/[cel][cla]0075__1.wav,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,0.0
data/irmas/train/cel/[cel][pop_roc]0143__3.wav,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0
data/irmas/train/cla/[cla][cla]0159__1.wav,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0
data/irmas/train/cla/[cla][cla]0259__3.wav,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0
data/irmas/train/flu/[flu][cla]0346__2.wav,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0
data/irmas/train/org/[org][jaz_blu]1040__1.wav,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0
data/irmas/train/pia/[pia][cla]1307__1.wav,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0
data/irmas/train/tru/[tru][pop_roc]2043__3.wav,0.0,0.0,0.0,1.0,0.0,1.0,1.0,0.0,0.0,0.0,0.0
"""
RELABELLED = {
    "cel/[cel][cla]0068__2.wav": "cel;cla;gac",
    "cel/[cel][cla]0070__1.wav": "cel;pia",
    "cel/[cel][cla]0075__1.wav": "pia;vio",
    "cel/[cel][pop_roc]0143__3.wav": "gel",
    "cla/[cla][cla]0159__1.wav": "flu;sax",
    "cla/[cla][cla]0259__3.wav": "cla",
    "flu/[flu][cla]0346__2.wav": "flu",
    "org/[org][jaz_blu]1040__1.wav": "org",
    "pia/[pia][cla]1307__1.wav": "pia",
    "tru/[tru][pop_roc]2043__3.wav": "gel;tru;voi",
}


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "override.csv"
        path.write_text(text)
        return path

    return write


def manifest_of(paths, **columns):
    clips = pd.DataFrame({"path": list(paths), "group": list(paths), **columns})
    return make_manifest(clips, "/corpus")


@pytest.fixture
def three():
    return manifest_of(
        ["x/a.wav", "x/b.wav", "y/b.wav"],
        labels=["oboe", "oboe;cello", ""],
        unknown_labels=["", "viola", "*"],
        clip_id=["first", "", ""],
        mood=["calm", "wild", "calm"],
    )


def test_a_published_table_overrides_by_file_name(table):
    paths = [*RELABELLED, "voi/[voi][pop_roc]2084__1.wav"]
    manifest = manifest_of(paths, labels=[path[:3] for path in paths])
    clips = apply_relabelling(manifest, table(HUMAN)).clips
    assert dict(zip(clips["path"], clips["labels"], strict=True)) == {
        **RELABELLED,
        "voi/[voi][pop_roc]2084__1.wav": "voi",
    }
    assert (clips["unknown_labels"] == "").all()


def test_what_is_not_named_stays_as_it_was(three, table):
    after = apply_relabelling(three, table("filename,labels\nx/a.wav,cello;viola\n"))
    assert after.clips["labels"].iloc[0] == "cello;viola"
    before = three.clips.drop(columns=["labels", "unknown_labels"])
    pd.testing.assert_frame_equal(after.clips.drop(columns=["labels", "unknown_labels"]), before)
    pd.testing.assert_frame_equal(after.clips.iloc[1:], three.clips.iloc[1:])
    assert after.root == three.root


@pytest.mark.parametrize(
    ("name", "row"),
    [("first", 0), ("x/a.wav", 0), ("a.wav", 0), ("elsewhere/a.wav", 0), ("y\\b.wav", 2)],
    ids=["clip_id", "path", "file-name", "other-folder", "backslash"],
)
def test_a_clip_is_named_by_identifier_path_or_file_name(three, table, name, row):
    labels = apply_relabelling(three, table(f"filename,labels\n{name},tuba\n")).clips["labels"]
    assert labels.tolist().index("tuba") == row


@pytest.mark.parametrize("column", ["clip_id", "path", "file", "Filename", "fname"])
def test_the_naming_column_has_many_names(three, table, column):
    after = apply_relabelling(three, table(f"{column},labels\nfirst,tuba\n"))
    assert after.clips["labels"].iloc[0] == "tuba"


def test_a_list_of_labels_is_the_whole_truth(three, table):
    after = apply_relabelling(three, table("path,labels\nx/b.wav,tuba\ny/b.wav,\n"))
    assert after.clips["labels"].tolist() == ["oboe", "tuba", ""]
    assert after.clips["unknown_labels"].tolist() == ["", "", ""]


def test_a_list_of_labels_may_name_what_is_unknown(three, table):
    after = apply_relabelling(three, table("path,labels,unknown_labels\ny/b.wav,tuba,oboe\n"))
    assert after.clips["unknown_labels"].tolist() == ["", "viola", "oboe"]


def test_a_column_decides_its_own_label_alone(three, table):
    after = apply_relabelling(three, table("path,cello,tuba\nx/b.wav,0,1\ny/b.wav,0,1\n"))
    assert after.clips["labels"].tolist() == ["oboe", "oboe;tuba", "tuba"]
    assert after.clips["unknown_labels"].tolist() == ["", "viola", "oboe;viola"]


def test_a_decided_label_is_no_longer_unknown(three, table):
    after = apply_relabelling(three, table("path,viola\nx/b.wav,1\n"))
    assert after.clips.loc[1, ["labels", "unknown_labels"]].tolist() == ["cello;oboe;viola", ""]


def test_an_unlabelled_manifest_gets_labels(table):
    manifest = manifest_of(["a.wav", "b.wav"])
    after = apply_relabelling(manifest, table("file,labels\na.wav,oboe\n"))
    assert after.labels_given
    assert after.clips["unknown_labels"].tolist() == ["", "*"]


def test_groups_that_were_not_given_stay_so(table):
    with pytest.warns(UserWarning, match="siblings"):
        manifest = make_manifest(pd.DataFrame({"path": ["a.wav"], "labels": ["oboe"]}), "/corpus")
    assert not apply_relabelling(manifest, table("file,labels\na.wav,tuba\n")).groups_given


def test_a_nameless_index_is_no_label(three, table):
    after = apply_relabelling(three, table(",path,cello\n0,x/a.wav,1\n"))
    assert after.clips["labels"].iloc[0] == "cello;oboe"


def test_all_names_that_fit_no_clip_or_several_are_listed(three, table):
    text = "file,labels\nz.wav,x\nb.wav,x\na.wav,x\n,x\nfirst,x\n"
    with pytest.raises(ManifestError) as caught:
        apply_relabelling(three, table(text))
    assert caught.value.problems == [
        "line 2: 'z.wav' must name one clip, it fits no clip",
        "line 3: 'b.wav' must name one clip, it fits 2 clips",
        "line 5: '' must name one clip, it fits no clip",
        "line 6: 'first' is the clip of line 4",
    ]


def test_several_segments_of_a_file_are_named_by_their_identifiers(table):
    manifest = manifest_of(["a.wav", "a.wav"], start_s=[0, 1], end_s=[1, 2], labels=["x", "y"])
    with pytest.raises(ManifestError, match=r"'a\.wav' must name one clip, it fits 2 clips"):
        apply_relabelling(manifest, table("file,labels\na.wav,z\n"))
    after = apply_relabelling(manifest, table("file,labels\na.wav#1-2,z\n"))
    assert after.clips["labels"].tolist() == ["x", "z"]


def test_a_cell_that_is_neither_0_nor_1_is_named(three, table):
    with pytest.raises(ManifestError, match="line 2, column 'cello': 'yes'"):
        apply_relabelling(three, table("file,cello\na.wav,yes\n"))


@pytest.mark.parametrize(
    "text", ["file\na.wav\n", "name,labels\na.wav,x\n"], ids=["no-label", "no-name"]
)
def test_a_table_without_names_or_labels_is_refused(three, table, text):
    with pytest.raises(ManifestError, match="names the clip and columns of labels are required"):
        apply_relabelling(three, table(text))


def test_a_missing_table_is_told(three, tmp_path):
    with pytest.raises(FileNotFoundError):
        apply_relabelling(three, tmp_path / "missing.csv")
