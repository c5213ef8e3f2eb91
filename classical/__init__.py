"""Feature table -> class probabilities: one-vs-rest machines, boosted and random trees."""

from classical.boosting import OneVsRestXGBClassifier
from classical.extra_trees import OneVsRestExtraTreesClassifier
from classical.labels import Labels, check_labels
from classical.logistic import OneVsRestLogisticClassifier
from classical.svm import OneVsRestSVMClassifier

__all__ = [
    "Labels",
    "OneVsRestExtraTreesClassifier",
    "OneVsRestLogisticClassifier",
    "OneVsRestSVMClassifier",
    "OneVsRestXGBClassifier",
    "check_labels",
]
