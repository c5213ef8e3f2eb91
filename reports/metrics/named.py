"""Metrics that can be asked for by name, as in ``metrics.json``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

import reports.metrics.areas as areas
import reports.metrics.decisions as decided
import reports.metrics.ranking as ranking
import reports.metrics.reliability as reliability

Metric = Callable[..., np.ndarray]


@dataclass(frozen=True)
class NamedMetric:
    """One number over all labels, and how it is to be read.

    Attributes
    ----------
    title : str
        As it stands above a column.
    words : str
        As it stands in a sentence.
    of : {"decisions", "scores"}
        What it is a function of, beside the truth.
    function : callable
        ``function(truth, predicted, weights=...)``.
    single_label : callable or None
        Taken instead where every row has exactly one label.
    lower_is_better : bool
        Whether 0 is the best.
    """

    title: str
    words: str
    of: Literal["decisions", "scores"]
    function: Metric
    single_label: Metric | None = None
    lower_is_better: bool = False

    def function_for(self, task: str) -> Metric:
        """Return the function of a task.

        Parameters
        ----------
        task : {"single-label", "multi-label"}
            Whether every row has exactly one label.

        Returns
        -------
        callable
            ``function(truth, predicted, weights=...)``.
        """
        alone = self.single_label if task == "single-label" else None
        return alone or self.function


METRICS = {
    "macro_f1": NamedMetric("Macro F1", "macro F1", "decisions", decided.macro_f1),
    "micro_f1": NamedMetric("Micro F1", "micro F1", "decisions", decided.micro_f1),
    "micro_precision": NamedMetric(
        "Micro precision", "micro precision", "decisions", decided.micro_precision
    ),
    "micro_recall": NamedMetric("Micro recall", "micro recall", "decisions", decided.micro_recall),
    "samples_f1": NamedMetric("Samples F1", "samples F1", "decisions", decided.samples_f1),
    "accuracy": NamedMetric("Accuracy", "accuracy", "decisions", decided.accuracy),
    "hamming_loss": NamedMetric(
        "Hamming loss", "Hamming loss", "decisions", decided.hamming_loss, lower_is_better=True
    ),
    "map": NamedMetric("mAP", "mean average precision", "scores", areas.mean_average_precision),
    "lrap": NamedMetric("LRAP", "LRAP", "scores", ranking.lrap),
    "lwlrap": NamedMetric("lwlrap", "lwlrap", "scores", ranking.lwlrap),
    "map_at_3": NamedMetric("MAP@3", "MAP@3", "scores", ranking.map_at_3),
    "macro_roc_auc": NamedMetric("ROC AUC", "macro ROC AUC", "scores", areas.macro_roc_auc),
    "brier": NamedMetric("Brier", "Brier score", "scores", reliability.brier, lower_is_better=True),
    "ece": NamedMetric(
        "ECE",
        "expected calibration error",
        "scores",
        reliability.cell_ece,
        single_label=reliability.top_label_ece,
        lower_is_better=True,
    ),
}


def check_metrics(names: Iterable[str]) -> list[str]:
    """Return the names of metrics if all are known.

    Parameters
    ----------
    names : iterable of str
        Names out of `METRICS`; one given twice counts once.

    Returns
    -------
    list of str
        In the order given.

    Raises
    ------
    ValueError
        If there is none, or some are unknown; the message lists those that are known.

    Examples
    --------
    >>> check_metrics(["lwlrap", "macro_f1", "lwlrap"])
    ['lwlrap', 'macro_f1']
    """
    given = list(dict.fromkeys(names))
    unknown = [name for name in given if name not in METRICS]
    if unknown or not given:
        what = f"unknown {unknown}" if unknown else "none"
        raise ValueError(f"metrics must be among {', '.join(METRICS)}; got {what}")
    return given


def measure(
    name: str,
    truth: ArrayLike,
    *,
    scores: ArrayLike,
    decisions: ArrayLike,
    task: str,
    weights: ArrayLike | None = None,
) -> np.ndarray:
    """Return a metric by its name.

    Parameters
    ----------
    name : str
        One of `METRICS`.
    truth : array of shape (n_samples, n_labels)
        1, 0, or -1 for unknown.
    scores, decisions : array of shape (n_samples, n_labels)
        Probabilities, and what was decided from them.
    task : {"single-label", "multi-label"}
        Whether every row has exactly one label.
    weights : array of shape (n_samples,) or (n_boot, n_samples), optional
        How often each row counts.

    Returns
    -------
    float or array of shape (n_boot,)
        Its value.
    """
    metric = METRICS[name]
    predicted = decisions if metric.of == "decisions" else scores
    return metric.function_for(task)(truth, predicted, weights=weights)
