"""Corpora as they lie on disk: what is recognised, what is read, what is refused by name."""

import pandas as pd
import pytest

from features.corpora.layouts import detect_layout, list_layouts, read_corpus
from features.manifest import ManifestError, make_manifest, write_manifest


@pytest.fixture
def tree(tmp_path):
    """Make empty files below a folder; readers look at names, not into the sound."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def labels_by_path(manifest):
    return dict(zip(manifest.clips["path"], manifest.clips["labels"], strict=True))


PHILHARMONIA = (
    "cello/cello_A3_1_forte_arco-normal.mp3",
    "cello/cello_A3_025_piano_arco-normal.mp3",
    "cello/cello_As3_1_forte_pizz-normal.mp3",
    "cor-anglais/english-horn_A3_1_forte_normal.mp3",
)


def test_every_layout_has_a_name_of_its_own_and_one_line_for_people():
    layouts = list_layouts()
    assert {"csv", "folder", "philharmonia", "rendered"} <= {layout.name for layout in layouts}
    assert len({layout.name for layout in layouts}) == len(layouts)
    assert all(layout.summary and "\n" not in layout.summary for layout in layouts)


@pytest.mark.parametrize(
    ("names", "layout", "reason"),
    [
        (["oboe/a.wav"], "folder", "folders are taken as labels"),
        (PHILHARMONIA, "philharmonia", "named like cello_A3_025_piano_arco-normal.mp3"),
        (["manifest.csv", "audio/a.wav"], "rendered", "it holds manifest.csv"),
        (["cello/a.mp3", *PHILHARMONIA], "folder", "folders are taken as labels"),
        (["._x.mp3", "cello/._cello.mp3", *PHILHARMONIA], "philharmonia", "named like cello"),
    ],
    ids=["folder", "philharmonia", "rendered", "some-named-otherwise", "hidden-files"],
)
def test_a_layout_is_detected_with_its_reason(tree, names, layout, reason):
    name, why = detect_layout(tree(*names))
    assert name == layout
    assert reason in why


def test_a_csv_file_is_detected(tree):
    assert detect_layout(tree("Clips.CSV") / "Clips.CSV") == ("csv", "it is a CSV file")


def test_what_is_missing_has_no_layout(tmp_path):
    for look in (detect_layout, read_corpus, lambda root: read_corpus(root, layout="folder")):
        with pytest.raises(FileNotFoundError, match="no such file or folder"):
            look(tmp_path / "missing")


def test_a_file_that_is_no_table_has_no_layout(tree):
    with pytest.raises(ValueError, match="neither a folder nor a CSV table"):
        detect_layout(tree("a.wav") / "a.wav")


def test_an_unknown_layout_names_those_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"must be one of .*folder.*, got 'esc99'"):
        read_corpus(tmp_path, layout="esc99")


def test_the_first_folder_is_the_label_however_deep_the_file(tree):
    root = tree("oboe/a.wav", "oboe/take 2/b.FLAC", "cor anglais/c.mp3", "oboe/notes.txt")
    with pytest.warns(UserWarning, match="siblings"):
        manifest = read_corpus(root)
    assert labels_by_path(manifest) == {
        "cor anglais/c.mp3": "cor anglais",
        "oboe/a.wav": "oboe",
        "oboe/take 2/b.FLAC": "oboe",
    }
    assert manifest.task == "single-label"
    assert manifest.audio_clips()[0].path == str(root / "cor anglais" / "c.mp3")


def test_sound_that_cannot_be_decoded_is_listed_all_the_same(tree):
    with pytest.warns(UserWarning, match="siblings"):
        manifest = read_corpus(tree("oboe/a.wav", "oboe/b.m4a"))
    assert manifest.clips["path"].tolist() == ["oboe/a.wav", "oboe/b.m4a"]


def test_a_flat_folder_is_unlabelled(tree):
    with pytest.warns(UserWarning, match="siblings"):
        manifest = read_corpus(tree("b.wav", "a.wav"))
    assert manifest.clips["path"].tolist() == ["a.wav", "b.wav"]
    assert not manifest.labels_given
    assert manifest.has_unknown()


def test_loose_files_beside_label_folders_are_named(tree):
    root = tree("oboe/a.wav", "loose.wav", "other.mp3")
    with pytest.raises(ManifestError, match=r"2 sound files lie outside .*loose\.wav, other\.mp3"):
        read_corpus(root)


@pytest.mark.parametrize("names", [[], ["oboe/notes.txt"], ["oboe/.hidden.wav"]], ids=str)
def test_a_folder_without_sound_is_refused(tree, tmp_path, names):
    tree(*names)
    with pytest.raises(ManifestError, match=r"no sound files found \(\.wav, \.flac") as caught:
        read_corpus(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_label_folder_with_the_separator_in_its_name_is_refused(tree):
    with pytest.raises(ManifestError, match=r"must not contain ';', got \['oboe;cello'\]"):
        read_corpus(tree("oboe;cello/a.wav"))


def test_philharmonia_names_tell_instrument_note_and_playing(tree):
    manifest = read_corpus(tree(*PHILHARMONIA))
    clips = manifest.clips.set_index("path")
    assert labels_by_path(manifest) == {name: name.split("/")[0] for name in PHILHARMONIA}
    row = clips.loc["cello/cello_As3_1_forte_pizz-normal.mp3"]
    assert row[["note", "length", "dynamic", "articulation"]].tolist() == [
        "As3",
        "1",
        "forte",
        "pizz-normal",
    ]


def test_philharmonia_takes_of_one_note_are_one_group(tree):
    clips = read_corpus(tree(*PHILHARMONIA)).clips.set_index("path")
    assert clips["group"].to_dict() == {
        PHILHARMONIA[0]: "cello_A3",
        PHILHARMONIA[1]: "cello_A3",
        PHILHARMONIA[2]: "cello_As3",
        PHILHARMONIA[3]: "cor-anglais_A3",
    }


def test_a_single_instruments_folder_is_labelled_by_the_file_names(tree):
    root = tree(*PHILHARMONIA)
    manifest = read_corpus(root / "cor-anglais")
    assert labels_by_path(manifest) == {"english-horn_A3_1_forte_normal.mp3": "english-horn"}


def test_a_philharmonia_file_named_otherwise_is_named(tree):
    root = tree("cello/take one.mp3", "cello/x.wav", *PHILHARMONIA)
    with pytest.raises(
        ManifestError, match=r"must be named .*found cello/take one\.mp3, cello/x\.wav"
    ):
        read_corpus(root, layout="philharmonia")


def test_an_empty_philharmonia_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"must be named .*found nothing"):
        read_corpus(tmp_path, layout="philharmonia")


def test_a_rendered_corpus_is_its_own_manifest(tree):
    root = tree("audio/a.wav")
    table = {"path": ["audio/a.wav"], "labels": ["oboe;cello"], "group": ["song"], "tempo": ["90"]}
    write_manifest(make_manifest(pd.DataFrame(table), root), root / "manifest.csv")
    manifest = read_corpus(root)
    assert labels_by_path(manifest) == {"audio/a.wav": "oboe;cello"}
    assert manifest.clips["tempo"].tolist() == ["90"]
    assert manifest.audio_clips()[0].path == str(root / "audio" / "a.wav")


@pytest.mark.parametrize("path_name", ["path", "file", "Filename", "file_name", "fname"])
@pytest.mark.parametrize("label_name", ["labels", "Label", "category", "instrument"])
def test_a_csv_table_names_its_columns_in_many_ways(tmp_path, path_name, label_name):
    table = tmp_path / "clips.csv"
    table.write_text(f"{label_name},{path_name},group,mood\noboe,x/a.wav,g,calm\n")
    manifest = read_corpus(table)
    assert labels_by_path(manifest) == {"x/a.wav": "oboe"}
    assert manifest.clips["mood"].tolist() == ["calm"]
    assert manifest.audio_clips()[0].path == str(tmp_path / "x" / "a.wav")


def test_a_path_column_goes_before_its_other_names(tmp_path):
    table = tmp_path / "clips.csv"
    table.write_text("file,path,group,label,labels\nf,p.wav,g,wrong,right\n")
    manifest = read_corpus(table)
    assert labels_by_path(manifest) == {"p.wav": "right"}
    assert manifest.clips.loc[0, ["file", "label"]].tolist() == ["f", "wrong"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not a CSV table"),
        ("path;label\na.wav;b\n", "must be separated by commas, .*'path;label'"),
        ("name,label\na,b\n", "'path' column is required, found columns: name, label"),
        ("file,label,\na.wav,x,\n", None),
        ("file,label\na.wav,x,\n", "more cells than the header"),
        ("file,group\na.wav,g\na.wav,g\n", "'clip_id' must be unique"),
    ],
    ids=[
        "empty",
        "semicolons",
        "no-path",
        "trailing-commas-everywhere",
        "trailing-commas",
        "twice",
    ],
)
def test_a_broken_csv_table_is_refused_by_name(tmp_path, content, reason):
    table = tmp_path / "clips.csv"
    table.write_text(content)
    if reason is None:
        with pytest.warns(UserWarning, match="siblings"):
            assert labels_by_path(read_corpus(table)) == {"a.wav": "x"}
        return
    with pytest.raises(ManifestError, match=reason) as caught:
        read_corpus(table)
    assert "clips.csv" in str(caught.value)
