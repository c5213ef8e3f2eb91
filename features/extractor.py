"""AudioFeatureExtractor: clips in, one row of features per clip out, as scikit-learn expects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from features.audio import Clip, load_clip
from features.named_sets import AnyFeatureSet, get_feature_set


class AudioFeatureExtractor(TransformerMixin, BaseEstimator):
    """Turn clips into the rows of a feature set; nothing is learned.

    Parameters
    ----------
    feature_set : str, FeatureSet or OpenSmileSet
        Name of a set (several joined by ``+``), or a set.
    source_sr : int or None
        Rate in Hz of clips given as arrays; None means the feature set's. Files know their own.
    n_jobs : int or None
        Number of processes; None means 1 unless in a `joblib.parallel_config` context, -1 all
        cores. The numbers do not depend on it.

    See Also
    --------
    features.feature_set.FeatureSet : What the columns are.
    features.composition.compose_feature_set : Sets of one's own.

    Examples
    --------
    >>> import numpy as np
    >>> clips = [np.sin(np.arange(n) / 10) for n in (8000, 22050)]
    >>> AudioFeatureExtractor("compact-v1").fit_transform(clips).shape
    (2, 28)
    """

    def __init__(
        self,
        feature_set: str | AnyFeatureSet = "standard-v1",
        *,
        source_sr: int | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.feature_set = feature_set
        self.source_sr = source_sr
        self.n_jobs = n_jobs

    def fit(self, X: object = None, y: object = None) -> AudioFeatureExtractor:
        """Check the parameters.

        Parameters
        ----------
        X, y : object
            Not looked at.

        Returns
        -------
        AudioFeatureExtractor
            Itself.

        Raises
        ------
        ValueError
            If the feature set is unknown.
        """
        self._resolve_feature_set()
        return self

    def transform(
        self, X: Sequence[Clip | str | PathLike[str] | np.ndarray] | np.ndarray | pd.DataFrame
    ) -> np.ndarray:
        """Compute the features of each clip.

        Parameters
        ----------
        X : sequence, object array or one-column DataFrame of n_samples clips
            Each a `Clip`, the path of a file, or a waveform of shape (n_timepoints,).

        Returns
        -------
        np.ndarray of shape (n_samples, n_features), float32
            One row per clip, in order.

        Raises
        ------
        ValueError
            If `X` is not a column of clips, a waveform is empty or not finite, or (as
            `AudioDecodeError`) a file cannot be decoded.
        TypeError
            If an element is none of the kinds above.
        """
        feature_set = self._resolve_feature_set()
        clips = _as_list(X)
        rows = Parallel(n_jobs=self.n_jobs)(
            delayed(_compute_row)(feature_set, clip, self.source_sr, k)
            for k, clip in enumerate(clips)
        )
        return np.array(rows, dtype=np.float32).reshape(len(clips), feature_set.n_features)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Name the columns.

        Parameters
        ----------
        input_features : object
            Not looked at.

        Returns
        -------
        np.ndarray of shape (n_features,), object
            Names such as ``"mfcc_03_mean"``.
        """
        return np.array(self._resolve_feature_set().feature_names, dtype=object)

    def _resolve_feature_set(self) -> AnyFeatureSet:
        if isinstance(self.feature_set, str):
            return get_feature_set(self.feature_set)
        return self.feature_set

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


def _as_list(X: object) -> list:
    """Give the clips of one column."""
    if isinstance(X, str | bytes | PathLike | Clip) or not isinstance(X, Iterable):
        raise ValueError(f"X must be a sequence of clips, got one {type(X).__name__}: use [clip]")
    if isinstance(X, pd.DataFrame):
        X = X.to_numpy(dtype=object)
    if isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 2:
        if X.shape[1] != 1:
            raise ValueError(f"X must have one column of clips, got {X.shape[1]} columns")
        X = X[:, 0]
    if isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "fiu":
        raise ValueError(
            f"X must be a sequence of clips, got one waveform of {len(X)} samples: use [waveform]"
        )
    return list(X)


def _compute_row(
    feature_set: AnyFeatureSet,
    clip: Clip | str | PathLike[str] | np.ndarray,
    source_sr: int | None,
    position: int,
) -> np.ndarray:
    try:
        return feature_set.compute(load_clip(clip, sr=feature_set.sr, source_sr=source_sr))
    except (TypeError, ValueError) as exc:
        exc.add_note(f"while extracting features of clip {position}")
        raise
