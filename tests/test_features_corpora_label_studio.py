"""Label Studio's exports: whose word counts, what is unknown, which file was uploaded."""

import json

import pytest

from features.corpora.layouts import detect_layout, read_corpus
from features.corpora.uploads import clean_name
from features.manifest import ManifestError

pytestmark = pytest.mark.filterwarnings("ignore:.*have no 'group':UserWarning")

# https://github.com/ciglenecki/lumen-audio, data/irmas_sample/random_samples_relabeling.csv, whose
# sounds are IRMAS training files uploaded under names without their brackets.
EXPORT = """url,,annotator,,annotation_id,,created_at,,label,,lead_time,,updated_at,,id
/data/upload/2/954b7004-celcla0068__2.wav,,1,,2,,2023-02-22T23:38:37.494020Z,,{"choices": ["Cello", "Clarinet", "Acoustic guitar"]},,99.195,,2023-02-22T23:38:37.494020Z,,1
/data/upload/2/161b58fe-celcla0070__1.wav,,1,,3,,2023-02-22T23:40:18.849434Z,,{"choices": ["Cello", "Piano"]},,101.177,,2023-02-22T23:40:18.849434Z,,2
/data/upload/2/989962e1-celcla0070__2.wav,,1,,4,,2023-02-22T23:40:29.169639Z,,Cello,,10.143,,2023-02-22T23:40:29.169639Z,,3
/data/upload/2/c7aceb59-celcla0075__1.wav,,1,,5,,2023-02-22T23:40:42.556984Z,,{"choices": ["Piano", "Violin"]},,13.207,,2023-02-22T23:40:42.556984Z,,4
/data/upload/2/8b14e0a7-celpop_roc0006__2.wav,,1,,10,,2023-02-22T23:44:13.702938Z,,Cello,,19.915,,2023-02-22T23:44:13.702938Z,,9
/data/upload/2/4c9b9101-celpop_roc0143__3.wav,,1,,16,,2023-02-22T23:45:51.673956Z,,Electric guitar,,11.665,,2023-02-22T23:45:51.673956Z,,15
/data/upload/2/2846c252-clacla0159__1.wav,,1,,17,,2023-02-22T23:46:26.252719Z,,{"choices": ["Flute", "Saxophone"]},,50.227000000000004,,2023-02-22T23:47:28.519009Z,,16
/data/upload/2/ae9e25c8-clajaz_blu0151__3.wav,,1,,24,,2023-02-22T23:51:55.638156Z,,{"choices": ["Clarinet", "Trumpet"]},,60.091,,2023-02-22T23:51:55.638156Z,,23
/data/upload/2/5fab74c9-flucla0346__2.wav,,1,,37,,2023-02-22T23:58:21.515775Z,,Flute,,56.338,,2023-02-22T23:58:21.515775Z,,36
/data/upload/2/4c14fd27-orgjaz_blu1040__1.wav,,1,,96,,2023-02-23T00:27:50.410505Z,,Organ,,8.198,,2023-02-23T00:27:50.410505Z,,95
"""  # noqa: E501
# The same files in data/irmas_sample/normalized_random_samples_relabeling.csv there, with labels.
RESTORED = {
    "train/cel/[cel][cla]0068__2.wav": "Acoustic guitar;Cello;Clarinet",
    "train/cel/[cel][cla]0070__1.wav": "Cello;Piano",
    "train/cel/[cel][cla]0070__2.wav": "Cello",
    "train/cel/[cel][cla]0075__1.wav": "Piano;Violin",
    "train/cel/[cel][pop_roc]0006__2.wav": "Cello",
    "train/cel/[cel][pop_roc]0143__3.wav": "Electric guitar",
    "train/cla/[cla][cla]0159__1.wav": "Flute;Saxophone",
    "train/cla/[cla][jaz_blu]0151__3.wav": "Clarinet;Trumpet",
    "train/flu/[flu][cla]0346__2.wav": "Flute",
    "train/org/[org][jaz_blu]1040__1.wav": "Organ",
}


@pytest.fixture
def export(tmp_path):
    """Write an export beside the sounds that are wanted."""

    def write(content, *, name="export.csv", sounds=("a.wav", "b.wav", "c.wav")):
        for sound in sounds:
            path = tmp_path / sound
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def answer(*labels, control="label"):
    """Write a choice as https://labelstud.io/guide/task_format lays it out."""
    value = {"choices": list(labels)}
    return {
        "id": "Dx_aB91ISN",
        "from_name": control,
        "to_name": "audio",
        "type": "choices",
        "value": value,
    }


def annotation(number, *results, cancelled=False):
    return {
        "id": number,
        "completed_by": number,
        "result": list(results),
        "was_cancelled": cancelled,
        "ground_truth": False,
        "lead_time": 4.288,
    }


def task(number, audio, *annotations, **data):
    return {
        "id": number,
        "data": {"audio": f"/data/upload/3/1a2b3c4d-{audio}", **data},
        "annotations": list(annotations),
        "predictions": [],
    }


def labels_of(manifest):
    return dict(zip(manifest.clips["path"], manifest.clips["labels"], strict=True))


def test_cells_parted_by_two_commas_and_lost_brackets_are_read(export):
    manifest = read_corpus(export(EXPORT, sounds=RESTORED))
    assert labels_of(manifest) == RESTORED
    assert not manifest.has_unknown()
    assert manifest.clips["lead_time"].iloc[0] == "99.195"


def test_the_same_lines_with_quotes_and_single_commas_are_read(export):
    lines = [line.split(",,") for line in EXPORT.splitlines()]
    cells = [[cell.replace('"', '""') for cell in line] for line in lines]
    text = "\n".join(",".join(f'"{cell}"' for cell in line) for line in cells)
    assert labels_of(read_corpus(export(text, sounds=RESTORED), layout="label-studio")) == RESTORED


def test_unquoted_choices_are_refused(export):
    # As in data/irmas_sample/labeled_sample.csv of the same repository.
    text = EXPORT.replace(",,", ",")
    with pytest.raises(ManifestError, match=r"not a CSV table|more cells than the header"):
        read_corpus(export(text, sounds=RESTORED))


def test_exports_are_detected_by_their_annotations(export):
    tasks = [task(1, "a.wav", annotation(1, answer("oboe")))]
    reason = "it lists annotations as Label Studio exports them"
    for path in (
        export(EXPORT),
        export("audio,annotator,annotation_id,label\n", name="plain.csv"),
        export(tasks, name="tasks.json"),
        export([{"audio": "a.wav", "annotation_id": 3, "label": "oboe"}], name="min.json"),
    ):
        assert detect_layout(path) == ("label-studio", reason)


@pytest.mark.parametrize(("name", "text"), [("a.csv", "file,label\na,b\n"), ("a.csv", "")])
def test_other_tables_are_no_exports(export, name, text):
    assert detect_layout(export(text, name=name))[0] == "csv"


@pytest.mark.parametrize(
    "text", ['{"annotations": []}', "[1]", ""], ids=["object", "numbers", "empty"]
)
def test_other_json_is_no_export(export, text):
    with pytest.raises(ValueError, match="neither a folder nor a CSV table"):
        detect_layout(export(text, name="a.json"))


def test_choices_of_tasks_are_labels(export):
    tasks = [
        task(1, "a.wav", annotation(1, answer("oboe", "cello")), group="song", take=3),
        task(2, "b.wav", annotation(2, answer("oboe")), group="song"),
    ]
    manifest = read_corpus(export(tasks, name="tasks.json"))
    assert labels_of(manifest) == {"a.wav": "cello;oboe", "b.wav": "oboe"}
    assert manifest.clips[["group", "take", "annotator"]].values.tolist() == [
        ["song", "3", "1"],
        ["song", "", "2"],
    ]
    assert manifest.groups_given


def test_one_row_an_annotation_is_read(export):
    rows = [
        {"audio": "/data/upload/1/1a2b3c4d-a.wav", "annotation_id": 1, "choice": "oboe"},
        {"audio": "a.wav", "annotation_id": 2, "choice": {"choices": ["oboe", "cello"]}},
        {"audio": "b.wav", "annotation_id": 3},
    ]
    manifest = read_corpus(export(rows, name="min.json"))
    assert manifest.clips[["path", "labels", "unknown_labels", "n_annotators"]].values.tolist() == [
        ["a.wav", "oboe", "cello", 2],
        ["b.wav", "", "", 1],
    ]


@pytest.mark.parametrize(
    ("heard", "labels", "unknown"),
    [
        ([["oboe"], ["oboe"], ["oboe"]], "oboe", ""),
        ([["oboe"], ["oboe", "cello"], ["oboe"]], "oboe", "cello"),
        ([["oboe"], ["cello"]], "", "cello;oboe"),
        ([["oboe", "cello"], ["cello"]], "cello", "oboe"),
        ([[], []], "", ""),
        ([["oboe"], [], []], "", "oboe"),
        ([], "", "*"),
    ],
    ids=["agreed", "one-of-three", "split", "half", "nothing-heard", "minority", "unjudged"],
)
def test_a_majority_gives_a_label_and_a_dispute_makes_it_unknown(export, heard, labels, unknown):
    annotations = [annotation(number, answer(*names)) for number, names in enumerate(heard, 1)]
    tasks = [task(1, "a.wav", *annotations), task(2, "b.wav", annotation(9, answer("viola")))]
    clip = read_corpus(export(tasks, name="tasks.json")).clips.iloc[0]
    assert (clip["labels"], clip["unknown_labels"]) == (labels, unknown)
    assert clip["n_annotators"] == len(heard)


def test_a_skipped_annotation_counts_for_nothing(export):
    skipped = annotation(1, answer("cello"), cancelled=True)
    tasks = [task(1, "a.wav", skipped, annotation(2, answer("oboe"))), task(2, "b.wav", skipped)]
    clips = read_corpus(export(tasks, name="tasks.json")).clips
    assert clips["labels"].tolist() == ["oboe", ""]
    assert clips["unknown_labels"].tolist() == ["", "*"]


def test_an_unjudged_line_is_unlabelled_and_an_empty_answer_is_none(export):
    text = "audio,annotation_id,label\na.wav,,\nb.wav,4,\nc.wav,5,oboe\n"
    clips = read_corpus(export(text)).clips
    assert clips["labels"].tolist() == ["", "", "oboe"]
    assert clips["unknown_labels"].tolist() == ["*", "", ""]


def test_two_uploads_of_a_file_are_one_clip(export):
    rows = ["/data/upload/1/1a2b3c4d-a.wav,1,oboe", "/data/upload/1/5e6f7a8b-a.wav,2,oboe"]
    clips = read_corpus(export("\n".join(["audio,annotation_id,label", *rows]))).clips
    assert clips["path"].tolist() == ["a.wav"]
    assert clips["n_annotators"].tolist() == [2]


def test_the_usual_name_tells_which_control_is_the_label(export):
    results = answer("good", control="quality"), answer("oboe", control="instrument")
    clips = read_corpus(export([task(1, "a.wav", annotation(1, *results))], name="t.json")).clips
    assert clips.loc[0, ["labels", "quality"]].tolist() == ["oboe", "good"]


def test_a_single_control_of_any_name_is_the_label(export):
    tasks = [task(1, "a.wav", annotation(1, answer("oboe", control="what do you hear")))]
    assert labels_of(read_corpus(export(tasks, name="t.json"))) == {"a.wav": "oboe"}


def test_several_controls_without_a_usual_name_are_refused(export):
    results = answer("good", control="quality"), answer("oboe", control="sound")
    with pytest.raises(
        ManifestError, match=r"a column of the choices is required .*quality, sound"
    ):
        read_corpus(export([task(1, "a.wav", annotation(1, *results))], name="t.json"))


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("/data/upload/3/1a2b3c4d-celcla0068__2.wav", "cel/[cel][cla]0068__2.wav"),
        (
            "http://localhost:8080/data/upload/3/1a2b3c4d-celcla0068__2.wav",
            "cel/[cel][cla]0068__2.wav",
        ),
        ("1a2b3c4d-celcla0068__2.wav", "cel/[cel][cla]0068__2.wav"),
        ("cel/[cel][cla]0068__2.wav", "cel/[cel][cla]0068__2.wav"),
        ("/data/upload/1/1a2b3c4d-07_-_Its_fine.wav", "07 - It's (fine).wav"),
        ("/data/local-files/?d=cel%2F%5Bcel%5D%5Bcla%5D0068__2.wav", "cel/[cel][cla]0068__2.wav"),
        ("/data/local-files/?d=/mnt/irmas/cel/[cel][cla]0068__2.wav", "cel/[cel][cla]0068__2.wav"),
        ("/data/upload/1/5e6f7a8b-deadbeef-x.wav", "deadbeef-x.wav"),
        ("deadbeef-x.wav", "deadbeef-x.wav"),
        ("s3://bucket/a.wav", "s3://bucket/a.wav"),
        ("https://example.org/a.wav", "https://example.org/a.wav"),
    ],
)
def test_an_uploaded_file_is_found_by_what_is_left_of_its_name(export, reference, path):
    sounds = ("cel/[cel][cla]0068__2.wav", "07 - It's (fine).wav", "deadbeef-x.wav")
    text = f'audio,annotation_id,label\n"{reference}",1,oboe\n'
    assert labels_of(read_corpus(export(text, sounds=sounds))) == {path: "oboe"}


def test_names_are_cleaned_as_the_server_cleans_them():
    assert clean_name(" 01. It Don't Mean a Thing-9.wav") == "01._It_Dont_Mean_a_Thing-9.wav"


def test_a_file_that_is_not_there_is_told_and_kept_by_name(export):
    path = export("audio,annotation_id,label\n/data/upload/3/1a2b3c4d-z.wav,1,oboe\n")
    with pytest.warns(UserWarning, match="1 files that it names are not below .*1a2b3c4d-z.wav"):
        assert labels_of(read_corpus(path)) == {"z.wav": "oboe"}


def test_a_name_that_fits_several_files_is_refused(export):
    text = "audio,annotation_id,label\n/data/upload/3/1a2b3c4d-cela.wav,1,oboe\n"
    with pytest.raises(
        ManifestError, match=r"must be one file, it may be x/\[cel\]a\.wav, y/cela\.wav"
    ):
        read_corpus(export(text, sounds=("x/[cel]a.wav", "y/cela.wav")))


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ('{"choices": ["oboe"', "line 3: choices must be a name or JSON"),
        ('{"rating": 3}', r'line 3: choices must be a name or {"choices"'),
        ('["oboe", 3]', "line 3: choices must be a name or"),
        ('{"choices": ["oboe;cello"]}', "line 3: a label must not contain ';'"),
        ("oboe;cello", "line 3: a label must not contain ';'"),
    ],
    ids=["cut", "other", "number", "separator", "plain-separator"],
)
def test_an_answer_that_cannot_be_read_is_named_by_line(export, cell, reason):
    quoted = cell.replace('"', '""')
    text = f'audio,annotation_id,label\na.wav,1,oboe\nb.wav,2,"{quoted}"\n'
    with pytest.raises(ManifestError, match=reason):
        read_corpus(export(text))


def test_a_line_with_other_cells_is_named(export):
    with pytest.raises(ManifestError, match="8 cells parted by two commas, not so 12"):
        read_corpus(export(EXPORT + "a.wav,,1\n", sounds=RESTORED))


def test_labels_of_parts_of_a_sound_are_refused(export):
    region = answer("oboe") | {"value": {"start": 0.5, "end": 1.0, "choices": ["oboe"]}}
    with pytest.raises(ManifestError, match="task 7 labels a part of its sound; only whole clips"):
        read_corpus(export([task(7, "a.wav", annotation(1, region))], name="t.json"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "must be JSON"),
        ('{"a": 1}', "must be a JSON list of tasks"),
        ('[{"id": 4, "annotations": []}]', "task 4 must have 'data'"),
        ('[{"annotations": [], "data": {"text": "x"}}]', "a column of the sound is required"),
        ('[{"annotation_id": 1, "audio": "a.wav"}]', "a column of the choices is required"),
        ('[{"annotation_id": 1, "audio": "", "label": "oboe"}]', "entry 1 must name its sound"),
    ],
    ids=["cut", "object", "no-data", "no-sound", "no-choices", "empty"],
)
def test_what_is_no_export_is_refused(export, content, reason):
    with pytest.raises(ManifestError, match=reason):
        read_corpus(export(content, name="t.json"), layout="label-studio")
