"""The catalogue: all that feature sets are made of, and what its numbers were checked against.

Conventions: a part is known by the name its features begin with, unless that says too little. An
entry's place in the table is its place in the documentation; what a set holds, and in which order,
is said in `features.named_sets`. To add a descriptor, add its entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from features.cepstral import gtcc, lfcc, log_mel, mfcc
from features.entropy import (
    approximate_entropy,
    permutation_entropy,
    sample_entropy,
    spectral_entropy,
    svd_entropy,
    waveform_entropy,
)
from features.feature_set import NUISANCE, STATISTICS, Part
from features.functionals import ENVELOPE, MOMENTS, PERCENTILES, POINTS, PULSE, SILENCES
from features.harmonic import harmonic_percussive
from features.nuisance import (
    bandwidth_hz,
    clipped_share,
    dc_offset,
    duration,
    level_dbfs,
    loudness_lufs,
)
from features.pitch import inharmonicity, yin
from features.spectral import (
    onset_strength,
    spectral_contrast,
    spectral_crest,
    spectral_flatness,
    spectral_flux,
    spectral_irregularity,
    spectral_moments,
    spectral_polynomial,
    spectral_rolloff,
    spectral_slope,
)
from features.temporal import hjorth_parameters, rms, zero_crossing_rate
from features.tonal import chroma, chroma_cqt, tonnetz
from features.wavelet import scalogram, wavelet_energies, wavelet_entropies

# Names that stand for several functionals.
FUNCTIONAL_FAMILIES = {
    "statistics": STATISTICS,
    "moments": MOMENTS,
    "percentiles": tuple(PERCENTILES),
    "points": POINTS,
    "envelope": ENVELOPE,
    "pulse": PULSE,
    "silences": SILENCES,
}


@dataclass(frozen=True)
class Check:
    """What tells that a descriptor's numbers are right.

    Parameters
    ----------
    reference : str
        The function of another library that it agrees with, or the sound whose answer is known.
    tolerance : str
        How well it must agree.
    test : str
        The test that says so: a function of the descriptor's own test file, or ``file::function``.
    """

    reference: str
    tolerance: str
    test: str


@dataclass(frozen=True)
class CatalogueEntry:
    """A part as feature sets take it if they say no more than its name.

    Parameters
    ----------
    part : Part
        With all the descriptor's contours.
    checks : tuple of Check
        At least one.
    name_contours : callable or None
        From the descriptor's settings, by keyword, to the names of its contours, for one whose
        settings decide what they mean. Without it they keep their names, or are numbered if
        settings make more or fewer of them.
    """

    part: Part
    checks: tuple[Check, ...]
    name_contours: Callable[..., tuple[str, ...]] | None = None


def numbered(n: int) -> tuple[str, ...]:
    """Name contours that have only a number.

    Parameters
    ----------
    n : int
        How many.

    Returns
    -------
    tuple of str
        ``"00"``, ``"01"``, ...
    """
    return tuple(f"{k:02d}" for k in range(n))


def _in_percent(fractions: tuple[float, ...]) -> tuple[str, ...]:
    """Name contours by the percentages they stand for, such as ``"85"`` or ``"99p5"``."""
    return tuple(f"{100 * fraction:.4g}".replace(".", "p") for fraction in fractions)


def _powers(order: int) -> tuple[str, ...]:
    """Name the coefficients of a polynomial by the powers they belong to."""
    return tuple(str(power) for power in range(order, -1, -1))


def _entry(part: Part, *checks: Check, **naming: Callable[..., tuple[str, ...]]) -> CatalogueEntry:
    return CatalogueEntry(part, checks, **naming)


def _numbered_bands(level: int, **_: object) -> tuple[str, ...]:
    """Name the bands of a wavelet transform, of which there is one more than levels."""
    return numbered(level + 1)


SPECTRAL_MOMENTS = ("centroid", "bandwidth", "skewness", "kurtosis")
TONAL_CENTROIDS = ("fifths_x", "fifths_y", "minor_x", "minor_y", "major_x", "major_y")
HJORTH = ("mobility", "complexity")

# How the whole clip goes, beside how its values are spread.
EVOLUTION = STATISTICS + POINTS

CATALOGUE: dict[str, CatalogueEntry] = {
    "rms": _entry(
        Part("temporal", "rms", rms, functionals=EVOLUTION + ENVELOPE),
        Check("librosa.feature.rms", "1e-5 relative", "test_rms_is_librosas"),
    ),
    "zero_crossing_rate": _entry(
        Part("temporal", "zero_crossing_rate", zero_crossing_rate),
        Check(
            "librosa.feature.zero_crossing_rate",
            "equal, but for one crossing in the two outermost frames",
            "test_zero_crossing_rate_is_librosas_away_from_the_ends",
        ),
    ),
    "hjorth": _entry(
        Part("temporal", "hjorth", hjorth_parameters, HJORTH),
        Check("antropy.hjorth_params", "1e-9 relative", "test_hjorth_parameters_are_antropys"),
    ),
    "waveform_entropy": _entry(
        Part("entropy", "waveform_entropy", waveform_entropy, functionals=EVOLUTION),
        Check(
            "numpy.histogram and scipy.stats.entropy",
            "1e-3",
            "test_waveform_entropy_is_that_of_numpys_histogram",
        ),
    ),
    "permutation_entropy": _entry(
        Part("entropy", "permutation_entropy", permutation_entropy, functionals=EVOLUTION),
        Check("antropy.perm_entropy", "1e-12", "test_entropy_is_antropys"),
    ),
    "svd_entropy": _entry(
        Part("entropy", "svd_entropy", svd_entropy, functionals=EVOLUTION),
        Check("antropy.svd_entropy", "1e-6", "test_entropy_is_antropys"),
    ),
    "spectral_entropy": _entry(
        Part("entropy", "spectral_entropy", spectral_entropy, functionals=EVOLUTION),
        Check("antropy.spectral_entropy", "1e-5", "test_entropy_is_antropys"),
    ),
    "sample_entropy": _entry(
        Part("entropy", "sample_entropy", sample_entropy, functionals=EVOLUTION),
        Check("antropy.sample_entropy", "1e-12", "test_entropies_of_matches_are_antropys"),
    ),
    "approximate_entropy": _entry(
        Part("entropy", "approximate_entropy", approximate_entropy, functionals=EVOLUTION),
        Check("antropy.app_entropy", "1e-12", "test_entropies_of_matches_are_antropys"),
    ),
    "mfcc": _entry(
        Part("mfcc", "mfcc", mfcc, numbered(20)),
        Check("librosa.feature.mfcc", "1e-3 dB", "test_mfcc_is_librosas"),
    ),
    "mfcc_delta": _entry(
        Part("mfcc", "mfcc_delta", mfcc, numbered(20), delta=1),
        Check("librosa.feature.delta", "2e-7 relative", "test_delta_is_librosas"),
    ),
    "mfcc_delta2": _entry(
        Part("mfcc", "mfcc_delta2", mfcc, numbered(20), delta=2),
        Check("librosa.feature.delta", "2e-7 relative", "test_delta_is_librosas"),
    ),
    "mel": _entry(
        Part("mel", "mel", log_mel, numbered(40), ("mean", "std")),
        Check("librosa.feature.melspectrogram", "1e-3 dB", "test_mfcc_is_librosas"),
    ),
    "gtcc": _entry(
        Part("gammatone", "gtcc", gtcc, numbered(20)),
        Check(
            "scipy.signal.gammatone, for the filters",
            "1e-3 relative",
            "test_features_filterbanks.py::test_gammatone_filters_are_scipys",
        ),
    ),
    "lfcc": _entry(
        Part("linear", "lfcc", lfcc, numbered(20), ("mean", "std")),
        Check(
            "torchaudio.functional.linear_fbanks, for the filters",
            "1e-4 relative",
            "test_features_filterbanks.py::test_linear_filterbank_is_torchaudios_over_its_half_width",
        ),
    ),
    "chroma": _entry(
        Part("chroma", "chroma", chroma, numbered(12)),
        Check("librosa.feature.chroma_stft", "1e-5", "test_chroma_is_librosas"),
    ),
    "onset_strength": _entry(
        Part("spectral", "onset_strength", onset_strength, functionals=STATISTICS + PULSE),
        Check("librosa.onset.onset_strength", "1e-5 dB", "test_onset_strength_is_librosas"),
    ),
    "spectral_slope": _entry(
        Part("spectral", "spectral_slope", spectral_slope),
        Check(
            "6 dB per octave for differentiated white noise",
            "0.5 dB per octave",
            "test_differentiated_noise_rises_by_six_decibels_per_octave",
        ),
    ),
    "spectral_flatness": _entry(
        Part("spectral", "spectral_flatness", spectral_flatness),
        Check("librosa.feature.spectral_flatness", "1e-4 relative", "test_flatness_is_librosas"),
    ),
    "spectral_crest": _entry(
        Part("spectral", "spectral_crest", spectral_crest),
        Check("0 dB for an impulse", "1e-4 dB", "test_the_spectrum_of_an_impulse_is_flat"),
    ),
    "spectral_moments": _entry(
        Part("spectral", "spectral", spectral_moments, SPECTRAL_MOMENTS),
        Check(
            "librosa.feature.spectral_centroid and spectral_bandwidth",
            "1e-5 relative",
            "test_centroid_and_bandwidth_are_librosas",
        ),
        Check(
            "scipy.stats.rv_discrete, for skewness and kurtosis",
            "1e-4 relative",
            "test_skewness_and_kurtosis_are_those_of_the_spectrum_as_a_distribution",
        ),
    ),
    "spectral_rolloff": _entry(
        Part("spectral", "spectral_rolloff", spectral_rolloff, ("50", "85", "95")),
        Check(
            "librosa.feature.spectral_rolloff",
            "equal in 90 % of frames, one bin in the others",
            "test_rolloff_is_librosas_up_to_a_bin",
        ),
        name_contours=_in_percent,
    ),
    "spectral_irregularity": _entry(
        Part("spectral", "spectral_irregularity", spectral_irregularity),
        Check("its formula in numpy", "1e-3 relative", "test_irregularity_is_the_formula"),
    ),
    "spectral_polynomial": _entry(
        Part("spectral", "spectral_polynomial", spectral_polynomial, ("1", "0")),
        Check("librosa.feature.poly_features", "1e-4 relative", "test_polynomials_are_librosas"),
        name_contours=_powers,
    ),
    "spectral_flux": _entry(
        Part("spectral", "spectral_flux", spectral_flux),
        Check(
            "1 for an entry out of silence",
            "1e-6",
            "test_an_entry_out_of_silence_is_a_flux_of_one",
        ),
    ),
    "spectral_contrast": _entry(
        Part("contrast", "spectral_contrast", spectral_contrast, numbered(7)),
        Check("librosa.feature.spectral_contrast", "1e-2 dB", "test_contrast_is_librosas"),
    ),
    "hpss": _entry(
        Part("harmonic", "hpss", harmonic_percussive, ("harmonic", "percussive", "ratio")),
        Check(
            "scipy.ndimage.median_filter, for the medians",
            "equal",
            "test_running_medians_are_scipys_to_the_bit",
        ),
        Check("librosa.decompose.hpss", "1e-4 relative", "test_the_parts_are_librosas"),
    ),
    "chroma_cqt": _entry(
        Part("chroma", "chroma_cqt", chroma_cqt, numbered(12)),
        Check(
            "librosa.feature.chroma_cqt",
            "0.04, of a maximum of 1",
            "test_chroma_of_the_constant_q_transform_is_librosas",
        ),
        Check(
            "the transform's definition in float64",
            "1e-3 of its mean square",
            "test_features_constant_q.py::test_it_is_what_its_definition_says",
        ),
    ),
    "tonnetz": _entry(
        Part("chroma", "tonnetz", tonnetz, TONAL_CENTROIDS),
        Check("librosa.feature.tonnetz", "1e-9", "test_tonal_centroids_are_librosas"),
    ),
    "yin": _entry(
        Part("pitch", "yin", yin, ("semitones", "voicing")),
        Check("librosa.yin", "0.01 cents", "test_pitch_is_librosas"),
    ),
    "inharmonicity": _entry(
        Part("pitch", "inharmonicity", inharmonicity),
        Check(
            "0 for a harmonic sound",
            "0.005",
            "test_a_harmonic_sound_has_next_to_no_inharmonicity",
        ),
    ),
    "wavelet_energy": _entry(
        Part("wavelet", "wavelet_energy", wavelet_energies, numbered(9)),
        Check("pywt.wavedec", "1e-3 dB", "test_energies_are_those_of_pywavelets"),
        name_contours=_numbered_bands,
    ),
    "wavelet_entropy": _entry(
        Part("wavelet", "wavelet_entropy", wavelet_entropies, numbered(9)),
        Check(
            "scipy.stats.entropy of pywt.wavedec",
            "1e-5",
            "test_entropies_are_scipys_of_pywavelets_coefficients",
        ),
        name_contours=_numbered_bands,
    ),
    "scalogram": _entry(
        Part("wavelet", "scalogram", scalogram, numbered(15), ("mean", "std")),
        Check(
            "numpy.convolve with each wavelet",
            "0.02 dB; 1 dB for the four lowest",
            "test_a_scalogram_is_the_power_of_the_frame_convolved_with_each_wavelet",
        ),
    ),
    "level": _entry(
        Part(NUISANCE, "level", level_dbfs, functionals=("mean", "std", "max", *SILENCES)),
        Check(
            "-3.01 dBFS for a sine of full scale",
            "0.01 dB",
            "test_a_sine_of_full_scale_has_three_decibels_less",
        ),
    ),
    "loudness": _entry(
        Part(NUISANCE, "loudness", loudness_lufs, functionals=("mean", "max")),
        Check(
            "-3.01 LUFS for 997 Hz of full scale (ITU-R BS.1770)",
            "0.01 to 0.25 LU, by rate",
            "test_the_recommendations_tone_has_its_loudness_at_any_rate",
        ),
    ),
    "bandwidth": _entry(
        Part(NUISANCE, "bandwidth", bandwidth_hz, functionals=("p50", "p90")),
        Check("a low-pass filter's edge", "1 %", "test_a_cut_off_is_found"),
    ),
    "dc_offset": _entry(
        Part(NUISANCE, "dc_offset", dc_offset, functionals=("mean",)),
        Check("an offset that was added", "1e-3", "test_an_offset_is_found_in_full_scale"),
    ),
    "clipped_share": _entry(
        Part(NUISANCE, "clipped_share", clipped_share, functionals=("mean", "max")),
        Check(
            "a tone cut off at its limits",
            "1e-6",
            "test_a_clipped_share_is_that_of_the_samples_at_the_limits",
        ),
    ),
    "duration": _entry(
        Part(NUISANCE, "duration", duration, functionals=("mean",)),
        Check("the number of samples over the rate", "1e-9", "test_duration_is_in_seconds"),
    ),
}
