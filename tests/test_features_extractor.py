"""AudioFeatureExtractor: every kind of clip, any number of jobs, and life inside scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.audio import AudioDecodeError, Clip
from features.extractor import AudioFeatureExtractor
from features.named_sets import get_feature_set

SR = 22050


@pytest.fixture
def waveforms(rng):
    """Give twelve clips of different length: low notes first, then high ones."""
    clips = []
    for k in range(12):
        time = np.arange(6000 + 500 * k) / SR
        tone = np.sin(2 * np.pi * (200 if k < 6 else 2000) * time)
        clips.append((0.1 * tone + 0.01 * rng.standard_normal(len(time))).astype(np.float32))
    return clips


def as_object_array(items):
    column = np.empty(len(items), dtype=object)
    column[:] = items
    return column


@pytest.mark.parametrize(
    "wrap",
    [
        tuple,
        as_object_array,
        lambda clips: as_object_array(clips)[:, np.newaxis],
        lambda clips: pd.DataFrame({"clip": clips}),
        lambda clips: pd.Series(clips),
    ],
    ids=["tuple", "object array", "object column", "frame", "series"],
)
def test_a_column_of_clips_may_come_in_many_forms(waveforms, wrap):
    extractor = AudioFeatureExtractor("compact-v1")
    expected = extractor.transform(waveforms)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(extractor.transform(wrap(waveforms)), expected)


def test_files_segments_and_arrays_of_the_same_sound_have_the_same_row(write_wav, waveforms):
    whole = np.concatenate([np.zeros(SR, dtype=np.float32), waveforms[11]])
    path = write_wav("sound.wav", whole, subtype="FLOAT")
    clips = [path, str(path), Clip(str(path)), whole]
    rows = AudioFeatureExtractor("compact-v1").transform(clips)
    np.testing.assert_array_equal(rows, np.tile(rows[0], (4, 1)))
    segment, array = AudioFeatureExtractor("compact-v1").transform(
        [Clip(str(path), start_s=1.0), waveforms[11]]
    )
    np.testing.assert_array_equal(segment, array)


def test_arrays_at_another_rate_are_resampled():
    at_44100 = np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100)
    extractor = AudioFeatureExtractor("standard-v1", source_sr=44100)
    row = pd.Series(extractor.transform([at_44100])[0], index=extractor.get_feature_names_out())
    assert row["spectral_centroid_p50"] == pytest.approx(1000, rel=0.01)


def test_rows_do_not_depend_on_neighbours_or_jobs(waveforms):
    together = AudioFeatureExtractor().transform(waveforms)
    alone = np.concatenate([AudioFeatureExtractor().transform([clip]) for clip in waveforms])
    np.testing.assert_array_equal(together, alone)
    parallel = AudioFeatureExtractor(n_jobs=2).transform(waveforms)
    np.testing.assert_array_equal(together, parallel)


def test_no_clips_give_no_rows():
    assert AudioFeatureExtractor("compact-v1").transform([]).shape == (0, 28)


def test_equally_long_waveforms_may_be_the_rows_of_an_array(rng):
    stacked = rng.standard_normal((3, 4000))
    extractor = AudioFeatureExtractor("compact-v1")
    np.testing.assert_array_equal(extractor.transform(stacked), extractor.transform(list(stacked)))


def test_names_are_those_of_the_feature_set():
    names = AudioFeatureExtractor("compact-v1").get_feature_names_out()
    assert list(names) == get_feature_set("compact-v1").feature_names


def test_set_output_gives_a_frame_with_the_index_of_the_clips(waveforms):
    clips = pd.DataFrame({"clip": waveforms[:3]}, index=["a", "b", "c"])
    extractor = AudioFeatureExtractor("compact-v1").set_output(transform="pandas")
    table = extractor.fit_transform(clips)
    assert list(table.columns) == get_feature_set("compact-v1").feature_names
    assert list(table.index) == ["a", "b", "c"]


def test_a_clone_extracts_the_same(waveforms):
    extractor = AudioFeatureExtractor(get_feature_set("compact-v1"), source_sr=44100)
    copy = clone(extractor)
    assert copy.get_params() == extractor.get_params()
    np.testing.assert_array_equal(copy.transform(waveforms[:2]), extractor.transform(waveforms[:2]))


def test_a_pipeline_on_clips_can_be_cross_validated(waveforms):
    labels = np.array(["low"] * 6 + ["high"] * 6)
    pipeline = make_pipeline(
        AudioFeatureExtractor("compact-v1"), StandardScaler(), LogisticRegression()
    )
    assert cross_val_score(pipeline, waveforms, labels, cv=3).mean() == 1.0


def test_a_column_transformer_can_feed_it(waveforms):
    clips = pd.DataFrame({"clip": waveforms[:3], "other": [1.0, 2.0, 3.0]})
    columns = ColumnTransformer([("audio", AudioFeatureExtractor("compact-v1"), ["clip"])])
    np.testing.assert_array_equal(
        columns.fit_transform(clips), AudioFeatureExtractor("compact-v1").transform(waveforms[:3])
    )


def test_tags_say_that_it_is_stateless_and_takes_clips():
    tags = AudioFeatureExtractor().__sklearn_tags__()
    assert not tags.requires_fit
    assert tags.no_validation
    assert not tags.input_tags.two_d_array
    assert tags.input_tags.string


def test_an_unknown_set_is_refused_by_fit():
    with pytest.raises(ValueError, match=r"must be one of .* got 'best'"):
        AudioFeatureExtractor("best").fit([])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("a.wav", r"a sequence of clips, got one str: use \[clip\]"),
        (Clip("a.wav"), "got one Clip"),
        (np.zeros(100), "got one waveform of 100 samples"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "one column of clips, got 2"),
    ],
    ids=["path", "clip", "waveform", "two columns"],
)
def test_what_is_no_column_of_clips_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        AudioFeatureExtractor("compact-v1").transform(X)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_clip_that_fails_is_named(waveforms, tmp_path, n_jobs):
    missing = str(tmp_path / "missing.wav")
    with pytest.raises(AudioDecodeError, match=r"missing\.wav: no such file"):
        AudioFeatureExtractor("compact-v1", n_jobs=n_jobs).transform([waveforms[0], missing])


def test_an_array_that_fails_is_numbered(waveforms):
    with pytest.raises(ValueError, match="non-empty") as caught:
        AudioFeatureExtractor("compact-v1").transform([waveforms[0], np.zeros(0)])
    assert caught.value.__notes__ == ["while extracting features of clip 1"]
