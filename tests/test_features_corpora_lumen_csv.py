"""Tables with a column of 0 and 1 for each IRMAS code: any order of columns, every wrong cell."""

import pytest

from features.corpora.irmas import CODES
from features.corpora.layouts import detect_layout, read_corpus
from features.manifest import ManifestError

# Tables of https://github.com/ciglenecki/lumen-audio: data/irmas_test_from_test_n_1330.csv,
SONGS = """file,cel,cla,flu,gac,gel,org,pia,sax,tru,vio,voi
data/irmas/test/103 - love spirals downwards - will you fade-12.wav,0,0,0,0,0,1,0,0,0,0,1
data/irmas/test/06 - New Noise-11.wav,0,0,0,0,1,0,0,0,0,0,1
data/irmas/test/Bobby Sox Blues-2.wav,0,0,0,0,1,0,1,0,0,0,0
data/irmas/test/Bobby Sox Blues-7.wav,0,0,0,0,0,0,1,1,0,0,1
"data/irmas/test/03 -  robert fripp, brian eno - evening star-25.wav",0,0,0,1,1,0,0,0,0,0,0
data/irmas/test/207-Dave Douglas-The Jones-19.wav,0,0,0,0,0,0,0,1,1,0,0
"""
# data/openmic_r0.8_n_7440_trainn_5063_no_outlier.csv, with its nameless index,
OPENMIC = """,file,cel,cla,flu,gac,gel,org,pia,sax,tru,vio,voi
0,data/openmic/audio/018/018045_23040.ogg,0,0,0,0,0,0,0,0,0,1,0
1,data/openmic/audio/120/120942_345600.ogg,0,0,0,0,0,0,0,0,0,1,0
2,data/openmic/audio/037/037278_149760.ogg,0,0,0,0,0,0,0,0,0,0,1
5,data/openmic/audio/130/130632_280320.ogg,0,0,0,0,0,0,0,0,1,0,0
"""
# data/predictions_by_human.csv, with its own order of columns and its repeated track,
HUMAN = """file,cel,gel,cla,flu,vio,org,sax,tru,pia,voi,gac
data/lumen_test/track_0.wav,0,0,1,0,0,1,1,0,0,1,1
data/lumen_test/track_57.wav,1,0,1,0,0,0,1,0,1,1,0
data/lumen_test/track_59.wav,0,1,1,1,0,0,0,0,1,0,0
"""
REPEATED = "data/lumen_test/track_57.wav,0,1,1,0,0,1,0,0,0,0,1\n"
# and data/irmas_sample/normalized_random_samples_relabeling.csv.
RELABELLED = """filename,sax,gac,org,gel,cel,tru,voi,vio,pia,flu,cla
data/irmas/train/cel/[cel][cla]0068__2.wav,0.0,1.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,1.0
data/irmas/train/cel/[cel][cla]0070__1.wav,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,1.0,0.0,0.0
data/irmas/train/cel/[cel][cla]0070__2.wav,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0
"""


@pytest.fixture
def table(tmp_path):
    def write(text, name="clips.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("text", [SONGS, OPENMIC, HUMAN, RELABELLED])
def test_a_table_of_codes_is_detected_before_other_tables(table, text):
    assert detect_layout(table(text)) == (
        "lumen",
        "its columns are a file and the eleven IRMAS codes",
    )


@pytest.mark.parametrize(
    "header",
    ["file,label", "file," + ",".join(CODES[:10]), "path," + ",".join(CODES)],
    ids=["no-codes", "ten-codes", "no-file"],
)
def test_other_tables_are_not(table, header):
    assert detect_layout(table(header + "\n"))[0] == "csv"


def test_labels_and_songs_of_excerpts(table):
    manifest = read_corpus(table(SONGS))
    assert manifest.clips["labels"].tolist() == [
        "org;voi",
        "gel;voi",
        "gel;pia",
        "pia;sax;voi",
        "gac;gel",
        "sax;tru",
    ]
    assert manifest.clips["group"].tolist() == [
        "103 - love spirals downwards - will you fade",
        "06 - New Noise",
        "Bobby Sox Blues",
        "Bobby Sox Blues",
        "03 -  robert fripp, brian eno - evening star",
        "207-Dave Douglas-The Jones",
    ]
    assert manifest.groups_given
    assert manifest.task == "multi-label"
    assert not manifest.has_unknown()


def test_a_nameless_index_is_left_out_and_an_excerpt_is_its_own_group(table):
    clips = read_corpus(table(OPENMIC)).clips
    assert clips["labels"].tolist() == ["vio", "vio", "voi", "tru"]
    assert clips["group"].iloc[0] == "018045_23040"
    assert not [column for column in clips if str(column).startswith("Unnamed")]


def test_the_order_of_columns_is_free(table):
    with pytest.warns(UserWarning, match="siblings"):
        clips = read_corpus(table(HUMAN)).clips
    assert clips["labels"].tolist() == [
        "cla;gac;org;sax;voi",
        "cel;cla;pia;sax;voi",
        "cla;flu;gel;pia",
    ]


def test_whole_numbers_may_have_a_point(table):
    clips = read_corpus(table(RELABELLED)).clips
    assert clips["labels"].tolist() == ["cel;cla;gac", "cel;pia", "cel"]
    assert clips["group"].tolist() == ["0068", "0070", "0070"]


def test_a_clip_with_no_instrument_has_none(table):
    text = SONGS.splitlines()[0] + "\na-1.wav" + ",0" * 11 + "\n"
    manifest = read_corpus(table(text))
    assert manifest.clips["labels"].tolist() == [""]
    assert not manifest.has_unknown()


def test_other_columns_and_given_groups_are_kept(table):
    manifest = read_corpus(table("group,file,mood,cel,pia\ng,a-1.wav,calm,1,0\n"), layout="lumen")
    assert manifest.clips.loc[0, ["group", "mood", "labels"]].tolist() == ["g", "calm", "cel"]


@pytest.mark.parametrize("name", ["data/clips.csv", "a/b/c/clips.csv"])
def test_paths_may_start_from_a_folder_above(table, tmp_path, name):
    sound = tmp_path / "data" / "irmas" / "test" / "06 - New Noise-11.wav"
    sound.parent.mkdir(parents=True)
    sound.touch()
    lines = SONGS.splitlines(keepends=True)
    manifest = read_corpus(table(lines[0] + lines[2], name))
    assert manifest.audio_clips()[0].path == str(sound)


def test_paths_that_are_nowhere_start_from_the_tables_folder(table, tmp_path):
    manifest = read_corpus(table(SONGS))
    assert manifest.root == tmp_path


def test_a_file_listed_twice_is_refused(table):
    with pytest.raises(ManifestError, match=r"'clip_id' must be unique.*track_57\.wav"):
        read_corpus(table(HUMAN + REPEATED))


def test_wrong_cells_are_named_by_line_and_column(table):
    text = "file,cel,pia\na-1.wav,0,2\nb-1.wav,yes,1\nc-1.wav,,1\n"
    with pytest.raises(ManifestError) as caught:
        read_corpus(table(text), layout="lumen")
    problem = "line 2, column 'pia': '2'; line 3, column 'cel': 'yes'; line 4, column 'cel': ''"
    assert caught.value.problems == [f"a label's cell must be 0 or 1, {problem}"]


@pytest.mark.parametrize("header", ["file,cel", "name,cel,pia"], ids=["one-code", "no-file"])
def test_a_table_without_a_file_or_two_codes_is_refused(table, header):
    with pytest.raises(ManifestError, match=f"are required, found {header.replace(',', ', ')}"):
        read_corpus(table(header + "\n"), layout="lumen")
