"""ESC-50 and ESC-10 in their forms: one set of words, folds from zero, Freesound clips whole."""

import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

HEADER = "filename,fold,target,category,esc10,src_file,take"
# Lines of karolpiczak/ESC-50; its esc50.csv of 2017 has them under two other column names.
LINES = (
    "1-100032-A-0.wav,1,0,dog,True,100032,A",
    "1-100038-A-14.wav,1,14,chirping_birds,False,100038,A",
    "1-100210-A-36.wav,1,36,vacuum_cleaner,False,100210,A",
    "1-100210-B-36.wav,1,36,vacuum_cleaner,False,100210,B",
    "1-101336-A-30.wav,1,30,door_wood_knock,False,101336,A",
    "1-116765-A-41.wav,1,41,chainsaw,True,116765,A",
    "1-137-A-32.wav,1,32,keyboard_typing,False,137,A",
    "1-17295-A-29.wav,1,29,drinking_sipping,False,17295,A",
    "1-172649-F-40.wav,1,40,helicopter,True,172649,F",
    "1-51805-A-33.wav,1,33,door_wood_creaks,False,51805,A",
    "1-17150-A-12.wav,1,12,crackling_fire,True,17150,A",
)
# Names in soundata 0.1.1, datasets/indexes/esc50_index.json: all excerpts of two of the four
# Freesound clips that the folds tear apart.
TORN = (
    "4-234879-A-6.wav,4,6,hen,False,234879,A",
    "5-234879-A-1.wav,5,1,rooster,True,234879,A",
    "5-234879-B-1.wav,5,1,rooster,True,234879,B",
    "2-131943-A-38.wav,2,38,clock_tick,True,131943,A",
    "3-131943-A-37.wav,3,37,clock_alarm,False,131943,A",
)
# Paths in karolpiczak/ESC-50 at c6371fc, the older release.
OLDER = (
    "101 - Dog/1-100032-A.ogg",
    "101 - Dog/2-122104-A.ogg",
    "101 - Dog/2-122104-B.ogg",
    "101 - Dog/5-9032-A.ogg",
    "102 - Rooster/4-164064-C.ogg",
    "103 - Pig/1-208757-E.ogg",
    "201 - Rain/3-142005-A.ogg",
    "310 - Drinking - sipping/1-17295-A.ogg",
    "310 - Drinking - sipping/5-207836-D.ogg",
    "310 - Drinking - sipping/4-188191-B.ogg",
)
# The classes and clips of karolpiczak/ESC-10, README.txt at ba074f0 and README.md at 1046bc9.
ESC10_FOLDERS = {
    "001 - Dog bark": "dog",
    "002 - Rain": "rain",
    "003 - Sea waves": "sea_waves",
    "004 - Baby cry": "crying_baby",
    "005 - Clock tick": "clock_tick",
    "006 - Person sneeze": "sneezing",
    "007 - Helicopter": "helicopter",
    "008 - Chainsaw": "chainsaw",
    "009 - Rooster": "rooster",
    "010 - Fire crackling": "crackling_fire",
}
ESC10_CLIPS = (
    "001 - Dog bark/1-100032-A.ogg",
    "001 - Dog bark/5-9032-A.ogg",
    "002 - Rain/1-17367-A.ogg",
    "002 - Rain/5-203739-A.ogg",
    "003 - Sea waves/1-28135-A.ogg",
    "003 - Sea waves/1-28135-B.ogg",
)
# The classes of karolpiczak/ESC-50, README.md at c6371fc, beside the categories of its esc50.csv.
ESC50_FOLDERS = {
    "101 - Dog": "dog", "102 - Rooster": "rooster", "103 - Pig": "pig", "104 - Cow": "cow",
    "105 - Frog": "frog", "106 - Cat": "cat", "107 - Hen": "hen", "108 - Insects": "insects",
    "109 - Sheep": "sheep", "110 - Crow": "crow", "201 - Rain": "rain",
    "202 - Sea waves": "sea_waves", "203 - Crackling fire": "crackling_fire",
    "204 - Crickets": "crickets", "205 - Chirping birds": "chirping_birds",
    "206 - Water drops": "water_drops", "207 - Wind": "wind",
    "208 - Pouring water": "pouring_water", "209 - Toilet flush": "toilet_flush",
    "210 - Thunderstorm": "thunderstorm", "301 - Crying baby": "crying_baby",
    "302 - Sneezing": "sneezing", "303 - Clapping": "clapping", "304 - Breathing": "breathing",
    "305 - Coughing": "coughing", "306 - Footsteps": "footsteps", "307 - Laughing": "laughing",
    "308 - Brushing teeth": "brushing_teeth", "309 - Snoring": "snoring",
    "310 - Drinking - sipping": "drinking_sipping", "401 - Door knock": "door_wood_knock",
    "402 - Mouse click": "mouse_click", "403 - Keyboard typing": "keyboard_typing",
    "404 - Door - wood creaks": "door_wood_creaks", "405 - Can opening": "can_opening",
    "406 - Washing machine": "washing_machine", "407 - Vacuum cleaner": "vacuum_cleaner",
    "408 - Clock alarm": "clock_alarm", "409 - Clock tick": "clock_tick",
    "410 - Glass breaking": "glass_breaking", "501 - Helicopter": "helicopter",
    "502 - Chainsaw": "chainsaw", "503 - Siren": "siren", "504 - Car horn": "car_horn",
    "505 - Engine": "engine", "506 - Train": "train", "507 - Church bells": "church_bells",
    "508 - Airplane": "airplane", "509 - Fireworks": "fireworks", "510 - Hand saw": "hand_saw",
}  # fmt: skip


@pytest.fixture
def tree(tmp_path):
    """Make empty files below a folder; readers look at names, not into the sound."""

    def make(names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


@pytest.fixture
def corpus(tree):
    def make(lines=LINES, *, header=HEADER):
        root = tree(["meta/esc50.csv", *("audio/" + line.split(",")[0] for line in lines)])
        (root / "meta" / "esc50.csv").write_text("\n".join([header, *lines]) + "\n")
        return root

    return make


def labels_by_path(manifest):
    return dict(zip(manifest.clips["path"], manifest.clips["labels"], strict=True))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["meta/esc50.csv"], ("esc50", "it holds meta/esc50.csv")),
        (OLDER, ("esc50", "it holds 101 - Dog")),
        (ESC10_CLIPS, ("esc10", "it holds 001 - Dog bark")),
    ],
    ids=["listing", "older", "esc10"],
)
def test_each_form_is_detected(tree, names, found):
    assert detect_layout(tree(names)) == found


def test_label_fold_and_source_come_from_the_listing(corpus):
    manifest = read_corpus(corpus())
    clips = manifest.clips.set_index("path")
    row = clips.loc["audio/1-100210-B-36.wav"]
    assert row[["labels", "fold", "official_fold", "group", "take"]].tolist() == [
        "vacuum_cleaner",
        0,
        "1",
        "100210",
        "B",
    ]
    assert len(clips) == 11
    assert manifest.task == "single-label"


def test_esc10_is_the_part_that_the_listing_marks(corpus):
    manifest = read_corpus(corpus(), layout="esc10")
    assert sorted(manifest.clips["labels"]) == ["chainsaw", "crackling_fire", "dog", "helicopter"]


def test_a_listing_that_marks_no_clip_has_no_esc10(corpus):
    with pytest.raises(ManifestError, match=r"esc50\.csv.*\n.*no row has esc10 = True"):
        read_corpus(corpus(LINES[1:3]), layout="esc10")


def test_freesound_clips_that_the_folds_tear_apart_are_kept_whole(corpus):
    root = corpus(LINES + TORN)
    with pytest.warns(
        UserWarning, match=r"divide 2 of 12 groups \(131943, 234879\).*2 of 16 clips"
    ):
        clips = read_corpus(root).clips.set_index("path")
    # Most excerpts are in fold 5; of equals, the first.
    assert clips.loc["audio/4-234879-A-6.wav", ["fold", "official_fold"]].tolist() == [4, "4"]
    assert clips.loc["audio/3-131943-A-37.wav", ["fold", "official_fold"]].tolist() == [1, "3"]


def test_esc10s_folds_tear_nothing_apart(corpus):
    clips = read_corpus(corpus(LINES + TORN), layout="esc10").clips.set_index("path")
    assert clips.loc["audio/5-234879-B-1.wav", "fold"] == 4


def test_older_names_tell_fold_source_and_take(tree):
    clips = read_corpus(tree(OLDER)).clips.set_index("path")
    row = clips.loc["310 - Drinking - sipping/4-188191-B.ogg"]
    assert row[["labels", "fold", "official_fold", "group", "take"]].tolist() == [
        "drinking_sipping",
        3,
        "4",
        "188191",
        "B",
    ]


@pytest.mark.parametrize(
    ("layout", "folders"),
    [("esc50", ESC50_FOLDERS), ("esc10", ESC10_FOLDERS)],
    ids=["esc50", "esc10"],
)
def test_both_forms_have_the_same_words(tree, layout, folders):
    root = tree([f"{folder}/1-{n}-A.ogg" for n, folder in enumerate(folders)])
    found = {path.split("/")[0]: label for path, label in labels_by_path(read_corpus(root)).items()}
    assert detect_layout(root)[0] == layout
    assert found == folders


def test_esc10s_own_release_is_read(tree):
    manifest = read_corpus(tree(ESC10_CLIPS))
    assert labels_by_path(manifest)["003 - Sea waves/1-28135-B.ogg"] == "sea_waves"
    assert manifest.clips["group"].nunique() == 5


def test_esc50s_older_folders_do_not_tell_esc10(tree):
    with pytest.raises(ManifestError, match=r"ESC-10 needs meta/esc50\.csv"):
        read_corpus(tree(OLDER), layout="esc10")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("101 - Dog/6-1-A.ogg", r"found 101 - Dog/6-1-A\.ogg"),
        ("Dog/1-1-A.ogg", r"found Dog/1-1-A\.ogg"),
        ("101 - Dog/more/1-1-A.ogg", r"found 101 - Dog/more/1-1-A\.ogg"),
        ("1-1-A.ogg", r"found 1-1-A\.ogg"),
    ],
    ids=["fold-6", "no-number", "too-deep", "loose"],
)
def test_an_older_file_named_otherwise_is_named(tree, name, shown):
    with pytest.raises(ManifestError, match=shown):
        read_corpus(tree([*OLDER, name]), layout="esc50")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"without meta/esc50\.csv.*found nothing"):
        read_corpus(tmp_path, layout="esc50")


def test_a_fold_that_is_no_number_is_named_by_its_row(corpus):
    root = corpus((*LINES, "x-1-A-0.wav,x,0,dog,True,1,A"))
    with pytest.raises(ManifestError, match=r"'official_fold' must be .* row 13: 'x'"):
        read_corpus(root)


def test_missing_files_are_told(corpus):
    root = corpus()
    (root / "audio" / "1-137-A-32.wav").unlink()
    with pytest.warns(UserWarning, match=r"1 of 11 clips .*esc50\.csv.*audio/1-137-A-32\.wav"):
        assert len(read_corpus(root)) == 10


def test_a_listing_without_its_columns_is_refused(corpus):
    with pytest.raises(ManifestError, match="columns category are missing"):
        read_corpus(corpus(header=HEADER.replace("category", "class")))


def test_their_provenance_is_told():
    assert LAYOUTS["esc50"].expected == {"clips": 2000, "labels": 50, "groups": 1524}
    assert LAYOUTS["esc10"].expected == {"clips": 400, "labels": 10, "groups": 304}
    assert LAYOUTS["esc50"].licence == "CC BY-NC 3.0"
    assert LAYOUTS["esc10"].licence == "CC BY 3.0"
