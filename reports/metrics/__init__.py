"""Scores of decisions and probabilities against the truth, as pure functions of arrays.

Conventions
-----------
Truth, decisions and scores have the shape (n_samples, n_labels). Truth is 1, 0 or -1; cells of -1
(never annotated) are ignored, also inside a row's own score. One-hot rows mean single-label.

``weights`` count how often each row stands in the sample: None for once each, one vector of shape
(n_samples,), or, for a bootstrap, (n_boot, n_samples), which adds a leading axis to the answer.

What is undefined is NaN, never a made-up number: everything about a label without a positive row,
precision where nothing was decided. Averages over labels (macro) are over the defined ones.
"""

from reports.metrics.areas import (
    average_precision,
    macro_roc_auc,
    mean_average_precision,
    ranking_areas,
    roc_auc,
)
from reports.metrics.decisions import (
    accuracy,
    cooccurrence,
    f1,
    hamming_loss,
    macro_f1,
    micro_f1,
    micro_precision,
    micro_recall,
    precision,
    recall,
    samples_f1,
)
from reports.metrics.named import METRICS, NamedMetric, check_metrics, measure
from reports.metrics.ranking import label_lwlrap, lrap, lwlrap, map_at_3, map_at_k
from reports.metrics.reliability import (
    Bins,
    brier,
    cell_ece,
    label_brier,
    label_ece,
    reliability_bins,
    top_label_ece,
)
from reports.metrics.weighted import defined_mean

__all__ = [
    "METRICS",
    "Bins",
    "NamedMetric",
    "accuracy",
    "average_precision",
    "brier",
    "cell_ece",
    "check_metrics",
    "cooccurrence",
    "defined_mean",
    "f1",
    "hamming_loss",
    "label_brier",
    "label_ece",
    "label_lwlrap",
    "lrap",
    "lwlrap",
    "macro_f1",
    "macro_roc_auc",
    "map_at_3",
    "map_at_k",
    "mean_average_precision",
    "measure",
    "micro_f1",
    "micro_precision",
    "micro_recall",
    "precision",
    "ranking_areas",
    "recall",
    "reliability_bins",
    "roc_auc",
    "samples_f1",
    "top_label_ece",
]
