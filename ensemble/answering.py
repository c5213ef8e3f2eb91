"""What a fitted stack says of rows: scores of every model, calibration, decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted, validate_data

from classical.labels import check_labels
from ensemble.averages import Averages
from ensemble.calibration import Calibration
from ensemble.combination import Combination
from ensemble.cross_calibration import (
    CHOOSE,
    Calibrated,
    CalibrationSettings,
    apply_calibrations,
    check_calibration,
    cross_calibrate,
    describe_calibration,
    with_folds,
)
from ensemble.cross_fitting import fit_model_thresholds
from ensemble.final_estimators import FinalSettings
from ensemble.members import Member, ask_member
from ensemble.probabilities import average_over
from ensemble.scored_rows import Rows
from ensemble.thresholds import decide

if TYPE_CHECKING:
    from typing import Self


class AnsweringMixin:
    """The half of a stacking ensemble that needs no more than what `fit` left behind.

    See `ensemble.stacking.StackingEnsembleClassifier` for the attributes.
    """

    final_estimator: Any
    across_labels: bool
    stack_on: str
    members_: list[Member]
    named_estimators_: dict[str, list[Any]]
    final_estimators_: list[Any]
    averages_: Averages | None
    priors_: np.ndarray
    classes_: np.ndarray
    thresholds_: dict[str, np.ndarray] | None
    calibration: str | None
    random_state: int | None
    calibration_: dict[str, Calibration] | None
    calibration_card_: dict[str, Any] | None
    _multilabel: bool

    def _check_rows(self, X: Any, *, reset: bool) -> Any:
        """Check X without copying a DataFrame, whose clip column is no number."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        return validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")

    def _final_settings(self) -> FinalSettings:
        return FinalSettings(
            self.final_estimator, self._multilabel, self.across_labels, self.stack_on
        )

    def _calibration_settings(self, asked: str | None) -> CalibrationSettings | None:
        if check_calibration(asked) in (None, "none"):
            return None
        return CalibrationSettings(str(asked), self._multilabel, self.random_state or 0)

    def calibrate(self, X: Any, y: Any, groups: Any = None, parents: Any = None) -> Self:
        """Fit calibration and thresholds anew, on labelled rows that took no part in `fit`.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Validation rows, from other groups than the training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their labels, as in `fit`.
        groups : array-like of shape (n_samples,) or None
            As in `fit`; a calibration is chosen, and thresholds are fitted on scores calibrated,
            without the rows of the same group.
        parents : array-like of shape (n_samples,) or None
            As in `fit`.

        Returns
        -------
        StackingEnsembleClassifier
            Itself.

        Raises
        ------
        ValueError
            If `calibration` is unknown.

        Notes
        -----
        The calibration is the one that `calibration` asks for, the best if that is None; with
        ``"none"`` thresholds alone are fitted.
        """
        check_is_fitted(self)
        asked = self._calibration_settings(self.calibration or CHOOSE)
        self.calibration_ = None
        scores = self.score_models(X, parents)
        parents = _array(parents)
        groups = parents if groups is None else np.asarray(groups)
        rows = Rows(self._indicator(y), np.zeros(len(X)), groups, parents)
        if asked is not None:
            dealt = with_folds(rows, random_state=asked.random_state)
            rows, asked = (rows, None) if dealt is None else (dealt, asked)
        self._settle(scores, cross_calibrate(scores, rows, asked), rows, asked)
        return self

    def _settle(
        self,
        scores: dict[str, np.ndarray],
        calibrated: Calibrated,
        rows: Rows,
        asked: CalibrationSettings | None,
    ) -> None:
        """Keep calibrations, and fit thresholds on scores calibrated without their own fold."""
        self.calibration_, self.calibration_card_ = calibrated.fitted, None
        if asked is not None:
            self.calibration_card_ = describe_calibration(scores, calibrated, rows, asked)
        self.thresholds_ = None
        if self._multilabel:
            self.thresholds_ = fit_model_thresholds(calibrated.scores, rows)

    def _indicator(self, y: Any) -> np.ndarray:
        if self._multilabel:
            return np.asarray(check_labels(y).indicator)
        return (np.asarray(y)[:, None] == self.classes_).astype(np.int8)

    def score_models(self, X: Any, parents: Any = None) -> dict[str, np.ndarray]:
        """Give the probabilities of the stack and of all it is compared with.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Rows to score.
        parents : array-like of shape (n_samples,) or None
            The clip that each row is a window of; scores are averaged over its windows.

        Returns
        -------
        dict
            Name -> (n_samples, n_labels): as in ``oof_scores_``.
        """
        return self.pool_scores(self.score_rows(X), parents)

    def score_rows(self, X: Any) -> dict[str, np.ndarray]:
        """Give what `score_models` starts from: each row by itself, not yet calibrated.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        dict
            Name -> (n_samples, n_labels).
        """
        check_is_fitted(self)
        X = self._check_rows(X, reset=False)
        members = {
            member.name: ask_member(
                self.named_estimators_[member.name],
                member,
                X,
                self.classes_,
                multilabel=self._multilabel,
            )
            for member in self.members_
        }
        combination = Combination(
            self.final_estimators_, self.averages_, self.priors_, self._final_settings()
        )
        return combination.score(members)

    def pool_scores(
        self, scores: dict[str, np.ndarray], parents: Any = None
    ) -> dict[str, np.ndarray]:
        """Average scores over the windows of each clip, then calibrate: the order of `calibrate`.

        Parameters
        ----------
        scores : dict
            Name -> (n_samples, n_labels), of `score_rows`; all windows of a clip together.
        parents : array-like of shape (n_samples,) or None
            The clip that each row is a window of.

        Returns
        -------
        dict
            Name -> (n_samples, n_labels).
        """
        parents = None if parents is None else np.asarray(parents)
        averaged = {name: average_over(parents, values) for name, values in scores.items()}
        return apply_calibrations(averaged, self.calibration_)

    def decide_models(self, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Decide on scores of `score_models`.

        Parameters
        ----------
        scores : dict
            Name -> (n_samples, n_labels).

        Returns
        -------
        dict
            Name -> int8 (n_samples, n_labels).
        """
        thresholds = self.thresholds_
        return {
            name: decide(values, None if thresholds is None else thresholds[name])
            for name, values in scores.items()
        }

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give the stack's probabilities.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels)
            In the order of `classes_`; rows sum to one for single-label.
        """
        return self.score_models(X)["stack"]

    def predict(self, X: Any) -> np.ndarray:
        """Give the stack's decisions.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Rows to decide on.

        Returns
        -------
        np.ndarray of shape (n_samples,) or (n_samples, n_labels)
            Classes, or an indicator for multi-label.
        """
        scores = self.predict_proba(X)
        if self.thresholds_ is not None:
            # The type of scikit-learn's own indicators.
            return decide(scores, self.thresholds_["stack"]).astype(int)
        return self.classes_[scores.argmax(axis=1)]


def _array(values: Any) -> np.ndarray | None:
    return None if values is None else np.asarray(values)
