"""Feature table -> class probabilities: one-vs-rest support vector machines and boosted trees."""

from classical.boosting import OneVsRestXGBClassifier
from classical.labels import Labels, check_labels
from classical.svm import OneVsRestSVMClassifier

__all__ = ["Labels", "OneVsRestSVMClassifier", "OneVsRestXGBClassifier", "check_labels"]
