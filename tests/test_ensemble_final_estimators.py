"""The stack beside scikit-learn's, and beside hand computation where scikit-learn cannot follow."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, TimeSeriesSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from classical.svm import OneVsRestSVMClassifier
from ensemble.final_estimators import FinalSettings, fit_finals, score_finals
from ensemble.probabilities import to_logits
from ensemble.stacking import StackingEnsembleClassifier


def estimators():
    return [
        ("logistic", LogisticRegression(max_iter=500)),
        ("bayes", GaussianNB()),
        ("forest", RandomForestClassifier(10, random_state=0)),
    ]


def data(n_classes):
    X, y = make_classification(
        180, n_features=8, n_informative=5, n_classes=n_classes, class_sep=0.7, random_state=1
    )
    return X[:120], np.array(["cello", "flute", "organ", "viola"])[y[:120]], X[120:]


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize(
    "final",
    [LogisticRegression(C=0.5, max_iter=500), DecisionTreeClassifier(max_depth=3, random_state=0)],
    ids=["logistic", "tree"],
)
@pytest.mark.parametrize(
    "cv",
    [StratifiedKFold(4), KFold(3, shuffle=True, random_state=7)],
    ids=["stratified", "shuffled"],
)
def test_it_equals_scikit_learns_stack_where_both_can_do_the_job(n_classes, final, cv):
    X, y, unseen = data(n_classes)
    ours = StackingEnsembleClassifier(
        [(*each, None) for each in estimators()],
        final,
        across_labels=True,
        stack_on="probabilities",
        cv=cv,
    ).fit(X, y)
    theirs = StackingClassifier(estimators(), final, cv=cv, stack_method="predict_proba").fit(X, y)
    for rows in (X, unseen):
        np.testing.assert_allclose(
            ours.predict_proba(rows), theirs.predict_proba(rows), rtol=0, atol=1e-10
        )
        np.testing.assert_array_equal(ours.predict(rows), theirs.predict(rows))


def test_its_cross_fitted_score_is_that_of_scikit_learns_final_estimator_on_the_other_folds():
    X, y, _ = data(3)
    stack = StackingEnsembleClassifier(
        [(*each, None) for each in estimators()], across_labels=True, stack_on="probabilities",
        cv=StratifiedKFold(3),
    ).fit(X, y)  # fmt: skip
    seen = np.hstack([stack.oof_scores_[name] for name, _ in estimators()])
    for fold in range(3):
        out = stack.folds_ == fold
        final = LogisticRegression(max_iter=1000).fit(seen[~out], y[~out])
        np.testing.assert_allclose(
            stack.oof_scores_["stack"][out], final.predict_proba(seen[out]), atol=1e-10
        )


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (ShuffleSplit(3, test_size=0.5, random_state=0), "hold out each row once"),
        (TimeSeriesSplit(3), "fit each fold on all other rows"),
    ],
    ids=["random-parts", "past-only"],
)
def test_a_splitter_that_does_not_share_the_rows_out_is_refused(cv, message):
    X, y, _ = data(2)
    with pytest.raises(ValueError, match=message):
        StackingEnsembleClassifier([("bayes", GaussianNB(), None)], cv=cv).fit(X, y)


def test_an_unknown_way_of_stacking_is_refused():
    X, y, _ = data(2)
    stack = StackingEnsembleClassifier([("bayes", GaussianNB(), None)], stack_on="ranks")
    with pytest.raises(ValueError, match=r"stack_on must be one of .* got 'ranks'"):
        stack.fit(X, y)


@pytest.fixture
def scores(rng):
    """Two members on 60 rows of two labels, each better at one of them."""
    truth = (rng.random((60, 2)) > 0.4).astype(np.int8)
    noise = rng.random((2, 60, 2))
    first = 0.3 + 0.4 * truth * [1, 0] + 0.2 * (noise[0] - 0.5)
    second = 0.3 + 0.4 * truth * [0, 1] + 0.2 * (noise[1] - 0.5)
    return {"first": first, "second": second}, truth


def by_hand(columns, target, rows):
    final = LogisticRegression(max_iter=1000).fit(columns[rows], target[rows])
    return final.predict_proba(columns)[:, 1]


@pytest.mark.parametrize("across", [False, True], ids=["own-label", "across-labels"])
def test_two_labels_are_two_questions(scores, across):
    """Scikit-learn's stack takes them for two classes, and drops the column of one."""
    members, truth = scores
    settings = FinalSettings(multilabel=True, across_labels=across)
    found = score_finals(fit_finals(members, truth, settings), members, settings)
    for label in range(2):
        own = [to_logits(values[:, label]) for values in members.values()]
        every = [to_logits(values[:, k]) for values in members.values() for k in range(2)]
        expected = by_hand(np.column_stack(every if across else own), truth[:, label], slice(None))
        np.testing.assert_allclose(found[:, label], expected, atol=1e-12)


@pytest.mark.parametrize("across", [False, True], ids=["own-label", "across-labels"])
def test_unknown_rows_take_no_part_in_their_label_and_full_part_in_others(scores, across):
    members, truth = scores
    truth = truth.copy()
    truth[10:30, 1] = -1
    settings = FinalSettings(multilabel=True, across_labels=across, stack_on="probabilities")
    found = score_finals(fit_finals(members, truth, settings), members, settings)
    for label in range(2):
        own = [values[:, label] for values in members.values()]
        columns = np.column_stack(own) if not across else np.hstack(list(members.values()))
        known = np.flatnonzero(truth[:, label] >= 0)
        expected = by_hand(columns, truth[:, label], known)
        np.testing.assert_allclose(found[:, label], expected, atol=1e-12)


def test_a_single_label_row_is_shared_out_among_the_classes(scores):
    members, _ = scores
    truth = np.eye(2, dtype=np.int8)[np.arange(60) % 2]
    settings = FinalSettings()
    found = score_finals(fit_finals(members, truth, settings), members, settings)
    raw = []
    for label in range(2):
        columns = np.column_stack([to_logits(values[:, label]) for values in members.values()])
        raw.append(by_hand(columns, truth[:, label], slice(None)))
    np.testing.assert_allclose(found, np.transpose(raw) / np.sum(raw, axis=0)[:, None], atol=1e-12)


def test_a_class_that_no_row_has_gets_nothing_across_labels(rng):
    scores = {"only": rng.dirichlet(np.ones(3), 20)}
    truth = np.eye(3, dtype=np.int8)[np.arange(20) % 2]
    settings = FinalSettings(across_labels=True)
    found = score_finals(fit_finals(scores, truth, settings), scores, settings)
    np.testing.assert_array_equal(found[:, 2], 0.0)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("target", "expected"), [(0, 0.0), (1, 1.0), (-1, 0.5)], ids=["absent", "present", "unknown"]
)
@pytest.mark.parametrize("across", [False, True], ids=["own-label", "across-labels"])
def test_a_label_with_one_answer_only_gets_its_frequency(scores, target, expected, across):
    members, truth = scores
    truth = truth.copy()
    truth[:, 0] = target
    settings = FinalSettings(multilabel=True, across_labels=across)
    found = score_finals(fit_finals(members, truth, settings), members, settings)
    np.testing.assert_array_equal(found[:, 0], expected)


def test_two_masked_labels_through_the_whole_stack(rng):
    """Members, final estimator and score of each label on the rows where it is known."""
    X = rng.normal(size=(120, 4))
    y = (X[:, :2] + 0.5 * rng.normal(size=(120, 2)) > 0).astype(np.int8)
    y[rng.permutation(120)[:30], 0] = -1
    folds = np.arange(120) % 3
    members = [
        ("svm", OneVsRestSVMClassifier(n_splits=2, random_state=0), None),
        ("linear", OneVsRestSVMClassifier(kernel="linear", n_splits=2, random_state=0), [0, 1]),
    ]
    stack = StackingEnsembleClassifier(members, LinearDiscriminantAnalysis(), cv=folds).fit(X, y)
    for fold in range(3):
        out = folds == fold
        for name, estimator, columns in members:
            part = X if columns is None else X[:, columns]
            alone = estimator.fit(part[~out], y[~out]).predict_proba(part[out])
            np.testing.assert_allclose(stack.oof_scores_[name][out], alone, atol=1e-12)
        for label in range(2):
            logits = np.column_stack(
                [to_logits(stack.oof_scores_[n][:, label]) for n, *_ in members]
            )
            known = ~out & (y[:, label] >= 0)
            final = LinearDiscriminantAnalysis().fit(logits[known], y[known, label])
            np.testing.assert_allclose(
                stack.oof_scores_["stack"][out, label],
                final.predict_proba(logits[out])[:, 1],
                atol=1e-12,
            )
