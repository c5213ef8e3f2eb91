"""Test-time augmentation: variations that depend on the clip's name alone, and their mean."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ensemble.clip_scores import gather_scores
from ensemble.evaluation import evaluate_bundle
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.prediction import predict_clips
from ensemble.variations import mean_of_logits, vary_waveform, write_variations
from features.audio import Clip, load_audio
from features.corpora.layouts import read_corpus
from features.extraction import extract_table
from features.manifest import read_manifest

SR = 22050


def tone(frequency, *, seconds=0.3, seed=0):
    t = np.arange(int(seconds * SR)) / SR
    hum = 0.02 * np.random.default_rng(seed).standard_normal(len(t))
    return (0.3 * np.sin(2 * np.pi * frequency * t) + hum).astype(np.float32)


def write_corpus(root):
    rows = []
    for kind, low in (("deep", 200), ("high", 2000)):
        for number in range(12):
            name = f"{kind}{number}.wav"
            soundfile.write(root / name, tone(low * 1.05**number, seed=number), SR)
            rows.append({"path": name, "labels": kind, "group": f"{kind}{number}"})
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = write_corpus(tmp_path_factory.mktemp("corpus"))
    table = extract_table(
        read_corpus(root),
        tmp_path_factory.mktemp("made") / "X.parquet",
        feature_set="compact-v1",
        use_cache=False,
    )
    # Heavily regularised, so that scores leave something to average.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3))
    members = [Member("logistic", model, list(table.values.columns))]
    return root, fit_bundle(table, members=members, folds=3, audit=False)


def test_a_variation_is_a_little_shorter_louder_and_higher_or_lower(rng):
    waveform = tone(440.0, seconds=2.0)
    for _ in range(30):
        varied, sr = vary_waveform(waveform, SR, rng=rng)
        assert 0.95 * len(waveform) - 1 <= len(varied) <= len(waveform)
        assert abs(1200 * np.log2(sr / SR)) <= 20.1
        assert abs(20 * np.log10(np.std(varied) / np.std(waveform))) <= 6.2
        assert np.abs(varied).max() <= 1.0


def test_a_full_scale_waveform_is_made_no_louder(rng):
    waveform = np.sign(tone(440.0))
    assert max(np.abs(vary_waveform(waveform, SR, rng=rng)[0]).max() for _ in range(20)) <= 1.0


@pytest.mark.parametrize("waveform", [np.zeros(100, np.float32), np.ones(1, np.float32)],
                         ids=["silence", "one sample"])  # fmt: skip
def test_the_awkward_are_varied_too(waveform, rng):
    varied, _ = vary_waveform(waveform, SR, rng=rng)
    assert len(varied) > 0
    assert np.isfinite(varied).all()


def test_variations_depend_on_the_name_of_the_clip_alone(tmp_path, write_wav):
    clip = Clip(str(write_wav("a.wav", tone(300.0))), 0.05, 0.25)
    first, again, other = (
        [load_audio(made.path) for made in write_variations(clip, name, folder, n=3)]
        for name, folder in (("a", tmp_path), ("a", tmp_path), ("b", tmp_path))
    )
    for (waveform, sr), (repeated, sr_again) in zip(first, again, strict=True):
        np.testing.assert_array_equal(waveform, repeated)
        assert sr == sr_again
    assert len({sr for _, sr in first}) == 3
    assert [sr for _, sr in first] != [sr for _, sr in other]
    assert all(len(waveform) <= 0.2 * SR + 1 for waveform, _ in first)


def test_the_mean_is_of_logits(rng):
    scores = rng.uniform(0.1, 0.9, (3, 5, 2))
    np.testing.assert_allclose(
        mean_of_logits(list(scores), multilabel=True), expit(logit(scores).mean(axis=0))
    )
    shares = scores / scores.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(
        mean_of_logits(list(shares), multilabel=False), softmax(np.log(shares).mean(axis=0), axis=1)
    )


def test_a_variation_that_could_not_be_scored_takes_no_part():
    whole, lost = np.array([[0.2, 0.8]]), np.full((1, 2), np.nan)
    np.testing.assert_allclose(mean_of_logits([whole, lost], multilabel=True), whole)
    np.testing.assert_allclose(mean_of_logits([whole, lost], multilabel=False), whole)
    assert np.isnan(mean_of_logits([lost, lost], multilabel=True)).all()


def test_scores_with_variations_are_the_mean_of_those_of_the_files(made, tmp_path):
    root, bundle = made
    clips = [Clip(str(root / "deep3.wav")), Clip(str(root / "high4.wav"))]
    names = ["deep3.wav", "high4.wav"]
    found, _ = gather_scores(bundle, clips, tta=2, clip_ids=names)
    for row, (clip, name) in enumerate(zip(clips, names, strict=True)):
        varied = write_variations(clip, name, tmp_path, n=2)
        alone, _ = gather_scores(bundle, [clip, *varied])
        for model, values in alone.items():
            expected = mean_of_logits(list(values[:, None]), multilabel=False)
            np.testing.assert_allclose(found[model][[row]], expected, atol=1e-9)
    plain, _ = gather_scores(bundle, clips)
    assert np.abs(found["stack"] - plain["stack"]).max() > 1e-4


def test_variations_change_neither_failures_nor_what_is_said_of_others(made, tmp_path):
    root, bundle = made
    (tmp_path / "bad.wav").write_text("no sound")
    good = [Clip(str(root / f"deep{number}.wav")) for number in (1, 2)]
    ids = ["1", "bad", "2"]
    clips = [good[0], Clip(str(tmp_path / "bad.wav")), good[1]]
    predictions = list(predict_clips(bundle, clips, clip_ids=ids, tta=2))
    assert [bool(prediction.error) for prediction in predictions] == [False, True, False]
    (alone,) = predict_clips(bundle, good[1:], clip_ids=["2"], tta=2)
    np.testing.assert_allclose(
        list(alone.probabilities.values()), list(predictions[2].probabilities.values()), atol=1e-9
    )


def test_an_evaluation_says_that_clips_were_varied(made):
    root, bundle = made
    with pytest.warns(UserWarning, match="named like clips that the bundle was made from"):
        results = evaluate_bundle(bundle, read_manifest(root / "manifest.csv"), tta=1)
    assert (
        "each clip was asked about 2 times: as it is, and varied a little"
        in (results.card["notes"])
    )
    stack = results.scores[results.scores["model"] == "stack"][results.classes].to_numpy()
    np.testing.assert_allclose(stack.sum(axis=1), 1.0, atol=1e-6)
    assert (stack.argmax(axis=1) == results.truth.to_numpy().argmax(axis=1)).mean() > 0.9


def test_fewer_than_no_variations_are_refused(made):
    root, bundle = made
    with pytest.raises(ValueError, match="tta must be 0 or more variations of each clip, got -1"):
        gather_scores(bundle, [Clip(str(root / "deep1.wav"))], tta=-1)
