"""FSD50K as it unpacks: labels of three levels and more, uploaders kept on one side."""

import json

import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

GUITAR = '"Electric_guitar,Guitar,Plucked_string_instrument,Musical_instrument,Music"'
MIDS = '"/m/02sgy,/m/0342h,/m/0fx80y,/m/04szw,/m/04rlf"'
# Lines of FSD50K.ground_truth, dev.csv and eval.csv, from the copies in soundata's tests,
# tests/resources/sound_datasets/fsd50k.
DEV = (
    f"64760,{GUITAR},{MIDS},train",
    f"16399,{GUITAR},{MIDS},train",
    f"345111,{GUITAR},{MIDS},val",
    f"160826,{GUITAR},{MIDS},val",
    f"420945,{GUITAR},{MIDS},val",
    f"4258,{GUITAR},{MIDS},train",
    '5312,"Electric_guitar,Bass_guitar,Guitar,Plucked_string_instrument,Musical_instrument,Music",'
    '"/m/02sgy,/m/018vs,/m/0342h,/m/0fx80y,/m/04szw,/m/04rlf",train',
)
EVAL = (
    f"37199,{GUITAR},{MIDS}",
    f"175151,{GUITAR},{MIDS}",
    '235579,"Electric_guitar,Strum,Guitar,Plucked_string_instrument,Musical_instrument,Music",'
    '"/m/02sgy,/m/07s0s5r,/m/0342h,/m/0fx80y,/m/04szw,/m/04rlf"',
)
# Only the first clip's uploader is from the release (soundata's copy of dev_clips_info_FSD50K).
UPLOADERS = {
    "64760": "casualsamples",
    "16399": "a",
    "345111": "b",
    "160826": "b",
    "420945": "c",
    "4258": "a",
    "5312": "d",
    "37199": "x",
    "175151": "x",
    "235579": "y",
}
DEV_HEADER, EVAL_HEADER = "fname,labels,mids,split", "fname,labels,mids"


@pytest.fixture
def corpus(tmp_path):
    """Make the corpus of some lines; sounds are empty files, readers do not look into them."""

    def make(dev=DEV, *, uploaders=UPLOADERS, dev_header=DEV_HEADER):
        truth = tmp_path / "FSD50K.ground_truth"
        truth.mkdir()
        for part, header, lines in (("dev", dev_header, dev), ("eval", EVAL_HEADER, EVAL)):
            (truth / f"{part}.csv").write_text("\n".join([header, *lines]) + "\n")
            audio = tmp_path / f"FSD50K.{part}_audio"
            audio.mkdir()
            clips = [line.split(",")[0] for line in lines]
            for clip in clips:
                (audio / f"{clip}.wav").touch()
            if uploaders:
                info = {
                    clip: {"title": "t", "license": "CC0", "uploader": uploaders[clip]}
                    for clip in clips
                    if clip in uploaders
                }
                (tmp_path / "FSD50K.metadata").mkdir(exist_ok=True)
                name = f"FSD50K.metadata/{part}_clips_info_FSD50K.json"
                (tmp_path / name).write_text(json.dumps(info))
        return tmp_path

    return make


def test_it_is_detected_by_its_ground_truth(corpus):
    assert detect_layout(corpus()) == ("fsd50k", "it holds FSD50K.ground_truth/dev.csv")


def test_labels_splits_and_uploaders_are_read(corpus):
    manifest = read_corpus(corpus())
    clips = manifest.clips.set_index("path")
    row = clips.loc["FSD50K.dev_audio/345111.wav"]
    assert row["labels"] == "Electric_guitar;Guitar;Plucked_string_instrument;" + (
        "Musical_instrument;Music"
    )
    columns = ["split", "official_split", "group", "uploader", "license", "freesound_id"]
    assert row[columns].tolist() == ["validation", "val", "b", "b", "CC0", "345111"]
    assert clips.loc["FSD50K.eval_audio/235579.wav", "split"] == "test"
    assert clips["split"].value_counts().to_dict() == {"train": 4, "validation": 3, "test": 3}
    assert manifest.task == "multi-label"
    assert manifest.groups_given


def test_an_uploader_in_train_and_validation_is_kept_whole(corpus):
    root = corpus(uploaders={**UPLOADERS, "420945": "a"})
    with pytest.warns(UserWarning, match=r"splits divide 1 of 4 groups \(a\).*1 of 7 clips"):
        clips = read_corpus(root).clips.set_index("freesound_id")
    assert clips.loc["420945", ["split", "official_split"]].tolist() == ["train", "val"]


def test_an_uploader_in_the_evaluation_set_too_is_refused(corpus):
    root = corpus(uploaders={**UPLOADERS, "64760": "x"})
    with pytest.raises(ManifestError, match=r"a group must stay in one split, row \d+: 'x'"):
        read_corpus(root)


def test_a_clip_of_an_unknown_uploader_is_a_group_of_its_own(corpus):
    known = {clip: name for clip, name in UPLOADERS.items() if clip != "5312"}
    clips = read_corpus(corpus(uploaders=known)).clips.set_index("freesound_id")
    assert clips.loc["5312", ["group", "uploader"]].tolist() == ["5312", ""]


def test_without_metadata_the_missing_groups_are_told(corpus):
    with pytest.warns(UserWarning, match="10 of 10 clips have no 'group'"):
        manifest = read_corpus(corpus(uploaders=None))
    assert not manifest.groups_given
    assert manifest.clips["split"].tolist()[2] == "validation"


def test_metadata_that_is_no_json_is_named(corpus):
    root = corpus()
    (root / "FSD50K.metadata" / "eval_clips_info_FSD50K.json").write_text("{")
    with pytest.raises(ManifestError, match=r"eval_clips_info_FSD50K\.json.*\n.*not a JSON file"):
        read_corpus(root)


@pytest.mark.parametrize("split", ["validation", "", "test "])
def test_an_unknown_split_is_named_by_its_row(corpus, split):
    root = corpus((*DEV, f"4259,{GUITAR},{MIDS},{split}"))
    with pytest.raises(ManifestError, match=rf"dev\.csv.*\n.*train or val, row 9: '{split}'"):
        read_corpus(root)


def test_a_listing_without_splits_is_refused(corpus):
    root = corpus(dev_header="fname,labels,mids,part")
    with pytest.raises(ManifestError, match=r"dev\.csv.*\n.*columns split are missing"):
        read_corpus(root)


def test_missing_files_are_told(corpus):
    root = corpus()
    (root / "FSD50K.eval_audio" / "37199.wav").unlink()
    with pytest.warns(UserWarning, match=r"1 of 10 clips .*FSD50K\.eval_audio/37199\.wav"):
        assert len(read_corpus(root)) == 9


def test_a_missing_ground_truth_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no dev\.csv in .*FSD50K\.ground_truth"):
        read_corpus(tmp_path, layout="fsd50k")


def test_its_provenance_is_told():
    layout = LAYOUTS["fsd50k"]
    assert layout.expected == {"clips": 51197, "labels": 200, "test": 10231}
    assert "4060432" in layout.source
