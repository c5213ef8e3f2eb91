"""Columns solved together are the same as each alone, by scikit-learn's solvers."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from classical import linear_solver
from classical.linear_solver import LOGISTIC, SQUARED_HINGE, Columns, fit_columns
from classical.row_chunks import DenseRows


@pytest.fixture
def problem(rng):
    X = rng.normal(size=(300, 8)) * np.logspace(-1, 1, 8)
    scores = X @ rng.normal(size=(8, 3)) + 3 * rng.normal(size=(300, 3)) + [0, 2, -4]
    folds = rng.integers(0, 3, size=(300, 3))
    weights = rng.uniform(0.5, 2, size=(300, 3))
    weights[:50, 1] = 0
    return X, Columns(
        scores > 0,
        weights,
        folds,
        machines=np.array([0, 1, 2, 1]),
        left_out=np.array([-1, -1, -1, 2]),
    )


def rows_of(columns, column):
    machine, fold = columns.machines[column], columns.left_out[column]
    rows = (columns.weights[:, machine] > 0) & (columns.folds[:, machine] != fold)
    return rows, columns.present[rows, machine], columns.weights[rows, machine]


@pytest.mark.parametrize("column", range(4))
def test_logistic_columns_agree_with_scikit_learn(problem, column):
    X, columns = problem
    coef = fit_columns(DenseRows(X), columns, loss=LOGISTIC, cost=0.7, tol=1e-14)[:, column]
    rows, present, weight = rows_of(columns, column)
    theirs = LogisticRegression(C=0.7, tol=1e-10, solver="newton-cholesky")
    theirs.fit(X[rows], present, sample_weight=weight)
    np.testing.assert_allclose(coef[:-1], theirs.coef_[0], atol=1e-6)
    assert coef[-1] == pytest.approx(theirs.intercept_[0], abs=1e-6)


@pytest.mark.parametrize("column", range(4))
def test_squared_hinge_columns_agree_with_scikit_learn(problem, column):
    X, columns = problem
    coef = fit_columns(DenseRows(X), columns, loss=SQUARED_HINGE, cost=0.7, tol=1e-14)[:, column]
    rows, present, weight = rows_of(columns, column)
    # Liblinear penalises the intercept as well, the less the larger its scale.
    theirs = LinearSVC(C=0.7, dual=False, intercept_scaling=1e3, tol=1e-10, max_iter=10_000)
    theirs.fit(X[rows], present, sample_weight=weight)
    np.testing.assert_allclose(coef[:-1], theirs.coef_[0], atol=1e-4)
    assert coef[-1] == pytest.approx(theirs.intercept_[0], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "value"), [("_MAX_CELLS", 300), ("_MAX_DENSE", 3)], ids=["one by one", "diagonal"]
)
def test_how_the_work_is_shared_out_changes_next_to_nothing(monkeypatch, problem, name, value):
    X, columns = problem
    before = fit_columns(DenseRows(X), columns, loss=LOGISTIC, cost=0.7, tol=1e-13)
    monkeypatch.setattr(linear_solver, name, value)
    after = fit_columns(DenseRows(X), columns, loss=LOGISTIC, cost=0.7, tol=1e-13)
    np.testing.assert_allclose(before, after, atol=1e-4)


def test_chunks_of_rows_change_next_to_nothing(monkeypatch, problem):
    X, columns = problem
    before = fit_columns(DenseRows(X), columns, loss=SQUARED_HINGE, cost=0.7, tol=1e-13)
    monkeypatch.setattr("classical.row_chunks.CHUNK_ROWS", 7)
    after = fit_columns(DenseRows(X), columns, loss=SQUARED_HINGE, cost=0.7, tol=1e-13)
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_separated_rows_have_a_finite_solution():
    X = np.array([[-1.0], [1.0]])
    columns = Columns(
        np.array([[False], [True]]),
        np.ones((2, 1)),
        np.zeros((2, 1), dtype=int),
        np.zeros(1, dtype=int),
        np.full(1, -1),
    )
    coef = fit_columns(DenseRows(X), columns, loss=SQUARED_HINGE, cost=1e6, tol=1e-12)
    np.testing.assert_allclose(coef[:, 0], [1, 0], atol=1e-5)
