"""Feature table -> class probabilities, by one-vs-rest machines and trees; feature ranking."""

from classical.boosting import OneVsRestXGBClassifier
from classical.extra_trees import OneVsRestExtraTreesClassifier
from classical.labels import Labels, check_labels
from classical.logistic import OneVsRestLogisticClassifier
from classical.ranking import rank_features
from classical.ranking_table import FeatureRanking
from classical.selection import RankingSelector
from classical.svm import OneVsRestSVMClassifier

__all__ = [
    "FeatureRanking",
    "Labels",
    "OneVsRestExtraTreesClassifier",
    "OneVsRestLogisticClassifier",
    "OneVsRestSVMClassifier",
    "OneVsRestXGBClassifier",
    "RankingSelector",
    "check_labels",
    "rank_features",
]
