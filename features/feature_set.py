"""Feature sets: named, versioned recipes from a waveform to one row of numbers.

Conventions: a feature is named by descriptor, contour and functional, as in ``mfcc_03_mean``.
A set never changes under its name: other settings make another version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from features.analysis import BLOCK_FRAMES, ClipAnalysis, Level
from features.cepstral import delta, log_mel, mfcc
from features.entropy import (
    permutation_entropy,
    spectral_entropy,
    svd_entropy,
    waveform_entropy,
)
from features.functionals import ENVELOPE, POINTS, summarise
from features.spectral import (
    onset_strength,
    spectral_contrast,
    spectral_crest,
    spectral_flatness,
    spectral_flux,
    spectral_moments,
    spectral_rolloff,
    spectral_slope,
)
from features.temporal import hjorth_parameters, rms, zero_crossing_rate
from features.tonal import chroma

Recipe = tuple[Callable[..., np.ndarray], tuple[tuple[str, Any], ...]]

# Raise it with every change of the numbers that the names do not show: it is part of the digest.
REVISION = 1

MOMENTS = ("centroid", "bandwidth", "skewness", "kurtosis")
STATISTICS = ("mean", "std", "skewness", "kurtosis", "slope", "p10", "p50", "p90")


@dataclass(frozen=True)
class Part:
    """One descriptor of a feature set, and what is kept of its contours.

    Parameters
    ----------
    group : str
        Family that the features belong to, for choosing columns.
    name : str
        First part of the features' names.
    descriptor : callable
        From a `ClipAnalysis` to contours, (n_contours, n_frames or n_segments).
    contours : tuple of str
        Second part of the names, for as many of the descriptor's contours, from the first; an
        empty string is left out.
    functionals : tuple of str
        Last part of the names; see `features.functionals`.
    delta : int
        0 for the contours themselves, 1 or 2 for their first or second derivative.
    settings : tuple of (str, object)
        Keyword arguments of the descriptor that are not its defaults.
    """

    group: str
    name: str
    descriptor: Callable[..., np.ndarray]
    contours: tuple[str, ...] = ("",)
    functionals: tuple[str, ...] = STATISTICS
    delta: int = 0
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def recipe(self) -> Recipe:
        """What the contours come from: parts of one recipe share them."""
        return self.descriptor, self.settings

    @property
    def feature_names(self) -> list[str]:
        """Names of the features: all functionals of the first contour, then of the next."""
        return [
            "_".join(filter(None, (self.name, contour, functional)))
            for contour in self.contours
            for functional in self.functionals
        ]

    def card(self) -> dict[str, Any]:
        """Describe the part.

        Returns
        -------
        dict
            JSON-able.
        """
        return {
            "group": self.group,
            "name": self.name,
            "descriptor": self.descriptor.__name__,
            "settings": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in self.settings
            },
            "contours": list(self.contours),
            "functionals": list(self.functionals),
            "delta": self.delta,
        }


@dataclass(frozen=True)
class FeatureSet:
    """A named recipe from a waveform to one row of float32 numbers.

    Parameters
    ----------
    name : str
        Name with version, such as ``"standard-v1"``.
    parts : tuple of Part
        Descriptors, in the order of the columns.
    sr : int
        Sampling rate in Hz that waveforms must have.
    n_fft, hop_length, n_mels, segment_s
        See `ClipAnalysis`.

    Raises
    ------
    ValueError
        If two features would have the same name.

    Examples
    --------
    >>> import numpy as np
    >>> feature_set = get_feature_set("compact-v1")
    >>> row = feature_set.compute(np.sin(np.arange(22050) / 10))
    >>> row.shape, feature_set.feature_names[3]
    ((28,), 'mfcc_03_mean')
    """

    name: str
    parts: tuple[Part, ...]
    sr: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 40
    segment_s: float = 0.1

    def __post_init__(self) -> None:
        """Check the names."""
        names = self.feature_names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"feature names of {self.name!r} must be unique, got twice: {twice}")

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns, known without audio."""
        return [name for part in self.parts for name in part.feature_names]

    @cached_property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.feature_names)

    @property
    def groups(self) -> dict[str, list[str]]:
        """Feature names by family of descriptors."""
        groups: dict[str, list[str]] = {}
        for part in self.parts:
            groups.setdefault(part.group, []).extend(part.feature_names)
        return groups

    def card(self) -> dict[str, Any]:
        """Describe all that the numbers depend on.

        Returns
        -------
        dict
            JSON-able; equal cards mean equal features.
        """
        return {
            "name": self.name,
            "revision": REVISION,
            "sr": self.sr,
            "channels": "mean",
            "level": "rms",
            "n_fft": self.n_fft,
            "hop_length": self.hop_length,
            "n_mels": self.n_mels,
            "segment_s": self.segment_s,
            "parts": [part.card() for part in self.parts],
            "feature_names": self.feature_names,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the card, in hexadecimal."""
        text = json.dumps(self.card(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def compute(self, waveform: np.ndarray) -> np.ndarray:
        """Compute the features of one clip.

        Parameters
        ----------
        waveform : np.ndarray of shape (n_timepoints,)
            One channel at `sr`, at least one sample. Its level does not matter.

        Returns
        -------
        np.ndarray of shape (n_features,), float32
            Finite numbers, also for silence. Frames are analysed in blocks: memory grows with the
            contours, not with the spectra.

        Raises
        ------
        ValueError
            If the waveform is not a non-empty, one-dimensional, finite array of numbers.
        """
        clip = ClipAnalysis(_check_waveform(waveform), self.sr, **self._analysis_settings)
        return self._reduce(clip.blocks(BLOCK_FRAMES))

    def compute_stream(self, pieces: Iterable[np.ndarray], level: Level) -> np.ndarray:
        """Compute the features of a clip that is too long to hold in memory.

        Parameters
        ----------
        pieces : iterable of np.ndarray of shape (n,), float32
            The clip at `sr`, from the beginning; how it is cut does not matter.
        level : Level
            Of the whole clip: see `features.analysis.measure_level`.

        Returns
        -------
        np.ndarray of shape (n_features,), float32
            What `compute` gives of the whole.
        """
        return self._reduce(
            ClipAnalysis.stream(
                pieces, level, self.sr, max_frames=BLOCK_FRAMES, **self._analysis_settings
            )
        )

    @property
    def _analysis_settings(self) -> dict[str, Any]:
        return {
            "n_fft": self.n_fft,
            "hop_length": self.hop_length,
            "n_mels": self.n_mels,
            "segment_s": self.segment_s,
        }

    def _reduce(self, blocks: Iterable[ClipAnalysis]) -> np.ndarray:
        return self._summarise(self._compute_contours(blocks)).astype(np.float32)

    def _compute_contours(self, blocks: Iterable[ClipAnalysis]) -> dict[Recipe, np.ndarray]:
        pieces: dict[Recipe, list[np.ndarray]] = {part.recipe: [] for part in self.parts}
        for block in blocks:
            for (descriptor, settings), contours in pieces.items():
                contours.append(descriptor(block, **dict(settings)).astype(np.float32, copy=False))
        # One recipe after the other: a long clip's contours are never there twice.
        return {recipe: _joined(pieces.pop(recipe)) for recipe in list(pieces)}

    def _summarise(self, contours: dict[Recipe, np.ndarray]) -> np.ndarray:
        """Apply the functionals, to all contours of one length and purpose at once."""
        chosen = []
        for part in self.parts:
            rows = contours[part.recipe][: len(part.contours)]
            chosen.append(delta(rows, order=part.delta) if part.delta else rows)
        alike: dict[tuple[int, tuple[str, ...], int], list[int]] = {}
        for k, part in enumerate(self.parts):
            n_frames = chosen[k].shape[1]
            # Long contours are not copied next to one another: it would save nothing.
            alone = k if n_frames > BLOCK_FRAMES else -1
            alike.setdefault((n_frames, part.functionals, alone), []).append(k)
        values: list[np.ndarray] = [np.empty(0)] * len(self.parts)
        for (_, functionals, _), members in alike.items():
            table = summarise(np.concatenate([chosen[k] for k in members]), functionals)
            start = 0
            for k in members:
                stop = start + len(chosen[k])
                values[k] = table[start:stop].ravel()
                start = stop
        return np.concatenate(values)


def _joined(pieces: list[np.ndarray]) -> np.ndarray:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)


def _check_waveform(waveform: np.ndarray) -> np.ndarray:
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or waveform.size == 0 or waveform.dtype.kind not in "fiu":
        raise ValueError(
            "a waveform must be a non-empty one-dimensional array of numbers, got shape "
            f"{waveform.shape} and dtype {waveform.dtype}"
        )
    return waveform


def _numbered(n: int) -> tuple[str, ...]:
    return tuple(f"{k:02d}" for k in range(n))


def _compact_v1() -> FeatureSet:
    """Give the means of 28 contours: the classical baseline of Lumen's runner-up of 2023."""
    mean = ("mean",)
    at_85 = (("fractions", (0.85,)),)
    parts = (
        Part("mfcc", "mfcc", mfcc, _numbered(10), mean),
        Part("temporal", "zero_crossing_rate", zero_crossing_rate, functionals=mean),
        Part("temporal", "rms", rms, functionals=mean),
        Part("spectral", "spectral_rolloff", spectral_rolloff, ("85",), mean, settings=at_85),
        Part("spectral", "spectral", spectral_moments, MOMENTS[:2], mean),
        Part("contrast", "spectral_contrast", spectral_contrast, _numbered(7), mean),
        Part("spectral", "spectral_flatness", spectral_flatness, functionals=mean),
        Part("entropy", "permutation_entropy", permutation_entropy, functionals=mean),
        Part("entropy", "spectral_entropy", spectral_entropy, functionals=mean),
        Part("entropy", "svd_entropy", svd_entropy, functionals=mean),
        Part("temporal", "hjorth", hjorth_parameters, ("mobility", "complexity"), mean),
    )
    return FeatureSet("compact-v1", parts, n_mels=128)


def _standard_v1() -> FeatureSet:
    """Give everything that is cheap: the classical descriptors and how they evolve."""
    # The waveform's descriptors come first, while it is in the processor's cache.
    parts = (
        Part("temporal", "rms", rms),
        Part("temporal", "rms", rms, functionals=POINTS),
        Part("temporal", "rms", rms, functionals=ENVELOPE),
        Part("temporal", "zero_crossing_rate", zero_crossing_rate),
        Part("temporal", "hjorth", hjorth_parameters, ("mobility", "complexity")),
        Part("entropy", "waveform_entropy", waveform_entropy),
        Part("entropy", "waveform_entropy", waveform_entropy, functionals=POINTS),
        Part("entropy", "permutation_entropy", permutation_entropy),
        Part("entropy", "permutation_entropy", permutation_entropy, functionals=POINTS),
        Part("entropy", "svd_entropy", svd_entropy),
        Part("entropy", "svd_entropy", svd_entropy, functionals=POINTS),
        Part("entropy", "spectral_entropy", spectral_entropy),
        Part("entropy", "spectral_entropy", spectral_entropy, functionals=POINTS),
        Part("mfcc", "mfcc", mfcc, _numbered(20)),
        Part("mfcc", "mfcc_delta", mfcc, _numbered(20), delta=1),
        Part("mfcc", "mfcc_delta2", mfcc, _numbered(20), delta=2),
        Part("mel", "mel", log_mel, _numbered(40), ("mean", "std")),
        Part("chroma", "chroma", chroma, _numbered(12)),
        Part("spectral", "onset_strength", onset_strength),
        Part("spectral", "spectral_slope", spectral_slope),
        Part("spectral", "spectral_flatness", spectral_flatness),
        Part("spectral", "spectral_crest", spectral_crest),
        Part("spectral", "spectral", spectral_moments, MOMENTS),
        Part("spectral", "spectral_rolloff", spectral_rolloff, ("50", "85", "95")),
        Part("spectral", "spectral_flux", spectral_flux),
        Part("contrast", "spectral_contrast", spectral_contrast, _numbered(7)),
    )
    return FeatureSet("standard-v1", parts)


_FEATURE_SETS = {feature_set.name: feature_set for feature_set in (_compact_v1(), _standard_v1())}


def list_feature_sets() -> list[str]:
    """Name the registered feature sets.

    Returns
    -------
    list of str
        Sorted.
    """
    return sorted(_FEATURE_SETS)


def get_feature_set(name: str) -> FeatureSet:
    """Look up a registered feature set.

    Parameters
    ----------
    name : str
        One of `list_feature_sets`.

    Returns
    -------
    FeatureSet
        The set.

    Raises
    ------
    ValueError
        If no set has that name.
    """
    if name not in _FEATURE_SETS:
        raise ValueError(f"feature set must be one of {list_feature_sets()}, got {name!r}")
    return _FEATURE_SETS[name]
