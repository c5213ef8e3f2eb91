"""A coarse label split: cuts by hand, nothing guessed, and real sounds from end to end."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import ensemble.labels.splitting
from ensemble.fitting import fit_bundle
from ensemble.labels.split_cuts import MIN_DECIDED_GROUPS, Cuts, find_cuts, measure_cuts
from ensemble.labels.splitting import split_label, write_split
from ensemble.members import Member
from features.extraction import extract_table
from features.feature_set import FeatureSet, Part
from features.labelling.relabelling import apply_relabelling
from features.manifest import make_manifest
from features.spectral import spectral_moments

SR = 8000
FEATURES = FeatureSet(
    "small-v1", (Part("spectral", "spectral", spectral_moments, ("centroid", "bandwidth"),
                      ("mean",)),)
)  # fmt: skip


def two_labels(n=200, *, strength=3.0, seed=0):
    """One of two labels each, scores that mostly know which, two rows a group."""
    rng = np.random.default_rng(seed)
    first = rng.random(n) < 0.5
    score = 1 / (1 + np.exp(-(strength * (2.0 * first - 1) + 2 * rng.normal(size=n))))
    truth = np.column_stack([first, ~first]).astype(np.int8)
    return truth, np.column_stack([score, 1 - score]), np.arange(n) // 2, np.arange(n) // 2 % 5


def test_a_cut_is_the_lowest_that_is_precise_enough_by_hand():
    scores = np.arange(40, 0, -1)[:, None] / 40
    truth = (np.arange(40) < 20).astype(np.int8)[:, None]
    truth[4], truth[30] = 0, 1
    cuts = find_cuts(truth, scores, np.arange(40), precision=0.95)
    # From either end nineteen of twenty are right; one more makes it less.
    half_way = pytest.approx(scores[[19, 20], 0].mean())
    assert cuts.present == half_way
    assert cuts.absent == half_way
    decided = cuts.decide(scores)
    assert decided.ravel().tolist() == [1] * 20 + [-1] * 20


def test_decisions_by_hand():
    cuts = Cuts(np.array([0.8, 0.7]), np.array([0.2, -np.inf]))
    scores = np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5], [0.1, 0.1], [0.9, 0.9], [np.nan, 0.9]])
    scores[5, 1] = np.nan
    assert cuts.decide(scores).tolist() == [
        [1, -1], [0, 1], [-1, -1], [-1, -1], [1, 1], [-1, -1]
    ]  # fmt: skip


def test_few_groups_make_no_cut():
    truth, scores, groups, _ = two_labels()
    few = groups % (MIN_DECIDED_GROUPS - 1)
    cuts = find_cuts(truth, scores, few, precision=0.6)
    assert np.isinf(cuts.present).all()
    assert np.isinf(cuts.absent).all()


def test_a_model_that_knows_nothing_decides_nothing(rng):
    truth, scores, groups, _ = two_labels()
    cuts = find_cuts(truth, rng.random(scores.shape), groups, precision=0.95)
    assert (cuts.decide(scores) == -1).all()


@pytest.mark.parametrize("precision", [0.8, 0.95, 0.98])
def test_precision_is_kept_on_rows_that_had_no_part_in_the_cut(precision):
    truth, scores, groups, folds = two_labels(2000)
    rules = measure_cuts(truth, scores, groups, folds, precision=precision)
    assert (rules["present_precision"] > precision - 0.02).all()
    assert (rules["present_low"] < rules["present_precision"]).all()
    fresh = two_labels(2000, seed=1)
    decided = find_cuts(truth, scores, groups, precision=precision).decide(fresh[1])
    right = (fresh[0] == decided)[decided == 1].mean()
    assert right > precision - 0.02


def test_more_precision_decides_fewer():
    truth, scores, groups, _ = two_labels(1000)
    counts = [
        (find_cuts(truth, scores, groups, precision=p).decide(scores) == 1).sum()
        for p in (0.8, 0.9, 0.95)
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] > 0


def test_decisions_that_were_all_right_still_have_an_interval():
    truth = np.eye(2, dtype=np.int8)[np.arange(120) % 2]
    rules = measure_cuts(truth, truth * 0.8 + 0.1, np.arange(120), np.arange(120) % 4,
                         precision=0.95)  # fmt: skip
    assert rules["present_precision"].tolist() == [1.0, 1.0]
    assert rules["present_groups"].tolist() == [60, 60]
    assert rules["present_low"].to_numpy() == pytest.approx(0.05 ** (1 / 60))


def write_corpus(write_wav, folder, kinds, seed):
    """Short sounds: low, high, noise; the pitch wobbles from clip to clip."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(SR // 4) / SR
    paths = []
    for row, kind in enumerate(kinds):
        tone = {"low": 300, "high": 2500}.get(kind, 0) * rng.uniform(0.8, 1.25)
        sound = np.sin(2 * np.pi * tone * time_s) if tone else rng.uniform(-1, 1, len(time_s))
        paths.append(f"{folder}/{row:03d}.wav")
        write_wav(paths[-1], 0.5 * sound, SR)
    return paths


@pytest.fixture(scope="module")
def finer(tmp_path_factory):
    """A bundle that tells low and high tones and noise, of one label each."""
    import soundfile

    root = tmp_path_factory.mktemp("finer")

    def write(name, sound, sr):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, sound, sr)

    kinds = ["low", "high", "noise"] * 16
    paths = write_corpus(write, "finer", kinds, 0)
    clips = pd.DataFrame({"path": paths, "labels": kinds, "group": paths})
    table = extract_table(
        make_manifest(clips, root), root / "X.parquet", feature_set=FEATURES, n_jobs=1
    )
    member = Member("linear", LogisticRegression(max_iter=2000))
    return fit_bundle(table, members=[member], folds=3, audit=False)


def test_real_sounds_are_split_and_what_is_not_sure_is_left_unknown(finer, write_wav, tmp_path):
    kinds = ["low", "high", "low", "high", "noise", "noise", "low"]
    paths = write_corpus(write_wav, "coarse", kinds, 1)
    clips = pd.DataFrame(
        {
            "path": [*paths, "coarse/gone.wav"],
            "labels": ["tone", "tone;voice", "tone", "tone", "tone", "voice", "", "tone"],
            "unknown_labels": ["", "", "", "", "voice", "", "tone;voice", ""],
            "group": [*paths, "x"],
        }
    )
    manifest = make_manifest(clips, tmp_path)
    split = split_label(finer, manifest, label="tone", into=["low", "high"], n_jobs=1)
    write_split(split, tmp_path / "relabel.csv")
    after = apply_relabelling(manifest, tmp_path / "relabel.csv")
    assert after.clips["labels"].tolist() == ["low", "high;voice", "low", "high", "", "voice", "",
                                              ""]  # fmt: skip
    # Noise that is called a tone, a clip whose tone nobody knows, and one that is gone.
    unknown = after.unknown_sets()
    assert unknown[4] == {"low", "high", "voice"}
    assert unknown[6] == {"low", "high", "voice"}
    assert unknown[7] == {"low", "high"}
    truth = after.label_matrix(["high", "low"])
    assert truth.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0], [-1, -1], [0, 0], [-1, -1], [-1, -1]]
    assert "tone" not in after.classes
    assert split.counts == {
        "clips": 6, "decided": 4, "undecided": 2, "unreadable": 1, "low": 2, "high": 2
    }  # fmt: skip
    assert "coarse/gone.wav" in split.failures
    assert split.sentences[0].startswith("4 of 6 clips with 'tone' are decided: 2 low, 2 high.")


def test_a_finer_label_that_somebody_gave_stands(finer, tmp_path, monkeypatch):
    sure = {"stack": np.array([[0.98, 0.02, 0.0]])}
    assert finer.classes == ["high", "low", "noise"]
    monkeypatch.setattr(ensemble.labels.splitting, "gather_scores", lambda *a, **k: (sure, {}))
    clips = pd.DataFrame({"path": ["a.wav"], "labels": ["tone;low"], "group": ["a"]})
    split = split_label(finer, make_manifest(clips, tmp_path), label="tone", into=["low", "high"])
    assert split.table.loc[0, ["labels", "unknown_labels"]].tolist() == ["high;low", ""]


def test_windows_of_one_clip_are_decided_together(finer, tmp_path, monkeypatch):
    scores = {"stack": np.array([[0.98, 0.02, 0.0], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0]])}
    monkeypatch.setattr(ensemble.labels.splitting, "gather_scores", lambda *a, **k: (scores, {}))
    clips = pd.DataFrame({"path": ["a.wav", "b.wav", "c.wav"], "labels": "tone",
                          "group": ["a", "a", "c"], "parent": ["a", "a", "c"]})  # fmt: skip
    split = split_label(finer, make_manifest(clips, tmp_path), label="tone", into=["low", "high"])
    assert split.table["high"].tolist() == pytest.approx([0.94, 0.94, 0.1])


def test_all_that_does_not_fit_is_told_at_once(finer, tmp_path):
    clips = pd.DataFrame({"path": ["a.wav"], "labels": ["voice"], "group": ["a"]})
    manifest = make_manifest(clips, tmp_path)
    with pytest.raises(ValueError) as caught:
        split_label(finer, manifest, label="tone", into=["tuba"], precision=1.5)
    for part in ("2 or more", r"not ['tuba']", "no clip has the label 'tone'", "got 1.5"):
        assert part in str(caught.value)
    bare = replace(finer, results=None)
    with pytest.raises(ValueError, match="without out-of-fold scores"):
        split_label(bare, manifest, label="voice", into=["low", "high"])
