"""Which training rows an epoch takes, and how often.

An epoch has as many draws as there are rows. Each row is drawn as often as its weight says,
rounded up or down at random (systematic sampling [1]_): unlike independent draws, no class comes
short by bad luck. All is a function of the generator, and so of the seed and the epoch.

References
----------
.. [1] W. G. Madow and L. H. Madow, "On the theory of systematic sampling, I", Annals of
       Mathematical Statistics 15(1), 1944.
"""

from __future__ import annotations

import numpy as np

SAMPLING_CHOICES = ("all", "balanced")

Sampling = str | np.ndarray


def check_sampling(sampling: Sampling, *, n_samples: int) -> Sampling:
    """Give a choice of sampling that can be used.

    Parameters
    ----------
    sampling : "all", "balanced" or array-like of shape (n_samples,)
        Each row once; each class equally often; or the weight of each row.
    n_samples : int
        Number of rows.

    Returns
    -------
    str or np.ndarray of shape (n_samples,), float64
        The choice.

    Raises
    ------
    ValueError
        If it is another word, or the weights are not one each, finite, not negative and above
        zero in sum.
    """
    if isinstance(sampling, str):
        if sampling not in SAMPLING_CHOICES:
            raise ValueError(
                f"sampling must be one of {SAMPLING_CHOICES} or a weight for each clip, got "
                f"{sampling!r}"
            )
        return sampling
    weights = np.asarray(sampling, dtype=np.float64)
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sampling weights must be one for each of {n_samples} clips, got shape {weights.shape}"
        )
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any() or not weights.sum() > 0:
        raise ValueError(
            "sampling weights must be finite, not negative and not all zero, got "
            f"{bad.sum()} that are not and a sum of {weights[~bad].sum()}"
        )
    return weights


def rarest_labels(targets: np.ndarray) -> np.ndarray:
    """Find the label of each row that the fewest rows have.

    Parameters
    ----------
    targets : np.ndarray of shape (n_samples, n_classes)
        1 marks a label; see `deep.losses`.

    Returns
    -------
    np.ndarray of shape (n_samples,), int64
        Column of the label, the first of equals; ``n_classes`` for a row without any.
    """
    present = targets == 1
    counts = np.where(present, present.sum(axis=0), len(targets) + 1)
    return np.where(present.any(axis=1), counts.argmin(axis=1), targets.shape[1])


def balanced_sampling_weights(targets: np.ndarray) -> np.ndarray:
    """Weigh rows so that each class is drawn equally often.

    Parameters
    ----------
    targets : np.ndarray of shape (n_samples, n_classes)
        1 marks a label. Rows without any count as a class of their own.

    Returns
    -------
    np.ndarray of shape (n_samples,), float64
        1 / the number of rows with the row's rarest label. With one label a row all classes are
        drawn equally often; with several the frequent ones still come along with the rare.

    Examples
    --------
    >>> balanced_sampling_weights(np.array([[1, 0], [1, 0], [1, 1], [0, 0]])).tolist()
    [0.3333333333333333, 0.3333333333333333, 1.0, 1.0]
    """
    present = targets == 1
    counts = np.append(present.sum(axis=0), (~present.any(axis=1)).sum())
    return 1.0 / counts[rarest_labels(targets)]


def sample_rows(targets: np.ndarray, sampling: Sampling, rng: np.random.Generator) -> np.ndarray:
    """Draw the rows of an epoch.

    Parameters
    ----------
    targets : np.ndarray of shape (n_samples, n_classes)
        See `balanced_sampling_weights`.
    sampling : "all", "balanced" or np.ndarray of shape (n_samples,)
        See `check_sampling`.
    rng : np.random.Generator
        Source of the draws, made from the seed and the epoch.

    Returns
    -------
    np.ndarray of shape (n_samples,), int64
        Sorted rows, some of them repeatedly, some not at all; with ``"all"`` each once.
    """
    n_samples = len(targets)
    if isinstance(sampling, str) and sampling == "all":
        return np.arange(n_samples)
    weights = balanced_sampling_weights(targets) if isinstance(sampling, str) else sampling
    # Rows of a class side by side, so that its draws as a whole are rounded only once.
    order = rng.permutation(n_samples)
    order = order[np.argsort(rarest_labels(targets)[order], kind="stable")]
    ends = np.cumsum(weights[order]) * (n_samples / weights.sum())
    ends[-1] = n_samples
    draws = np.diff(np.floor(ends + rng.random()), prepend=0.0).astype(np.int64)
    return np.sort(np.repeat(order, draws))
