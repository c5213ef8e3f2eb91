"""The feature sets that have a name and a version.

Conventions: a set never changes under its name: other parts, functionals or settings make another
version. Columns come in the order in which a set lists its parts. Names joined by ``+`` are the
sets one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, reduce
from operator import add

from features.feature_set import FeatureSet
from features.naming import did_you_mean
from features.opensmile_sets import OPENSMILE_SETS, OpenSmileSet
from features.part_variants import make_part

# What extraction and prediction take: name, columns, card and a row for a waveform.
AnyFeatureSet = FeatureSet | OpenSmileSet

MEAN = ("mean",)


def _compact_v1() -> FeatureSet:
    parts = (
        make_part("mfcc", contours=10, functionals=MEAN),
        make_part("zero_crossing_rate", functionals=MEAN),
        make_part("rms", functionals=MEAN),
        make_part("spectral_rolloff", functionals=MEAN, settings={"fractions": (0.85,)}),
        make_part("spectral_moments", contours=2, functionals=MEAN),
        make_part("spectral_contrast", functionals=MEAN),
        make_part("spectral_flatness", functionals=MEAN),
        make_part("permutation_entropy", functionals=MEAN),
        make_part("spectral_entropy", functionals=MEAN),
        make_part("svd_entropy", functionals=MEAN),
        make_part("hjorth", functionals=MEAN),
    )
    summary = "The means of 28 contours: the classical baseline of Lumen's runner-up of 2023."
    return FeatureSet("compact-v1", parts, n_mels=128, summary=summary)


# The waveform's descriptors come first, while it is in the processor's cache.
_STANDARD_V1 = (
    "rms",
    "zero_crossing_rate",
    "hjorth",
    "waveform_entropy",
    "permutation_entropy",
    "svd_entropy",
    "spectral_entropy",
    "mfcc",
    "mfcc_delta",
    "mfcc_delta2",
    "mel",
    "chroma",
    "onset_strength",
    "spectral_slope",
    "spectral_flatness",
    "spectral_crest",
    "spectral_moments",
    "spectral_rolloff",
    "spectral_flux",
    "spectral_irregularity",
    "spectral_contrast",
)

_BEYOND_STANDARD_V1 = (
    "sample_entropy",
    "approximate_entropy",
    "wavelet_energy",
    "wavelet_entropy",
    "scalogram",
    "gtcc",
    "lfcc",
    "hpss",
    "chroma_cqt",
    "tonnetz",
    "yin",
    "inharmonicity",
)

_NUISANCE_V1 = ("duration", "level", "loudness", "bandwidth", "dc_offset", "clipped_share")


def _standard_v1() -> FeatureSet:
    summary = "Everything that is cheap: the classical descriptors and how they evolve."
    return FeatureSet("standard-v1", tuple(map(make_part, _STANDARD_V1)), summary=summary)


def _full_v1() -> FeatureSet:
    summary = "All of standard-v1, and what costs more: wavelets, pitch, harmony, HPSS."
    parts = tuple(map(make_part, _STANDARD_V1 + _BEYOND_STANDARD_V1))
    return FeatureSet("full-v1", parts, summary=summary)


def _nuisance_v1() -> FeatureSet:
    summary = "What tells of the recording, not of the sound: for audits, not for models."
    return FeatureSet("nuisance-v1", tuple(map(make_part, _NUISANCE_V1)), summary=summary)


_SETS: dict[str, Callable[[], FeatureSet]] = {
    "compact-v1": _compact_v1,
    "standard-v1": _standard_v1,
    "full-v1": _full_v1,
    "nuisance-v1": _nuisance_v1,
}


@cache
def _get_one(name: str) -> AnyFeatureSet:
    if name in OPENSMILE_SETS:
        return OPENSMILE_SETS[name]
    if name in _SETS:
        return _SETS[name]()
    near = did_you_mean(name, list_feature_sets())
    raise ValueError(f"feature set must be one of {list_feature_sets()}, got {name!r}{near}")


def list_feature_sets() -> list[str]:
    """Name the feature sets.

    Returns
    -------
    list of str
        Our own, then openSMILE's, which need the package `opensmile` to compute.
    """
    return [*_SETS, *OPENSMILE_SETS]


def get_feature_set(name: str) -> AnyFeatureSet:
    """Look up a feature set.

    Parameters
    ----------
    name : str
        One of `list_feature_sets`, or several joined by ``+``, whose features then come one after
        the other.

    Returns
    -------
    FeatureSet or OpenSmileSet
        The set.

    Raises
    ------
    ValueError
        If no set has that name, or they cannot be joined: see `join_feature_sets`.

    Examples
    --------
    >>> get_feature_set("compact-v1").n_features
    28
    """
    return join_feature_sets([_get_one(part) for part in name.split("+")])


def join_feature_sets(sets: Sequence[AnyFeatureSet]) -> AnyFeatureSet:
    """Make one set of several, with the features of one after those of the other.

    Parameters
    ----------
    sets : sequence of FeatureSet or OpenSmileSet
        At least one.

    Returns
    -------
    FeatureSet or OpenSmileSet
        Named after all, joined by ``+``.

    Raises
    ------
    ValueError
        If they analyse clips differently, share features, or one is openSMILE's, which takes
        clips at another rate and level.
    """
    if len(sets) == 1:
        return sets[0]
    ours = [feature_set for feature_set in sets if isinstance(feature_set, FeatureSet)]
    if len(ours) < len(sets):
        foreign = next(feature_set.name for feature_set in sets if feature_set not in ours)
        raise ValueError(
            f"{foreign!r} cannot be joined with other sets: openSMILE takes clips at another rate "
            "and level; extract two tables"
        )
    return reduce(add, ours)
