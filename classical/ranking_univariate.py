"""What one feature says alone: how much it varies, and how well it tells labels apart.

Conventions: every function looks at all features at once and returns one number for each, in the
order of the columns of `X`. Rows whose label is unknown take no part in the numbers of that label.
A constant feature varies by 0 and tells nothing; what is not defined is NaN.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from classical.labels import Labels

# Bins of equal counts: enough to follow a curve of two humps, few enough to hold some rows each.
MAX_BINS = 16
# A hundredth of the rows at each end may be outliers; the range between counts.
_TAIL = 0.01


def spread(X: np.ndarray) -> np.ndarray:
    """Return the interquartile range of each feature as a share of its range.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        Finite feature rows.

    Returns
    -------
    np.ndarray of shape (n_features,)
        From 0 (half of the rows or more share one value) to 1; 0.5 for values that are spread
        evenly, 0.29 for a normal distribution.

    Notes
    -----
    ``(q75 - q25) / (q99 - q01)``. Unlike the variance it has no unit, and unlike the coefficient of
    variation it needs no natural zero: it stays the same under ``a * x + b``.

    Examples
    --------
    >>> even = np.linspace(0, 1, 101)
    >>> spread(np.column_stack([even, 1000 * even - 7, np.ones(101)])).round(2).tolist()
    [0.51, 0.51, 0.0]
    """
    low, quarter, three_quarters, high = np.quantile(
        X, [_TAIL, 0.25, 0.75, 1 - _TAIL], axis=0
    ).astype(np.float64)
    width = high - low
    return np.divide(three_quarters - quarter, width, out=np.zeros_like(width), where=width > 0)


def coefficient_of_variation(X: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each feature relative to its mean.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        Finite feature rows.

    Returns
    -------
    np.ndarray of shape (n_features,)
        NaN for a feature with values of both signs or nothing but zeros: its zero is no end of the
        scale, so the ratio would say nothing.

    Examples
    --------
    >>> coefficient_of_variation(np.array([[1.0, -1.0], [3.0, 1.0]]))
    array([0.5, nan])
    """
    mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    one_sided = ((X.min(axis=0) >= 0) | (X.max(axis=0) <= 0)) & (mean != 0)
    return np.divide(deviation, np.abs(mean), out=np.full_like(mean, np.nan), where=one_sided)


def anova_f(X: np.ndarray, labels: Labels) -> np.ndarray:
    """Return the F value of a one-way analysis of variance of each feature.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        Finite feature rows.
    labels : Labels
        Checked labels.

    Returns
    -------
    np.ndarray of shape (n_features,)
        Single-label: between all classes. Multi-label: between the rows with and without a label,
        mean over the labels that have both.

    Notes
    -----
    Variance between classes over variance within, each by its degrees of freedom. Infinite where
    values do not vary within a class.
    """
    # Sums of squares of small numbers: the mean would cost their last digits.
    X = X - X.mean(axis=0, dtype=np.float64)
    if not labels.multilabel:
        return _f_values(X, labels.indicator == 1)
    of_labels = [
        _f_values(X[target >= 0], np.column_stack([target == 0, target == 1])[target >= 0])
        for target in labels.indicator.T
    ]
    return mean_defined(np.array(of_labels), axis=0)


def _f_values(X: np.ndarray, members: np.ndarray) -> np.ndarray:
    sizes = members.sum(axis=0)
    members, sizes = members[:, sizes > 0], sizes[sizes > 0]
    within_df, between_df = len(X) - len(sizes), len(sizes) - 1
    if between_df < 1 or within_df < 1:
        return np.full(X.shape[1], np.nan)
    varies = X.max(axis=0) > X.min(axis=0)
    X = X - X.mean(axis=0)
    sums = members.T.astype(np.float64) @ X
    between = (sums**2 / sizes[:, None]).sum(axis=0)
    within = np.maximum((X**2).sum(axis=0) - between, 0.0)
    # What is left of equal values after subtraction is rounding.
    within[within <= 1e-12 * between] = 0.0
    f_values = np.where(varies, np.inf, 0.0)
    return np.divide(
        between / between_df, within / within_df, out=f_values, where=varies & (within > 0)
    )


def mutual_information(X: np.ndarray, labels: Labels) -> np.ndarray:
    """Return how many bits each feature tells about the labels.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        Finite feature rows.
    labels : Labels
        Checked labels.

    Returns
    -------
    np.ndarray of shape (n_features,)
        Single-label: about the class. Multi-label: about a label, mean over the labels that have
        rows with and without. Not negative.

    Notes
    -----
    Values are sorted into bins of equal counts, as many as the cube root of the number of rows but
    at most `MAX_BINS`. A table of r bins and c classes loses ``(r - 1) * (c - 1) / (2 * n)`` nats,
    the mean of what n independent rows would show: ``2 * n`` times the information is Wilks's
    statistic G, whose mean is its degrees of freedom.

    Examples
    --------
    >>> from classical.labels import check_labels
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> mutual_information(X, check_labels(["flute"] * 50 + ["cello"] * 50)).round(2)
    array([0.99])
    """
    target = labels.indicator
    states = [target == 1, target == 0] if labels.multilabel else [target == 1]
    counted = np.stack(states, axis=-1).astype(np.float64)
    if not labels.multilabel:
        # One table of bins by classes, in place of one of bins by two for each label.
        counted = counted.transpose(0, 2, 1)
    n_samples, n_tables, n_states = counted.shape
    flat = counted.reshape(n_samples, -1)
    n_bins = int(np.clip(round(n_samples ** (1 / 3)), 2, MAX_BINS))
    shares = np.linspace(0, 1, n_bins + 1)[1:-1]
    bits = np.empty(X.shape[1])
    for feature, values in enumerate(X.T):
        edges = np.unique(np.quantile(values, shares, method="lower"))
        bins = np.searchsorted(edges, values, side="left")
        of_bin = np.eye(len(edges) + 1)[bins]
        tables = (of_bin.T @ flat).reshape(-1, n_tables, n_states).transpose(1, 0, 2)
        bits[feature] = mean_defined(np.array([_shared_bits(table) for table in tables]), axis=0)
    return bits


def _shared_bits(table: np.ndarray) -> float:
    """Return the mutual information of the rows and columns of a table of counts."""
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    if table.shape[1] < 2:
        return np.nan
    parts = _entropy_nats(table.sum(axis=1)) + _entropy_nats(table.sum(axis=0))
    by_chance = (table.shape[0] - 1) * (table.shape[1] - 1) / (2 * table.sum())
    return max(parts - _entropy_nats(table.ravel()) - by_chance, 0.0) / np.log(2)


def _entropy_nats(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def roc_auc(X: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of each feature for each label.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        Finite feature rows.
    targets : np.ndarray of shape (n_samples, n_labels)
        1 present, 0 absent, -1 unknown.

    Returns
    -------
    np.ndarray of shape (n_features, n_labels)
        How often a row with the label has a higher value than one without; ties count one half.
        NaN for a label without both.

    Examples
    --------
    >>> roc_auc(np.array([[1.0], [2.0], [3.0], [9.0]]), np.array([[0], [1], [1], [-1]]))
    array([[1.]])
    """
    areas = np.full((X.shape[1], targets.shape[1]), np.nan)
    masks, mask_of_label = np.unique(targets >= 0, axis=1, return_inverse=True)
    for number, known in enumerate(masks.T):
        # Labels that are known for the same rows share the ranks, which cost the most.
        among = np.flatnonzero(mask_of_label.ravel() == number)
        present = (targets[np.ix_(known, among)] == 1).astype(np.float64)
        n_present = present.sum(axis=0)
        n_pairs = n_present * (len(present) - n_present)
        if not n_pairs.any():
            continue
        ranks = rankdata(X[known], axis=0)
        above = ranks.T @ present - n_present * (n_present + 1) / 2
        areas[:, among] = np.divide(
            above, n_pairs, out=np.full_like(above, np.nan), where=n_pairs > 0
        )
    return areas


def mean_defined(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Return the mean of what is not NaN.

    Parameters
    ----------
    values : np.ndarray
        Numbers, NaN where there is none.
    axis : int
        Along which to take it.

    Returns
    -------
    np.ndarray
        NaN where there is nothing to take it of.
    """
    defined = ~np.isnan(values)
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
