"""Members to stack, thresholds, bundle and prediction."""

from ensemble.bundle import Bundle, load_bundle, save_bundle
from ensemble.evaluation import evaluate_bundle
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.prediction import Prediction, predict_clips
from ensemble.stacking import StackingEnsembleClassifier

__all__ = [
    "Bundle",
    "Member",
    "Prediction",
    "StackingEnsembleClassifier",
    "evaluate_bundle",
    "fit_bundle",
    "load_bundle",
    "predict_clips",
    "save_bundle",
]
