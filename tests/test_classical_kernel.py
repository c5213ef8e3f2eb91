"""Kernels agree with scikit-learn's, and all rows as landmarks give the kernel itself."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import pairwise_kernels

from classical import kernel, row_chunks
from classical.kernel import NystroemRows, kernel_matrix, resolve_gamma


@pytest.mark.parametrize(("name", "settings"), [("rbf", {"gamma": 0.3}), ("linear", {})])
def test_a_kernel_agrees_with_scikit_learn(rng, name, settings):
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    np.testing.assert_allclose(
        kernel_matrix(a, b, kernel=name, gamma=0.3), pairwise_kernels(a, b, name, **settings)
    )


def test_gamma_by_name_is_scikit_learns(rng):
    X = 3 * rng.normal(size=(50, 4))
    assert resolve_gamma("scale", X) == pytest.approx(1 / (4 * X.var()))
    assert resolve_gamma("auto", X) == 1 / 4
    assert resolve_gamma("scale", np.ones((5, 4))) == 1
    assert resolve_gamma(0.3, X) == 0.3


@pytest.mark.parametrize("name", ["rbf", "linear"])
def test_with_all_rows_as_landmarks_products_of_features_are_the_kernel(rng, name):
    X = rng.normal(size=(40, 3))
    rows = NystroemRows(X, X, kernel=name, gamma=0.5)
    (chunk,) = rows.chunks()
    features = rows.reduce(chunk.T.astype(float)).T
    np.testing.assert_allclose(
        features @ features.T, kernel_matrix(X, X, kernel=name, gamma=0.5), atol=2e-3
    )


def test_expanded_coefficients_are_sums_of_kernels(rng):
    X, coef = rng.normal(size=(40, 3)), rng.normal(size=(10, 2))
    rows = NystroemRows(X, X[:10], kernel="rbf", gamma=0.5)
    (chunk,) = rows.chunks()
    features = rows.reduce(chunk.T.astype(float)).T
    np.testing.assert_allclose(chunk @ rows.expand(coef), features @ coef, rtol=1e-3, atol=1e-3)


def test_copies_of_a_row_as_landmarks_are_no_trouble():
    X = np.ones((6, 2))
    rows = NystroemRows(X, X, kernel="rbf", gamma=0.5)
    assert np.isfinite(rows.expand(np.ones((6, 1)))).all()


def test_no_more_chunks_are_kept_than_fit(monkeypatch, rng):
    monkeypatch.setattr(kernel, "CHUNK_ROWS", 10)
    monkeypatch.setattr(kernel, "_MAX_KEPT", 25 * 4)
    assert row_chunks.CHUNK_ROWS > 10
    X = rng.normal(size=(45, 3))
    rows = NystroemRows(X, X[:4], kernel="rbf", gamma=0.5)
    first, second = list(rows.chunks()), list(rows.chunks())
    assert [a is b for a, b in zip(first, second, strict=True)] == [True, True] + [False] * 3
    np.testing.assert_array_equal(np.vstack(first), np.vstack(second))
