"""Pictures of where networks find a label: heat lies where it belongs, and nothing is invented."""

from dataclasses import replace

import numpy as np
import pytest

from reports.explained_clip import ExplainedClip, ExplainedLabel, describe_truth, lay_over
from reports.explanation_page import create_explanation_page
from reports.explanation_pictures import plot_explanation
from reports.spectrogram import hz_to_mel

SR, HOP_S = 8000, 0.01
BAND_HZ = np.array([500.0, 1000.0, 2000.0, 3000.0])


@pytest.fixture
def clip(rng):
    """A second of noise, with heat at 2 kHz in its second half."""
    heat = np.zeros((4, 101), dtype=np.float32)
    heat[2, 50:] = 1.0
    label = ExplainedLabel("bird", 0.75, heat, np.ones((2, 101)))
    return ExplainedClip(
        clip_id="some/bird.wav",
        waveform=rng.uniform(-0.5, 0.5, SR).astype(np.float32),
        sr=SR,
        hop_s=HOP_S,
        first_s=0.0,
        band_hz=BAND_HZ,
        networks="one network",
        truth=["bird"],
        labels=[label],
    )


def test_heat_lies_at_its_hertz_and_seconds(clip):
    laid = lay_over(clip.labels[0].heat, clip, shape=(80, 200))
    row, column = np.unravel_index(np.nanargmax(laid), laid.shape)
    mels = np.linspace(0, hz_to_mel(SR / 2), 82)[1:-1]
    assert abs(mels[row] - hz_to_mel(2000)) <= mels[1] - mels[0]
    assert column >= 100
    assert np.nanmax(laid[:, :98]) == 0
    # Half way between 2 and 3 kHz in mel, half of it.
    middle = np.interp((hz_to_mel(2000) + hz_to_mel(3000)) / 2, mels, laid[:, 150])
    assert middle == pytest.approx(0.5, abs=0.05)


def test_bands_that_were_not_heard_have_no_heat(clip):
    laid = lay_over(np.ones((4, 101)), clip, shape=(80, 200))
    hz = 700 * (10 ** (np.linspace(0, hz_to_mel(SR / 2), 82)[1:-1] / 2595) - 1)
    # Half way to the next band, were there one, and no further.
    assert np.isnan(laid[hz > 3900]).all()
    assert np.isnan(laid[hz < 200]).all()
    assert (laid[(hz > 500) & (hz < 3000)] == 1).all()


def test_learned_bands_need_not_be_in_order(clip):
    order = np.array([2, 0, 3, 1])
    shuffled = replace(clip, band_hz=BAND_HZ[order])
    expected = lay_over(clip.labels[0].heat, clip, shape=(80, 200))
    found = lay_over(clip.labels[0].heat[order], shuffled, shape=(80, 200))
    np.testing.assert_array_equal(found, expected)


def test_bands_that_are_no_frequencies_show_time_only(clip):
    laid = lay_over(clip.labels[0].heat, replace(clip, band_hz=None), shape=(80, 200))
    assert (laid == laid[0]).all()
    assert laid[0, 0] == 0
    assert laid[0, -1] == 1


@pytest.mark.parametrize(
    ("truth", "words"),
    [(None, "not known"), ([], "none of the labels"), (["b", "a"], "a, b")],
    ids=["unknown", "none", "two"],
)
def test_truth_is_said_as_it_is_known(truth, words):
    assert describe_truth(truth) == words


def test_a_picture_names_its_label_probability_and_truth(clip):
    figure = plot_explanation(clip, clip.labels[0])
    assert figure.get_suptitle() == "bird: probability 0.75; truth: bird"
    assert figure.get_supxlabel() == "some/bird.wav: one network"
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert "Frequency (Hz)" in labels
    assert "Speaks for it\n(share of largest)" in labels
    assert "Attention" in labels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heat": None, "attention": None}, "heat or attention, got neither"),
        ({"heat": np.ones((3, 5))}, "a row for each of 4 bands, got 3"),
        ({"heat": np.full((4, 5), np.nan)}, "heat must be finite"),
        ({"attention": np.ones(5)}, r"attention must be finite with two axes, got shape \(5,\)"),
    ],
    ids=["nothing", "bands", "nan", "axes"],
)
def test_arrays_that_do_not_fit_are_refused(clip, change, message):
    with pytest.raises(ValueError, match=message):
        plot_explanation(clip, replace(clip.labels[0], **change))


def test_a_page_without_maps_or_clips_says_so(clip, tmp_path):
    flat = replace(clip.labels[0], heat=np.zeros((4, 101)), attention=None)
    only = replace(clip.labels[0], heat=None)
    clips = [replace(clip, labels=[flat], truth=None), replace(clip, labels=[only], truth=[])]
    summary = create_explanation_page(clips, tmp_path / "why", title="<i>Birds", layer=None)
    assert (summary["clips"], summary["pictures"]) == (2, 2)
    page = (tmp_path / "why" / "index.html").read_text()
    assert "nothing in the maps speaks for it" in page
    assert "Truth: not known." in page
    assert "Grad-CAM at the layer" not in page
    assert "&lt;i&gt;Birds" in page
    with pytest.raises(ValueError, match="at least one clip"):
        create_explanation_page([], tmp_path / "none", title="Birds", layer=None)
    assert not (tmp_path / "none").exists()
