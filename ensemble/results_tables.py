"""Arrays of scores to the long tables of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

# More components than this change no map that people look at.
MAX_COMPONENTS = 50


def score_frame(
    values: Mapping[str, np.ndarray],
    classes: Sequence[str],
    clip_ids: np.ndarray,
    *,
    stage: str,
    dtype: type,
) -> pd.DataFrame:
    """Stack the scores or decisions of several models.

    Parameters
    ----------
    values : mapping
        Model -> (n_samples, n_labels).
    classes : sequence of str
        The columns.
    clip_ids : np.ndarray of shape (n_samples,)
        The rows.
    stage : str
        ``"oof"`` or ``"test"``.
    dtype : type
        Of the values.

    Returns
    -------
    pd.DataFrame
        Columns `model`, `stage`, `clip_id`, then one a class.
    """
    frames = []
    for name, array in values.items():
        frame = pd.DataFrame(array.astype(dtype), columns=list(classes))
        frame.insert(0, "model", name)
        frame.insert(1, "stage", stage)
        frame.insert(2, "clip_id", clip_ids)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def component_frame(values: np.ndarray, clip_ids: np.ndarray, *, view: str) -> pd.DataFrame:
    """Give the first principal components of standardised rows.

    Parameters
    ----------
    values : np.ndarray of shape (n_samples, n_columns)
        Features or embeddings.
    clip_ids : np.ndarray of shape (n_samples,)
        The rows.
    view : str
        Name of what is shown.

    Returns
    -------
    pd.DataFrame
        Columns `view`, `clip_id`, `pc_00` ... (at most 50).
    """
    n_components = min(MAX_COMPONENTS, *values.shape)
    scaled = StandardScaler().fit_transform(values.astype(float))
    components = PCA(n_components, svd_solver="full").fit_transform(scaled).astype(np.float32)
    frame = pd.DataFrame(components, columns=[f"pc_{i:02d}" for i in range(n_components)])
    frame.insert(0, "view", view)
    frame.insert(1, "clip_id", clip_ids)
    return frame
