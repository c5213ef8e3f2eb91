"""Feature sets: named, versioned recipes from a waveform to one row of numbers.

Which parts there are, the catalogue knows; which sets have a name, `features.named_sets`.

Conventions: a feature is named by descriptor, contour and functional, as in ``mfcc_03_mean``.
A set never changes under its name: other settings make another version.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from features.analysis import BLOCK_FRAMES, ClipAnalysis
from features.cepstral import delta
from features.contours import Recipe, compute_contours
from features.functionals import Summary, summarise
from features.level import Level

# Raise it with every change of the numbers that the names do not show: it is part of the digest.
REVISION = 1

STATISTICS = ("mean", "std", "skewness", "kurtosis", "slope", "p10", "p50", "p90")

# The group of what says more of the recording than of the sound: models leave it out unless told.
NUISANCE = "nuisance"


def _feature_names(name: str, contours: Iterable[str], functionals: Iterable[str]) -> list[str]:
    """All functionals of the first contour, then of the next."""
    return [
        "_".join(filter(None, (name, contour, functional)))
        for contour in contours
        for functional in functionals
    ]


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
        Second part of the names; an empty string is left out.
    functionals : tuple of str
        Last part of the names; see `features.functionals`.
    delta : int
        0 for the contours themselves, 1 or 2 for their first or second derivative.
    settings : tuple of (str, object)
        Keyword arguments of the descriptor that are not its defaults.
    rows : tuple of int
        Which of the descriptor's contours these are; empty: as many as `contours`, from the first.
    """

    group: str
    name: str
    descriptor: Callable[..., np.ndarray]
    contours: tuple[str, ...] = ("",)
    functionals: tuple[str, ...] = STATISTICS
    delta: int = 0
    settings: tuple[tuple[str, Any], ...] = ()
    rows: tuple[int, ...] = ()

    @property
    def recipe(self) -> Recipe:
        """What the contours come from: parts of one recipe share them."""
        return self.descriptor, self.settings

    @property
    def feature_names(self) -> list[str]:
        """Names of the features: all functionals of the first contour, then of the next."""
        return _feature_names(self.name, self.contours, self.functionals)

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
            **({"rows": list(self.rows)} if self.rows else {}),
        }


# Parts with the positions of their recipes, and what is wanted of their contours.
Group = tuple[list[tuple[Part, int]], Summary]


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
    summary : str
        What it is for, in a line; no number depends on it.

    Raises
    ------
    ValueError
        If two features would have the same name.

    Examples
    --------
    >>> import numpy as np
    >>> from features.named_sets import get_feature_set
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
    summary: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Check the names."""
        twice = [name for name, count in Counter(self.feature_names).items() if count > 1]
        if twice:
            more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
            raise ValueError(
                f"feature names of {self.name!r} must be unique, got twice: {twice[:5]}{more}"
            )

    def __add__(self, other: FeatureSet) -> FeatureSet:
        """Join two sets that analyse clips alike, under both names."""
        theirs = other.settings
        differing = [
            f"{name} {value} and {theirs[name]}"
            for name, value in self.settings.items()
            if value != theirs[name]
        ]
        if differing:
            raise ValueError(
                f"feature sets are joined only if they analyse clips alike; {self.name!r} and "
                f"{other.name!r} have {', '.join(differing)}"
            )
        return FeatureSet(f"{self.name}+{other.name}", self.parts + other.parts, **self.settings)

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

    @property
    def n_by_group(self) -> dict[str, int]:
        """Number of features by family of descriptors."""
        return {group: len(names) for group, names in self.groups.items()}

    def library_versions(self) -> dict[str, str]:
        """Name the libraries that the numbers come from, beside those that all extraction uses.

        Returns
        -------
        dict
            Package -> version; here empty.
        """
        return {}

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
            "channels": "mean",
            "level": "rms",
            **self.settings,
            "parts": [part.card() for part in self.parts],
            "feature_names": self.feature_names,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the card, in hexadecimal."""
        return hash_card(self.card())

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
        clip = ClipAnalysis(check_waveform(waveform), **self.settings)
        return self._reduce(clip.blocks(BLOCK_FRAMES))

    def compute_stream(self, pieces: Iterable[np.ndarray], level: Level) -> np.ndarray:
        """Compute the features of a clip that is too long to hold in memory.

        Parameters
        ----------
        pieces : iterable of np.ndarray of shape (n,), float32
            The clip at `sr`, from the beginning; how it is cut does not matter.
        level : Level
            Of the whole clip: see `features.level.measure_level`.

        Returns
        -------
        np.ndarray of shape (n_features,), float32
            What `compute` gives of the whole.
        """
        return self._reduce(
            ClipAnalysis.stream(pieces, level, max_frames=BLOCK_FRAMES, **self.settings)
        )

    @property
    def settings(self) -> dict[str, Any]:
        """How clips are analysed: what `ClipAnalysis` takes besides the clip."""
        return {
            "sr": self.sr,
            "n_fft": self.n_fft,
            "hop_length": self.hop_length,
            "n_mels": self.n_mels,
            "segment_s": self.segment_s,
        }

    def _reduce(self, blocks: Iterable[ClipAnalysis]) -> np.ndarray:
        return self._summarise(compute_contours(blocks, self._recipes)).astype(np.float32)

    @cached_property
    def _recipes(self) -> list[Recipe]:
        return list(dict.fromkeys(part.recipe for part in self.parts))

    def _summarise(self, contours: list[np.ndarray]) -> np.ndarray:
        """Apply the functionals, to all contours of one length and purpose at once."""
        if max(values.shape[1] for values in contours) > BLOCK_FRAMES:
            # Long contours come one by one: a clip of hours has hundreds of megabytes of them.
            return np.concatenate(
                [
                    summarise(_derived(part, row[np.newaxis]), part.functionals)[0]
                    for part, k in self._plan
                    for row in _chosen(part, contours[k])
                ]
            )
        lengths = tuple(values.shape[1] == contours[0].shape[1] for values in contours)
        groups, order = self._groups(lengths)
        values = []
        for members, summary in groups:
            rows = [_derived(part, _chosen(part, contours[k])) for part, k in members]
            values.append(summary.compute(np.concatenate(rows)))
        return np.concatenate(values)[order]

    @cached_property
    def _plan(self) -> list[tuple[Part, int]]:
        """Give each part with the position of its recipe."""
        return [(part, self._recipes.index(part.recipe)) for part in self.parts]

    @cached_property
    def _known_groups(self) -> dict[tuple[bool, ...], tuple[list[Group], np.ndarray]]:
        return {}

    def _groups(self, lengths: tuple[bool, ...]) -> tuple[list[Group], np.ndarray]:
        """Group the parts whose contours are equally long, and tell where their values go."""
        if lengths not in self._known_groups:
            starts = np.cumsum([0, *(len(part.feature_names) for part in self.parts)])
            groups, places = [], []
            for length in sorted(set(lengths)):
                chosen = [
                    k for k, (_, recipe) in enumerate(self._plan) if lengths[recipe] == length
                ]
                members = [self._plan[k] for k in chosen]
                wanted = [part.functionals for part, _ in members for _ in part.contours]
                groups.append((members, Summary(wanted)))
                places += [np.arange(starts[k], starts[k + 1]) for k in chosen]
            self._known_groups[lengths] = groups, np.argsort(np.concatenate(places))
        return self._known_groups[lengths]


def _chosen(part: Part, contours: np.ndarray) -> np.ndarray:
    """Give the descriptor's contours that a part is about."""
    return contours[list(part.rows)] if part.rows else contours[: len(part.contours)]


def _derived(part: Part, rows: np.ndarray) -> np.ndarray:
    """Give the derivatives of contours if a part is about them."""
    return delta(rows, order=part.delta) if part.delta else rows


def check_waveform(waveform: np.ndarray) -> np.ndarray:
    """Make sure that features can be computed of it.

    Parameters
    ----------
    waveform : np.ndarray
        What was given.

    Returns
    -------
    np.ndarray of shape (n_timepoints,)
        The same.

    Raises
    ------
    ValueError
        If it is not a non-empty, one-dimensional array of numbers.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or waveform.size == 0 or waveform.dtype.kind not in "fiu":
        raise ValueError(
            "a waveform must be a non-empty one-dimensional array of numbers, got shape "
            f"{waveform.shape} and dtype {waveform.dtype}"
        )
    return waveform


def hash_card(card: Mapping[str, Any]) -> str:
    """Name a feature set by its content.

    Parameters
    ----------
    card : mapping
        As of `FeatureSet.card`.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    text = json.dumps(card, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def grouped_columns(card: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give feature names by family, also of a set that this version cannot compute.

    Parameters
    ----------
    card : mapping
        As of `FeatureSet.card`; one without parts has no families.

    Returns
    -------
    dict
        Group -> feature names.
    """
    groups: dict[str, list[str]] = {}
    for part in card.get("parts", ()):
        names = _feature_names(part["name"], part["contours"], part["functionals"])
        groups.setdefault(part["group"], []).extend(names)
    return groups
