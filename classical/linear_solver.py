"""Many L2-penalised linear models of two sides on the same rows, solved together.

Conventions: a *column* is one binary model: a machine on all of its rows, or a copy of it that
leaves one inner fold out. Rows come in chunks, so that they need not exist all at once; each pass
over them serves all columns by matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from classical.row_chunks import Rows

# Cells of the curvature kept at a time, as float32: a quarter of a gigabyte.
_MAX_CELLS = 2**26

# More rows would not make the preconditioner better by what they cost.
_SKETCH_ROWS = 10_000

# With more features the preconditioner is diagonal: the matrix would not pay for itself.
_MAX_DENSE = 4096

# A Newton step is precise enough when its residual has shrunk so far.
_CG_SHRINK, _CG_STEPS = 0.1, 40

_NEWTON_STEPS, _HALVINGS = 50, 20


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss of signed scores, with its first two derivatives.

    Attributes
    ----------
    value, slope, curvature : callable
        Elementwise functions of the score times the row's sign.
    at_zero : float
        The curvature at zero.
    """

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    curvature: Callable[[np.ndarray], np.ndarray]
    at_zero: float


LOGISTIC = Loss(
    value=lambda score: np.logaddexp(0, -score),
    slope=lambda score: -expit(-score),
    curvature=lambda score: expit(score) * expit(-score),
    at_zero=0.25,
)

SQUARED_HINGE = Loss(
    value=lambda score: np.maximum(0, 1 - score) ** 2,
    slope=lambda score: -2 * np.maximum(0, 1 - score),
    curvature=lambda score: 2.0 * (score < 1),
    at_zero=2.0,
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Which rows count how much in which column.

    Attributes
    ----------
    present : np.ndarray of shape (n_samples, n_machines), bool
        Rows on the side of the class.
    weights : np.ndarray of shape (n_samples, n_machines)
        Not negative; zero where a row takes no part.
    folds : np.ndarray of shape (n_samples, n_machines), int
        The inner fold of each row, from 0.
    machines : np.ndarray of shape (n_columns,), int
        The machine of each column.
    left_out : np.ndarray of shape (n_columns,), int
        The fold a column leaves out; -1 for none.
    """

    present: np.ndarray
    weights: np.ndarray
    folds: np.ndarray
    machines: np.ndarray
    left_out: np.ndarray

    def select(self, columns: np.ndarray | slice) -> Columns:
        """Take some columns.

        Parameters
        ----------
        columns : np.ndarray or slice
            Which.

        Returns
        -------
        Columns
            Of the same rows.
        """
        return Columns(
            self.present, self.weights, self.folds, self.machines[columns], self.left_out[columns]
        )

    def signs(self, part: slice) -> np.ndarray:
        """Give 1 for rows on the side of a column, -1 for others.

        Parameters
        ----------
        part : slice
            Rows.

        Returns
        -------
        np.ndarray of shape (n_part, n_columns), float32
            Signs.
        """
        return np.where(self.present[part][:, self.machines], np.float32(1), np.float32(-1))

    def row_weights(self, part: slice) -> np.ndarray:
        """Give the weights of rows, zero where a column leaves them out.

        Parameters
        ----------
        part : slice
            Rows.

        Returns
        -------
        np.ndarray of shape (n_part, n_columns)
            Weights.
        """
        kept = self.folds[part][:, self.machines] != self.left_out
        return self.weights[part][:, self.machines] * kept


def fit_columns(rows: Rows, columns: Columns, *, loss: Loss, cost: float, tol: float) -> np.ndarray:
    """Fit one linear model for each column.

    Parameters
    ----------
    rows : Rows
        Features of n_samples rows.
    columns : Columns
        Sides and weights of the rows.
    loss : Loss
        `LOGISTIC` or `SQUARED_HINGE`.
    cost : float
        Weight of the rows' losses against the penalty, as `C` of scikit-learn.
    tol : float
        A column is done when a step down its preconditioned gradient has less than this share of
        its loss at zero to gain.

    Returns
    -------
    np.ndarray of shape (n_features + 1, n_columns), float64
        Coefficients, in the last row the intercepts.

    Notes
    -----
    Minimises ``0.5 * |w|**2 + cost * sum_i weight_i * loss(s_i * (x_i @ w + b))``, s_i the row's
    sign, by Newton's method: steps come from preconditioned conjugate gradients and are halved
    while they lose, as in [1]_ without the trust region. The preconditioner, the mean column's
    curvature at zero, is factored once.

    References
    ----------
    .. [1] C.-J. Lin, R. C. Weng and S. S. Keerthi, "Trust region Newton method for large-scale
       logistic regression", Journal of Machine Learning Research 9, 2008.
    """
    if len(columns.machines) == 0:
        return np.zeros((rows.shape[1] + 1, 0))
    problem = _Problem(rows, columns, loss, cost)
    precondition = _Preconditioner(problem)
    coef = np.zeros((rows.shape[1] + 1, len(columns.machines)))
    at_once = max(1, _MAX_CELLS // rows.shape[0])
    for start in range(0, coef.shape[1], at_once):
        block = slice(start, start + at_once)
        _descend(problem.select(block), coef[:, block], precondition, tol=tol)
    return coef


def _descend(
    problem: _Problem, coef: np.ndarray, precondition: _Preconditioner, *, tol: float
) -> None:
    """Take Newton steps, changing `coef` in place."""
    going = np.arange(coef.shape[1])
    loss, gradient = problem.evaluate(coef)
    enough = tol * loss
    for _ in range(_NEWTON_STEPS):
        useful = np.einsum("ij,ij->j", gradient, precondition.solve(gradient)) > enough[going]
        going, loss, gradient = going[useful], loss[useful], gradient[:, useful]
        if len(going) == 0:
            return
        step = problem.select(going).newton_step(coef[:, going], gradient, precondition)
        waiting = np.arange(len(going))
        for _ in range(_HALVINGS):
            tried = coef[:, going[waiting]] - step[:, waiting]
            new_loss, new_gradient = problem.select(going[waiting]).evaluate(tried)
            better = new_loss < loss[waiting]
            moved = waiting[better]
            coef[:, going[moved]] = tried[:, better]
            loss[moved], gradient[:, moved] = new_loss[better], new_gradient[:, better]
            waiting = waiting[~better]
            if len(waiting) == 0:
                break
            step[:, waiting] /= 2
        # What no shorter step improves is as good as rounding allows.
        going = np.delete(going, waiting)
        loss, gradient = np.delete(loss, waiting), np.delete(gradient, waiting, axis=1)


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is minimised: everything but the coefficients."""

    rows: Rows
    columns: Columns
    loss: Loss
    cost: float

    def select(self, columns: np.ndarray | slice) -> _Problem:
        return _Problem(self.rows, self.columns.select(columns), self.loss, self.cost)

    def evaluate(self, coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return value and gradient of each column."""
        value = 0.5 * np.einsum("ij,ij->j", coef[:-1], coef[:-1])
        slopes = _Products(self.rows, coef.shape[1])
        for part, chunk, scores in score_parts(self.rows, coef):
            signs = self.columns.signs(part)
            weights = self.cost * self.columns.row_weights(part)
            scores *= signs
            value += np.einsum("ij,ij->j", weights, self.loss.value(scores))
            slopes.add(chunk, weights * signs * self.loss.slope(scores))
        return value, _penalised(coef) + slopes.total()

    def curvatures(self, coef: np.ndarray) -> list[np.ndarray]:
        """Return the curvature of each row's loss in each column, in chunks of rows."""
        chunks = []
        for part, _, scores in score_parts(self.rows, coef):
            curvature = self.loss.curvature(scores * self.columns.signs(part))
            weights = self.cost * self.columns.row_weights(part)
            chunks.append((weights * curvature).astype(np.float32))
        return chunks

    def newton_step(
        self, coef: np.ndarray, gradient: np.ndarray, precondition: _Preconditioner
    ) -> np.ndarray:
        """Solve curvature @ step = gradient for each column by conjugate gradients."""
        curvatures = self.curvatures(coef)
        step, residual = np.zeros_like(gradient), gradient.copy()
        solved = precondition.solve(residual)
        direction, size = solved.copy(), np.einsum("ij,ij->j", residual, solved)
        enough = _CG_SHRINK**2 * size
        going = np.flatnonzero(size > 0)
        for _ in range(_CG_STEPS):
            if len(going) == 0:
                break
            ahead = direction[:, going]
            curved = _Products(self.rows, len(going))
            for (_, chunk, scores), curvature in zip(
                score_parts(self.rows, ahead), curvatures, strict=True
            ):
                curved.add(chunk, curvature[:, going] * scores)
            product = _penalised(ahead) + curved.total()
            length = size[going] / np.einsum("ij,ij->j", ahead, product)
            step[:, going] += length * ahead
            residual[:, going] -= length * product
            solved = precondition.solve(residual[:, going])
            new_size = np.einsum("ij,ij->j", residual[:, going], solved)
            direction[:, going] = solved + new_size / size[going] * ahead
            size[going] = new_size
            going = going[new_size > enough[going]]
        return step


def _penalised(coef: np.ndarray) -> np.ndarray:
    """Return the gradient of the penalty, which intercepts are free of."""
    return np.vstack([coef[:-1], np.zeros((1, coef.shape[1]))])


class _Preconditioner:
    """The curvature of the mean column at zero, from some of the rows, ready to be solved for."""

    def __init__(self, problem: _Problem) -> None:
        rows, columns = problem.rows, problem.columns
        n_samples, n_features = rows.shape
        stride = -(-n_samples // _SKETCH_ROWS)
        weight = columns.weights[:, np.unique(columns.machines)].mean()
        scale = problem.cost * problem.loss.at_zero * weight * stride
        self._dense = n_features < _MAX_DENSE
        penalty = np.ones(n_features + 1)
        # Next to nothing, for a matrix that can be factored.
        penalty[-1] = 1e-8
        if self._dense:
            self._factor = cho_factor(scale * _gram(rows, stride) + np.diag(penalty))
        else:
            self._diagonal = scale * _squares(rows, stride) + penalty

    def solve(self, residual: np.ndarray) -> np.ndarray:
        """Return the residual divided by the curvature."""
        if self._dense:
            return cho_solve(self._factor, residual, check_finite=False)
        return residual / self._diagonal[:, None]


def _gram(rows: Rows, stride: int) -> np.ndarray:
    """Return the products of all pairs of features, one included, over every so many rows."""
    gram: Any = 0.0
    sums: Any = 0.0
    n_samples = 0
    for chunk in rows.chunks():
        # In double precision, because a basis may blow rounding up until no root is left.
        some = chunk[::stride].astype(float)
        gram, sums = gram + some.T @ some, sums + some.sum(axis=0)
        n_samples += len(some)
    inner, border = rows.reduce(rows.reduce(gram).T), rows.reduce(sums[:, None])
    return np.block([[inner, border], [border.T, np.array([[n_samples]])]])


def _squares(rows: Rows, stride: int) -> np.ndarray:
    """Return the diagonal of the same, for rows that have no basis."""
    squares = np.zeros(rows.shape[1] + 1)
    for chunk in rows.chunks():
        some = chunk[::stride].astype(float)
        squares += np.append(np.einsum("ij,ij->j", some, some), len(some))
    return squares


def score_parts(rows: Rows, coef: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Give one part of the rows after another, with what columns say of it.

    Parameters
    ----------
    rows : Rows
        Features.
    coef : np.ndarray of shape (n_features + 1, n_columns)
        Coefficients, in the last row intercepts.

    Yields
    ------
    part : slice
        Which rows.
    chunk : np.ndarray
        The chunk.
    scores : np.ndarray of shape (n_part, n_columns)
        Features times coefficients, plus intercepts.
    """
    weights, intercept, start = rows.expand(coef[:-1]), coef[-1], 0
    for chunk in rows.chunks():
        scores = chunk @ weights.astype(chunk.dtype, copy=False) + intercept
        yield slice(start, start + len(chunk)), chunk, scores
        start += len(chunk)


class _Products:
    """Sums over all rows of features, and of one, times values of the rows."""

    def __init__(self, rows: Rows, n_columns: int) -> None:
        self._rows = rows
        self._of_ones = np.zeros(n_columns)
        self._of_chunks: Any = 0.0

    def add(self, chunk: np.ndarray, values: np.ndarray) -> None:
        self._of_chunks = self._of_chunks + (chunk.T @ values.astype(chunk.dtype)).astype(float)
        self._of_ones += values.sum(axis=0)

    def total(self) -> np.ndarray:
        return np.vstack([self._rows.reduce(self._of_chunks), self._of_ones])
