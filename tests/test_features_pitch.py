"""Pitch descriptors: tones, noise, stretched partials, blocks, silence, librosa."""

import librosa
import numpy as np
import pytest

from features.analysis import ClipAnalysis
from features.level import measure_level
from features.pitch import inharmonicity, yin

SR = 22050
DESCRIPTORS = [yin, inharmonicity]


def partials(frequency, *, stretch=0.0, n=10, n_timepoints=SR):
    """Add up partials of amplitude 1 / h at ``h f sqrt(1 + stretch h^2)``."""
    h = np.arange(1, n + 1)[:, np.newaxis]
    frequencies = h * frequency * np.sqrt(1 + stretch * h**2)
    return np.sum(np.sin(2 * np.pi * frequencies * np.arange(n_timepoints) / SR) / h, axis=0)


def glide(lowest, highest, n_timepoints=2 * SR):
    """Sweep a harmonic sound exponentially from one frequency to another."""
    frequencies = np.geomspace(lowest, highest, n_timepoints)
    phase = 2 * np.pi * np.cumsum(frequencies) / SR
    return sum(np.sin(h * phase) / h for h in range(1, 9) if h * highest < SR / 2)


def inner(contours):
    """Leave out the frames that see the clip's ends."""
    return contours[:, 3:-3]


def in_semitones(frequencies):
    return 12 * np.log2(frequencies / 440)


@pytest.mark.parametrize("semitones", [-31, -12, 0, 7, 24])
def test_a_harmonic_sound_has_its_pitch_and_is_voiced(semitones):
    waveform = partials(440 * 2 ** (semitones / 12), n=4)
    pitch, voicing = inner(yin(ClipAnalysis(waveform, SR)))
    # The frame's end pulls a long period down a little.
    np.testing.assert_allclose(pitch, semitones, atol=0.1)
    assert voicing.min() > 0.9


def test_a_tone_at_the_edge_of_the_range_is_found():
    pitch = inner(yin(ClipAnalysis(partials(100.0), SR), fmin=90.0, fmax=110.0))[0]
    np.testing.assert_allclose(pitch, in_semitones(100.0), atol=0.05)


def test_a_missing_fundamental_is_heard():
    waveform = partials(200.0) - partials(200.0, n=1)
    np.testing.assert_allclose(
        inner(yin(ClipAnalysis(waveform, SR)))[0], in_semitones(200.0), atol=0.05
    )


def test_white_noise_is_not_voiced(rng):
    voicing = yin(ClipAnalysis(rng.standard_normal(SR), SR))[1]
    assert voicing.mean() < 0.2
    assert voicing.min() >= 0.0


def test_noise_lowers_voicing(rng):
    clean = partials(220.0)
    noise = rng.standard_normal(SR)
    levels = [
        inner(yin(ClipAnalysis(clean + share * noise, SR)))[1].mean() for share in (0, 0.3, 1, 3)
    ]
    assert levels == sorted(levels, reverse=True)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5], ids=["clean", "little noise", "noisy"])
@pytest.mark.parametrize(
    "waveform",
    [partials(440.0, n=1), partials(70.0, n=1), glide(110.0, 220.0), glide(900.0, 200.0)],
    ids=["tone", "low tone", "rising", "falling"],
)
def test_pitch_is_librosas(rng, waveform, noise):
    analysis = ClipAnalysis(waveform + noise * rng.standard_normal(len(waveform)), SR)
    expected = librosa.yin(analysis.waveform.astype(np.float64), fmin=65.4, fmax=2093.0, sr=SR)
    # A hundredth of a cent is what float32 correlations cost; all frames.
    np.testing.assert_allclose(yin(analysis)[0], in_semitones(expected), atol=1e-4)


@pytest.mark.parametrize(
    ("fmin", "fmax"), [(30.0, 1000.0), (22.0, 400.0), (200.0, 8000.0)], ids=["bass", "two", "high"]
)
def test_other_ranges_are_librosas(rng, fmin, fmax):
    analysis = ClipAnalysis(glide(250.0, 350.0) + 0.1 * rng.standard_normal(2 * SR), SR)
    waveform = analysis.waveform.astype(np.float64)
    expected = librosa.yin(waveform, fmin=fmin, fmax=fmax, sr=SR)
    ours = yin(analysis, fmin=fmin, fmax=fmax)[0]
    np.testing.assert_allclose(ours, in_semitones(expected), atol=1e-4)


def test_a_harmonic_sound_has_next_to_no_inharmonicity():
    for frequency in (110.0, 220.0, 700.0):
        assert inner(inharmonicity(ClipAnalysis(partials(frequency), SR))).max() < 0.01


def test_the_more_partials_are_stretched_the_higher_the_inharmonicity():
    medians = [
        np.median(inner(inharmonicity(ClipAnalysis(partials(220.0, stretch=stretch), SR))))
        for stretch in (0.0, 1e-4, 1e-3, 3e-3)
    ]
    assert medians == sorted(medians)
    assert medians[1] > 2 * medians[0]
    assert medians[3] > 0.05


def test_a_partial_beside_its_multiple_counts_by_its_distance_and_power():
    # 20 Hz above four times 300, with a ninth of the power of both.
    phase = 2 * np.pi * np.arange(SR) / SR
    waveform = np.sin(300 * phase) + np.sin(1220 * phase) / np.sqrt(8)
    analysis = ClipAnalysis(waveform, SR)
    fundamental = 440 * 2 ** (np.median(yin(analysis)[0]) / 12)
    expected = 2 / fundamental * (8 * abs(300 - fundamental) + abs(1220 - 4 * fundamental)) / 9
    measured = np.median(inner(inharmonicity(analysis)))
    assert measured == pytest.approx(expected, abs=0.003)


def test_noise_has_no_partials_to_be_inharmonic(rng):
    assert not inharmonicity(ClipAnalysis(rng.standard_normal(SR), SR)).any()


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_silence_has_zeros(descriptor):
    assert not descriptor(ClipAnalysis(np.zeros(5000), SR)).any()


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize(
    "waveform",
    [
        np.ones(1),
        np.ones(30000),
        np.tile([1.0, -1.0], 5000),
        np.eye(1, 9000, 4000)[0],
        np.append(np.ones(5000), np.zeros(9000)),
    ],
    ids=["one sample", "constant", "half the rate", "impulse", "tail"],
)
def test_every_finite_waveform_gives_finite_numbers(descriptor, waveform):
    with np.errstate(all="raise"):
        contours = descriptor(ClipAnalysis(waveform, SR))
    assert np.isfinite(contours).all()


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_blocks_joined_are_the_whole(rng, descriptor):
    analysis = ClipAnalysis(glide(150.0, 300.0) + 0.1 * rng.standard_normal(2 * SR), SR)
    joined = np.concatenate([descriptor(block) for block in analysis.blocks(7)], axis=1)
    np.testing.assert_array_equal(joined, descriptor(analysis))


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_a_stream_has_the_blocks_of_the_whole_to_the_bit(rng, descriptor):
    waveform = (glide(150.0, 300.0) + 0.1 * rng.standard_normal(2 * SR)).astype(np.float32)
    pieces = np.array_split(waveform, 5)
    streamed = ClipAnalysis.stream(pieces, measure_level(pieces), SR, max_frames=20)
    for block, expected in zip(streamed, ClipAnalysis(waveform, SR).blocks(20), strict=True):
        np.testing.assert_array_equal(descriptor(block), descriptor(expected))


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_gain_does_not_matter(rng, descriptor):
    waveform = glide(150.0, 300.0) + 0.1 * rng.standard_normal(2 * SR)
    quiet = descriptor(ClipAnalysis(0.1 * waveform, SR))
    np.testing.assert_allclose(quiet, descriptor(ClipAnalysis(waveform, SR)), atol=1e-4)


@pytest.mark.parametrize(
    ("fmin", "fmax"), [(21.0, 400.0), (400.0, 400.0), (65.0, 11026.0)], ids=["low", "none", "high"]
)
def test_a_range_that_frames_cannot_show_is_refused(fmin, fmax):
    with pytest.raises(ValueError, match=f"21.5 Hz.* sr / 2 = 11025.0 Hz, got {fmin} and {fmax}"):
        yin(ClipAnalysis(np.ones(100), SR), fmin=fmin, fmax=fmax)
