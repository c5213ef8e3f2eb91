"""Decision thresholds for multi-label scores.

Conventions: a label is decided present where its score is at least its threshold. Thresholds are
to be fitted on scores of rows that no model was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.metrics.named import METRICS

# Groups with the label at which its own threshold and the one of all labels count the same: below
# some thirty positives the best cut of one label is mostly chance, and clips of one song are hardly
# more than one positive. Of calibrated scores of 8 labels, 60 to 1,000 rows, 10 gave within 0.004
# the highest macro F1 on fresh rows of all of 0, 1, 3, 10, 30, 100; none at all lost up to 0.018.
SHRINKAGE = 10.0

# Metrics of `reports.metrics` that thresholds can be fitted for.
OBJECTIVES = ("macro_f1", "micro_f1", "samples_f1")

# Shared thresholds that are tried: between two of them lie 0.2 % of the scores.
MAX_TRIED = 512


def fit_thresholds(
    y_true: np.ndarray,
    scores: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    shrinkage: float = SHRINKAGE,
    objective: str = "macro_f1",
    shared: bool = False,
) -> np.ndarray:
    """Find the threshold of each label that serves a metric best, shrunk towards a common one.

    Parameters
    ----------
    y_true : np.ndarray of shape (n_samples, n_labels), int
        1 present, 0 absent, -1 unknown (left out).
    scores : np.ndarray of shape (n_samples, n_labels)
        Out-of-fold probabilities.
    groups : np.ndarray of shape (n_samples,) or None
        Rows of one group count as one; None means that every row stands alone.
    shrinkage : float
        A label with this many positives lies half way between its own best threshold and the one
        that is best for all labels pooled; 0 keeps its own.
    objective : {"macro_f1", "micro_f1", "samples_f1"}
        What is to be high: each label's own F1, F1 of all cells pooled, or the mean F1 of rows, for
        which all labels share one threshold, as none can be judged apart from the others.
    shared : bool
        Whether all labels share one threshold: the least that can be learnt by heart.

    Returns
    -------
    np.ndarray of shape (n_labels,)
        In [0, 1]; 0.5 for all if there is no positive at all.

    Raises
    ------
    ValueError
        If the objective is unknown.

    References
    ----------
    W. Dinkelbach, On nonlinear fractional programming, Management Science 13, 1967: how micro F1,
    a ratio of sums over labels, is maximised label by label.

    Examples
    --------
    >>> y_true = np.array([[1], [1], [0], [0]])
    >>> fit_thresholds(y_true, np.array([[0.4], [0.3], [0.2], [0.1]])).tolist()
    [0.25]
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective must be one of {OBJECTIVES}, got {objective!r}")
    known = y_true >= 0
    common = _best_threshold(y_true[known], scores[known])
    if common is None:
        return np.full(scores.shape[1], 0.5)
    if shared or objective == "samples_f1":
        cut = common if objective == "micro_f1" else _best_shared(y_true, scores, objective)
        return np.full(scores.shape[1], cut)
    columns = [(y_true[rows, label], scores[rows, label]) for label, rows in enumerate(known.T)]
    if objective == "micro_f1":
        own = _best_together(columns, common)
    else:
        own = [_best_threshold(truth, values) for truth, values in columns]
    thresholds = np.empty(scores.shape[1])
    for label, best in enumerate(own):
        positive = y_true[:, label] == 1
        n_positives = positive.sum() if groups is None else len(np.unique(groups[positive]))
        weight = (
            n_positives / (n_positives + shrinkage) if n_positives and best is not None else 0.0
        )
        thresholds[label] = weight * (best or 0.0) + (1.0 - weight) * common
    return thresholds


def _best_threshold(truth: np.ndarray, scores: np.ndarray) -> float | None:
    """Threshold of highest F1, half way between two neighbouring scores; None without positives."""
    if not (truth == 1).any():
        return None
    ranked, hits, is_cut = _rank(truth, scores)
    f1 = 2.0 * hits / (np.arange(1, len(ranked) + 1) + hits[-1])
    return _cut_after(ranked, int(np.flatnonzero(is_cut)[f1[is_cut].argmax()]))


def _best_together(
    columns: Sequence[tuple[np.ndarray, np.ndarray]], start: float
) -> list[float | None]:
    """Thresholds of highest micro F1: each label gains 2 hits - F1 decided, F1 being their own."""
    n_positives = sum((truth == 1).sum() for truth, _ in columns)
    ranked = [_rank(truth, scores) for truth, scores in columns]
    chosen = [int((scores >= start).sum()) - 1 for _, scores in columns]
    f1 = 0.0
    while True:
        hits = sum(column[1][k] for column, k in zip(ranked, chosen, strict=True) if k >= 0)
        now = 2.0 * hits / (sum(k + 1 for k in chosen) + n_positives)
        # It rises with each round until it stays.
        if now <= f1:
            break
        f1 = now
        chosen = [_best_cut(hits, is_cut, f1) for _, hits, is_cut in ranked]
    return [
        _cut_after(column[0], k) if len(column[0]) else None
        for column, k in zip(ranked, chosen, strict=True)
    ]


def _best_cut(hits: np.ndarray, is_cut: np.ndarray, f1: float) -> int:
    """Give the last rank to be decided present, -1 for none."""
    gains = np.where(is_cut, 2.0 * hits - f1 * np.arange(1, len(hits) + 1), -np.inf)
    return int(gains.argmax()) if len(gains) and gains.max() > 0 else -1


def _best_shared(y_true: np.ndarray, scores: np.ndarray, objective: str) -> float:
    """One threshold for all labels, tried at the quantiles of scores that cuts may fall between."""
    measured = METRICS[objective].function
    values = np.unique(scores[y_true >= 0])
    edges = np.append(0.0, (values[1:] + values[:-1]) / 2.0)
    tried = edges[np.unique(np.linspace(0, len(edges) - 1, MAX_TRIED).round().astype(int))]
    reached = [float(measured(y_true, (scores >= cut).astype(np.int8))) for cut in tried]
    # The highest among equals, which decides least.
    return float(tried[len(tried) - 1 - int(np.argmax(reached[::-1]))])


def _rank(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give scores from the highest, hits down to each, and where a cut may fall."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    # A cut may only fall between different scores, or below the last one.
    is_cut = np.append(ranked[1:] < ranked[:-1], True)[: len(ranked)]
    return ranked, np.cumsum(truth[order] == 1), is_cut


def _cut_after(ranked: np.ndarray, last: int) -> float:
    above = ranked[last] if last >= 0 else 1.0
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((above + below) / 2.0)


def decide(scores: np.ndarray, thresholds: np.ndarray | None) -> np.ndarray:
    """Turn scores into decisions.

    Parameters
    ----------
    scores : np.ndarray of shape (n_samples, n_labels)
        Probabilities.
    thresholds : np.ndarray of shape (n_labels,) or None
        For multi-label; None decides for the one highest score of each row.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels), int8
        1 where a label is decided present.
    """
    if thresholds is not None:
        return (scores >= thresholds).astype(np.int8)
    decisions = np.zeros(scores.shape, dtype=np.int8)
    decisions[np.arange(len(scores)), scores.argmax(axis=1)] = 1
    return decisions
