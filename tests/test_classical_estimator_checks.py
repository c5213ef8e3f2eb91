"""All classifiers obey scikit-learn's laws."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from classical import (
    OneVsRestExtraTreesClassifier,
    OneVsRestLogisticClassifier,
    OneVsRestSVMClassifier,
    OneVsRestXGBClassifier,
)

ESTIMATORS = [
    OneVsRestSVMClassifier(random_state=0),
    # Every fit of more than a few rows is approximate.
    OneVsRestSVMClassifier(max_exact_rows=2, random_state=0),
    # The check of repeated rows compares predictions of 15 rows exactly: leaves must be small
    # enough that no two classes tie.
    OneVsRestXGBClassifier(
        30,
        learning_rate=0.3,
        subsample=1.0,
        colsample_bytree=1.0,
        min_child_weight=0.01,
        reg_lambda=0.1,
        random_state=0,
    ),
    OneVsRestLogisticClassifier(random_state=0),
    OneVsRestExtraTreesClassifier(20, random_state=0),
]

IN_SEVERAL_FOLDS = (
    "sigmoids are fitted over inner folds: copies of a row may lie in several folds, a row of "
    "larger weight lies in one"
)
WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
EXPECTED_FAILURES = {
    OneVsRestSVMClassifier: {WEIGHTS: IN_SEVERAL_FOLDS},
    OneVsRestLogisticClassifier: {WEIGHTS: IN_SEVERAL_FOLDS},
    OneVsRestExtraTreesClassifier: {
        WEIGHTS: (
            "trees draw groups, and without groups rows: copies of a row are drawn one by one, a "
            "row of larger weight is drawn whole"
        )
    },
}


@pytest.mark.filterwarnings("ignore:class .* its probability will be:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED_FAILURES.get(type(estimator), {})
)
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)
