"""openSMILE's standard sets, by the optional package `opensmile`, behind a feature set's interface.

Conventions: columns have openSMILE's own names, which are the contract. What else differs from our
own descriptors is said in the notes of `OpenSmileSet`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np

from features.feature_set import check_waveform, hash_card
from features.level import Level, measure_level

# Raise it when what is done to a clip before openSMILE sees it changes: it is part of the digest.
REVISION = 1

SR = 16_000

GROUP = "opensmile"

# The longest of the sets' frames, 60 ms: of less, openSMILE says nothing.
SHORTEST = 960

# openSMILE takes a clip in one piece and needs some ten times its memory: a gigabyte for this.
LONGEST_S = 1800

# The largest 16-bit sample: one more turns into the most negative.
FULL_SCALE = 1.0 - 2.0**-15


def _import_opensmile(name: str) -> Any:
    try:
        import opensmile
    except ImportError as exc:
        raise ImportError(
            f"feature set {name!r} needs the package opensmile, which is not installed: "
            'pip install "timbrestack[opensmile]"'
        ) from exc
    return opensmile


@cache
def _create_extractor(name: str, config: str) -> Any:
    opensmile = _import_opensmile(name)
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[config],
        feature_level=opensmile.FeatureLevel.Functionals,
    )


@dataclass(frozen=True)
class OpenSmileSet:
    """One of openSMILE's sets: a recipe from a waveform to one row of float32 numbers.

    Parameters
    ----------
    name : str
        Name with version.
    config : str
        openSMILE's name of it, which stands for a frozen configuration.
    n_features : int
        Number of columns.
    summary : str
        What it is for, in a line.

    See Also
    --------
    features.feature_set.FeatureSet : The same interface, for descriptors of our own.

    Notes
    -----
    Clips are taken at 16 kHz, as openSMILE's authors advise; at another rate the same names hold
    other numbers. The level is heard: a clip at a tenth of the gain gives another row. openSMILE
    reads 16-bit samples, so what lies beyond full scale is clipped, as in a 16-bit file. A clip
    of less than 60 ms is filled with zeros, one of more than half an hour refused.

    The package is an extra, ``pip install "timbrestack[opensmile]"``. It has a licence of its own,
    which rules out commercial products.

    References
    ----------
    Eyben, F. et al. (2010). openSMILE: the Munich versatile and fast open-source audio feature
    extractor. ACM International Conference on Multimedia.

    Eyben, F. et al. (2016). The Geneva minimalistic acoustic parameter set (GeMAPS) for voice
    research and affective computing. IEEE Transactions on Affective Computing 7(2).

    Schuller, B. et al. (2016). The INTERSPEECH 2016 computational paralinguistics challenge:
    deception, sincerity and native language. Interspeech.
    """

    name: str
    config: str
    n_features: int
    summary: str = ""

    sr: ClassVar[int] = SR

    @cached_property
    def feature_names(self) -> list[str]:
        """Names of the columns, which are openSMILE's."""
        names = list(_create_extractor(self.name, self.config).feature_names)
        if len(names) != self.n_features:
            raise ValueError(
                f"{self.name!r} has {self.n_features} features, openSMILE {version('opensmile')} "
                f"gives {len(names)}: install the version of constraints.txt"
            )
        return names

    @property
    def groups(self) -> dict[str, list[str]]:
        """Feature names by family: there is one."""
        return {GROUP: self.feature_names}

    @property
    def n_by_group(self) -> dict[str, int]:
        """Number of features by family, known without the package."""
        return {GROUP: self.n_features}

    def library_versions(self) -> dict[str, str]:
        """Name the library that the numbers come from.

        Returns
        -------
        dict
            Package -> version.
        """
        _import_opensmile(self.name)
        return {"opensmile": version("opensmile")}

    def card(self) -> dict[str, Any]:
        """Describe all that the numbers depend on but the library's version.

        Returns
        -------
        dict
            JSON-able.
        """
        return {
            "name": self.name,
            "revision": REVISION,
            "engine": "opensmile",
            "config": self.config,
            "functionals": True,
            "sr": self.sr,
            "channels": "mean",
            "level": "as recorded",
            "shortest": SHORTEST,
            "n_features": self.n_features,
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
            One channel at 16 kHz between -1 and 1, at least one sample. Its level matters.

        Returns
        -------
        np.ndarray of shape (n_features,), float32
            Finite numbers, also for silence. A clip of less than 60 ms is filled with zeros.

        Raises
        ------
        ValueError
            If the waveform is not a non-empty, one-dimensional, finite array of numbers.
        ImportError
            If the package is not installed.
        """
        waveform = np.asarray(check_waveform(waveform), dtype=np.float32)
        measure_level([waveform])
        clipped = np.zeros(max(len(waveform), SHORTEST), dtype=np.float32)
        np.clip(waveform, -FULL_SCALE, FULL_SCALE, out=clipped[: len(waveform)])
        row = _create_extractor(self.name, self.config)(clipped, self.sr)
        return np.asarray(row, dtype=np.float32).ravel()

    def compute_stream(self, pieces: Iterable[np.ndarray], level: Level) -> np.ndarray:
        """Compute the features of a clip that comes in pieces, up to half an hour.

        Parameters
        ----------
        pieces : iterable of np.ndarray of shape (n,), float32
            The clip at 16 kHz, from the beginning.
        level : Level
            Of the whole clip: see `features.level.measure_level`.

        Returns
        -------
        np.ndarray of shape (n_features,), float32
            What `compute` gives of the whole.

        Raises
        ------
        ValueError
            If the clip is longer: openSMILE takes it in one piece.
        """
        seconds = level.n_timepoints / self.sr
        if seconds > LONGEST_S:
            raise ValueError(
                f"openSMILE takes a clip in one piece, of at most {LONGEST_S} s, got {seconds:.0f} "
                "s; give start_s and end_s in a manifest to cut it"
            )
        return self.compute(np.concatenate(list(pieces)))


OPENSMILE_SETS = {
    "opensmile-egemaps-v02": OpenSmileSet(
        "opensmile-egemaps-v02",
        "eGeMAPSv02",
        88,
        "The Geneva minimalistic set for voice (eGeMAPS v02), by the package opensmile.",
    ),
    "opensmile-compare-2016": OpenSmileSet(
        "opensmile-compare-2016",
        "ComParE_2016",
        6373,
        "The brute-force set of the ComParE challenges since 2013, by the package opensmile.",
    ),
}
