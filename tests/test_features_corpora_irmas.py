"""IRMAS as it unpacks: what a file name tells by its places, which excerpts belong together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.corpora.irmas import CODES, NAME
from features.corpora.irmas_testing import name_song
from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

# Names as listed in https://github.com/Veleslavia/EUSIPCO2017, metadata/irmas_train_meta.csv, each
# with its label, group, drums and genre; cel/[cel][cla]0001__1.wav also in mirdata's irmas_index.
TRAINING = {
    "cel/[cel][cla]0001__1.wav": ("cel", "0001", "", "cla"),
    "cel/[cel][pop_roc]0006__2.wav": ("cel", "0006", "", "pop_roc"),
    "cel/008__[cel][nod][cla]0058__1.wav": ("cel", "0058", "no", "cla"),
    "cel/008__[cel][nod][cla]0058__2.wav": ("cel", "0058", "no", "cla"),
    "cel/[cel][jaz_blu]0067__3.wav": ("cel", "0067", "", "jaz_blu"),
    "gac/016__[gac][dru][cou_fol]0671__1.wav": ("gac", "0671", "yes", "cou_fol"),
    "pia/125__[pia][nod][cla]1378__2.wav": ("pia", "1378", "no", "cla"),
    "pia/185__[pia][dru][pop_roc]1442__2.wav": ("pia", "1442", "yes", "pop_roc"),
    "tru/205__[tru][---][jaz_blu]1987__2.wav": ("tru", "1987", "", "jaz_blu"),
    "tru/014__[tru][dru][jaz_blu]2000__2.wav": ("tru", "2000", "yes", "jaz_blu"),
    "tru/[tru][jaz_blu]2000__3.wav": ("tru", "2000", "", "jaz_blu"),
}
# Clarinet excerpts, from the table of human labels in https://github.com/ciglenecki/lumen-audio,
# data/irmas_sample/normalized_random_samples_relabeling.csv.
CLARINET = {
    "cla/[cla][cla]0159__1.wav": ("cla", "0159", "", "cla"),
    "cla/[cla][jaz_blu]0151__3.wav": ("cla", "0151", "", "jaz_blu"),
}
# From irmas_test_meta.csv of the same repository as the training names, and its labels; the first
# one's folder and text also from mirdata's tests/resources/mir_datasets/irmas.
TESTING = {
    "Part1/02 - And The Body Will Die-8": ["gel", "voi"],
    "Part1/02 - And The Body Will Die-6": ["gel"],
    "Part1/01 Emily-6": ["cel", "vio", "voi"],
    "Part2/07 - Store Bought Bones - 07-10": ["gel", "org"],
    "Part2/07 - Store Bought Bones - 07-8": ["gel", "org"],
    "Part2/[1] - 03 - Alexandre Lagoya - Canarios (Sanz)-4": ["gac"],
    "Part2/01. Caravan-11": ["gel"],
    "Part3/032  Fats Navarro - Boperation-16": ["pia"],
    "Part3/05. Lost Life-6": ["pia", "sax"],
    "Part3/07. Buddy DeFranco & Tommy Gumina - Scrapple from the Apple-3": ["cla"],
    "Part3/105-new_order-blue_monday-uf-20": ["gel"],
}


@pytest.fixture
def tree(tmp_path):
    """Make empty files below a folder; readers look at names, not into the sound."""

    def make(names, *, below=""):
        for name in names:
            path = tmp_path / below / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


@pytest.fixture
def testing_tree(tmp_path):
    """Make the testing parts, with texts that end their lines in tabs, as published."""

    def make(entries=TESTING, *, wrap=True):
        for name, codes in entries.items():
            part = name.split("/")[0]
            folder = tmp_path / f"IRMAS-TestingData-{part}" if wrap else tmp_path
            path = folder / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            text = "".join(f"{code}\t\n" for code in codes)
            path.with_name(f"{path.stem}.txt").write_text(text)
        return tmp_path

    return make


def rows_of(manifest, *columns):
    clips = manifest.clips
    return dict(
        zip(clips["path"], clips[list(columns)].itertuples(index=False, name=None), strict=True)
    )


@pytest.mark.parametrize("below", ["", "IRMAS-TrainingData"], ids=["codes", "folder-above"])
def test_training_names_tell_label_recording_drums_and_genre(tree, below):
    expected = {**TRAINING, **CLARINET}
    manifest = read_corpus(tree(expected, below=below))
    prefix = f"{below}/" if below else ""
    assert rows_of(manifest, "labels", "group", "drums", "genre") == {
        prefix + name: row for name, row in expected.items()
    }
    assert manifest.task == "single-label"
    assert manifest.groups_given


def test_excerpts_of_a_recording_are_one_group_with_and_without_a_prefix(tree):
    clips = read_corpus(tree(TRAINING)).clips
    assert clips.loc[clips["group"] == "2000", "path"].tolist() == [
        "tru/014__[tru][dru][jaz_blu]2000__2.wav",
        "tru/[tru][jaz_blu]2000__3.wav",
    ]


@pytest.mark.parametrize("below", ["", "IRMAS-TrainingData"], ids=["codes", "folder-above"])
def test_training_data_are_detected_by_a_tagged_file_in_its_folder(tree, below):
    name, reason = detect_layout(tree(TRAINING, below=below))
    assert name == "irmas"
    assert reason.startswith("it holds cel/")


@pytest.mark.parametrize(
    "names",
    [["cel/a.wav", "cla/b.wav"], ["cla/[cel][cla]0001__1.wav"], ["cello/[cel][cla]0001__1.wav"]],
    ids=["no-tags", "other-tag", "other-folder"],
)
def test_other_folders_are_no_training_data(tree, names):
    assert detect_layout(tree(names))[0] == "folder"


@given(
    code=st.sampled_from(CODES),
    drums=st.sampled_from(["", "[dru]", "[nod]", "[---]"]),
    genre=st.sampled_from(["", "cla", "cou_fol", "pop_roc", "lat_sou", "jaz_blu"]),
    prefix=st.sampled_from(["", "008__", "234__"]),
    recording=st.integers(0, 9999),
    excerpt=st.integers(1, 3),
)
def test_a_tags_place_decides_what_it_means(code, drums, genre, prefix, recording, excerpt):
    tag = f"[{genre}]" if genre else ""
    match = NAME.fullmatch(f"{prefix}[{code}]{drums}{tag}{recording:04d}__{excerpt}.wav")
    assert match["instrument"] == code
    assert (match["drums"] or "") == drums.strip("[]")
    assert (match["genre"] or "") == genre
    assert match["recording"] == f"{recording:04d}"


def test_a_tag_that_is_not_the_folder_is_named(tree):
    root = tree([*TRAINING, "pia/[cel][cla]0003__1.wav"])
    message = r"first tag must be its folder, found pia/\[cel\]\[cla\]0003__1\.wav is in pia but"
    with pytest.raises(ManifestError, match=message):
        read_corpus(root, layout="irmas")


def test_all_that_is_wrong_with_training_names_is_told_at_once(tree):
    wrong = ["cel/take one.wav", "oboe/[obo][cla]0001__1.wav", "cel/x/[cel]0009__1.wav"]
    with pytest.raises(ManifestError) as caught:
        read_corpus(tree([*TRAINING, *wrong]), layout="irmas")
    lost, odd, false = caught.value.problems
    assert lost.startswith("files must lie in folders named cel, cla")
    assert lost.endswith("found cel/x/[cel]0009__1.wav, oboe/[obo][cla]0001__1.wav")
    assert odd.endswith("found cel/take one.wav")
    assert "found cel/x/[cel]0009__1.wav is in x but tagged [cel], oboe/" in false


@pytest.mark.parametrize("layout", ["irmas", "irmas-test"])
def test_a_folder_without_sound_is_refused(tmp_path, layout):
    with pytest.raises(ManifestError, match="no sound files found"):
        read_corpus(tmp_path, layout=layout)


@pytest.mark.parametrize("wrap", [True, False], ids=["published", "parts-alone"])
def test_testing_texts_give_the_labels_and_names_the_song(testing_tree, wrap):
    manifest = read_corpus(testing_tree(wrap=wrap))
    rows = rows_of(manifest, "labels", "group").items()
    found = {"/".join(path.split("/")[-2:]): row for path, row in rows}
    assert found == {
        f"{name}.wav": (";".join(codes), name.split("/")[1].rsplit("-", 1)[0])
        for name, codes in TESTING.items()
    }
    assert manifest.clips["group"].nunique() == 9
    assert manifest.task == "multi-label"
    assert not manifest.has_unknown()
    assert (manifest.clips["split"] == "").all()


@pytest.mark.parametrize("inner", ["", "IRMAS-TestingData-Part1", "IRMAS-TestingData-Part1/Part1"])
def test_testing_data_are_detected_at_any_of_their_folders(testing_tree, inner):
    name, reason = detect_layout(testing_tree() / inner)
    assert name == "irmas-test"
    assert "names the instruments of" in reason


def test_sound_beside_other_texts_is_no_testing_data(tmp_path):
    (tmp_path / "a-1.wav").touch()
    (tmp_path / "a-1.txt").write_text("recorded in May\n")
    assert detect_layout(tmp_path)[0] == "folder"


def test_testing_data_are_read_alone_where_training_data_lie_beside_them(tree, testing_tree):
    root = testing_tree()
    tree(TRAINING, below="IRMAS-TrainingData")
    assert detect_layout(root)[0] == "irmas"
    assert len(read_corpus(root)) == len(TRAINING)
    assert len(read_corpus(root, layout="irmas-test")) == len(TESTING)


def test_lines_may_end_as_any_editor_ends_them(testing_tree):
    root = testing_tree({"Part1/a-1": []})
    (root / "IRMAS-TestingData-Part1" / "Part1" / "a-1.txt").write_bytes(
        b"gel\t\r\nvoi\r\n\r\n gel"
    )
    assert read_corpus(root).clips["labels"].tolist() == ["gel;voi"]


def test_missing_unknown_and_empty_texts_are_named_at_once(testing_tree):
    root = testing_tree({"Part1/a-1": ["gel", "drums"], "Part1/b-1": [], "Part2/c-1": ["pia"]})
    (root / "IRMAS-TestingData-Part2" / "Part2" / "c-1.txt").unlink()
    with pytest.raises(ManifestError) as caught:
        read_corpus(root, layout="irmas-test")
    assert len(caught.value.problems) == 3
    unknown, empty, missing = caught.value.problems
    assert "Part1/a-1.txt, line 2: 'drums' is none of cel, cla" in unknown
    assert "Part1/b-1.txt must name an instrument, it is empty" in empty
    assert "Part2/c-1.txt must be there" in missing


@pytest.mark.parametrize(
    ("stem", "song"),
    [
        (
            "01-mogwai-i_m_jim_morrison_i_m_dead-cocmp3-15",
            "01-mogwai-i_m_jim_morrison_i_m_dead-cocmp3",
        ),
        ("08-Concerto in A major, K 219 -2- Adagio-45", "08-Concerto in A major, K 219 -2- Adagio"),
        ("no number", "no number"),
    ],
    ids=["dashes", "number-inside", "no-number"],
)
def test_a_songs_name_is_what_comes_before_the_last_number(stem, song):
    assert name_song(stem) == song


def test_provenance_and_counts_are_those_of_the_release():
    # Clips and their number per instrument: the publisher's own, as in mirdata/datasets/irmas.py;
    # recordings and songs: counted from the lists cited above.
    assert LAYOUTS["irmas"].expected == {"clips": 6705, "labels": 11, "groups": 2261}
    assert LAYOUTS["irmas-test"].expected == {"clips": 2874, "labels": 11, "groups": 208}
    assert "10.5281/zenodo.1290750" in LAYOUTS["irmas"].source
