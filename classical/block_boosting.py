"""Boosted trees that each see one block of the features, quantised once for all classes.

Conventions: features are dealt into blocks, one quantised matrix each; a *visit* grows a few trees
on one of them. XGBoost's own sampling of columns fills histograms for all features and then looks
at some of them, which makes trees on a fifth of the features three times as dear.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit

if TYPE_CHECKING:
    import xgboost

# Trees a visit: with fewer, calls cost more than trees.
_VISIT = 10

# Blocks are no smaller: of few features, each tree had better draw its own.
_LEAST_COLUMNS = 50


def deal_columns(
    n_features: int, share: float, random_state: np.random.RandomState
) -> list[np.ndarray]:
    """Deal features into blocks of about a share of them.

    Parameters
    ----------
    n_features : int
        Number of features.
    share : float
        Of the features a tree is to see, above 0, at most 1.
    random_state : RandomState
        Deals them.

    Returns
    -------
    list of np.ndarray of int
        Sorted column numbers; a single block of all if they are few or the share is above a half.

    Examples
    --------
    >>> [len(block) for block in deal_columns(200, 0.3, np.random.RandomState(0))]
    [67, 67, 66]
    """
    n_blocks = max(1, min(int(1 / share + 1e-9), n_features // _LEAST_COLUMNS))
    dealt = np.array_split(random_state.permutation(n_features), n_blocks)
    return [np.sort(block) for block in dealt]


def check_device(device: str) -> None:
    """Make sure that XGBoost can train where it is told to.

    Parameters
    ----------
    device : str
        "cpu", "cuda" or "cuda:1".

    Raises
    ------
    ValueError
        If it is none of these, or there is no such device: XGBoost itself would train on the CPU.
    """
    if device == "cpu":
        return
    if not isinstance(device, str) or not re.fullmatch(r"cuda(:\d+)?", device):
        raise ValueError(f"device must be 'cpu', 'cuda' or 'cuda:1', got {device!r}")
    import xgboost

    matrix = xgboost.DMatrix(np.zeros((2, 1)), label=[0, 1])
    problem = "none is visible to xgboost"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            probe = xgboost.train({"device": device, "tree_method": "hist"}, matrix, 1)
            used = json.loads(probe.save_config())["learner"]["generic_param"]["device"]
        except xgboost.core.XGBoostError as exc:
            used, problem = "none", str(exc).splitlines()[0]
    if not used.startswith("cuda"):
        raise ValueError(
            f"device must be a CUDA device that is there, got {device!r}: {problem}; "
            "use device='cpu'"
        )


class BlockBooster:
    """Trains boosters for one class after another on the same quantised blocks of features.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features), float32
        Rows; NaN is a missing feature.
    blocks : list of np.ndarray of int
        See `deal_columns`.
    params : dict
        XGBoost's parameters of trees.
    n_rounds : int
        Number of trees, at most if there is patience.
    patience : int or None
        Trees without a smaller validation loss.
    """

    def __init__(
        self,
        X: np.ndarray,
        blocks: list[np.ndarray],
        *,
        params: dict[str, Any],
        n_rounds: int,
        patience: int | None,
    ) -> None:
        import xgboost

        self._n_features = X.shape[1]
        self._blocks = blocks
        self._params = {
            **params,
            "objective": "binary:logistic",
            "tree_method": "hist",
            "nthread": 1,
            # Each visit starts from the margins of those before it.
            "base_score": 0.5,
        }
        self._n_rounds, self._patience = n_rounds, patience
        self._matrices = [
            xgboost.QuantileDMatrix(
                X if len(blocks) == 1 else X[:, block], max_bin=params["max_bin"], nthread=1
            )
            for block in blocks
        ]

    def train(
        self, present: np.ndarray, weight: np.ndarray, *, held_out: np.ndarray | None, seed: int
    ) -> xgboost.Booster:
        """Grow the trees of one class.

        Parameters
        ----------
        present : np.ndarray of shape (n_samples,), bool
            Rows of the class.
        weight : np.ndarray of shape (n_samples,)
            Weight of the rows, zero for those that take no part.
        held_out : np.ndarray of shape (n_samples,), bool, or None
            Rows that say when to stop; not trained on. None grows all trees.
        seed : int
            Draws rows and blocks.

        Returns
        -------
        xgboost.Booster
            On all features.
        """
        fitting = weight if held_out is None else np.where(held_out, 0.0, weight)
        for matrix in self._matrices:
            matrix.set_label(present)
            matrix.set_weight(fitting)
        start = float(logit(np.average(present, weights=fitting)))
        margins = np.full(len(present), start, dtype=np.float32)
        visits: list[tuple[int, xgboost.Booster]] = []
        losses: list[float] = []
        for block, booster, n_trees in self._visit(margins, seed, stepwise=held_out is not None):
            visits.append((block, booster))
            if held_out is None:
                continue
            for end in range(1, n_trees + 1):
                scores = booster.predict(
                    self._matrices[block], output_margin=True, iteration_range=(0, end)
                )
                losses.append(_log_loss(scores[held_out], present[held_out], weight[held_out]))
            if len(losses) - 1 - int(np.argmin(losses)) >= (self._patience or 0):
                break
        n_trees = int(np.argmin(losses)) + 1 if losses else self._n_rounds
        return self._join(visits, n_trees=n_trees, start=start)

    def _visit(
        self, margins: np.ndarray, seed: int, *, stepwise: bool
    ) -> Iterator[tuple[int, xgboost.Booster, int]]:
        """Grow a few trees on one block after another, all blocks in each round of visits."""
        import xgboost

        rng = np.random.default_rng(seed)
        # One block and nothing to stop for: there is nothing to come back for either.
        at_once = _VISIT if stepwise or len(self._blocks) > 1 else self._n_rounds
        order: list[int] = []
        for grown in range(0, self._n_rounds, at_once):
            order = order or rng.permutation(len(self._blocks)).tolist()
            block, n_trees = order.pop(), min(at_once, self._n_rounds - grown)
            matrix = self._matrices[block]
            matrix.set_base_margin(margins)
            params = {**self._params, "seed": seed + grown}
            booster = xgboost.train(params, matrix, num_boost_round=n_trees, verbose_eval=False)
            margins = booster.predict(matrix, output_margin=True)
            yield block, booster, n_trees

    def _join(
        self, visits: list[tuple[int, xgboost.Booster]], *, n_trees: int, start: float
    ) -> xgboost.Booster:
        """Make one booster of the trees of all visits, through XGBoost's own JSON."""
        import xgboost

        model: dict[str, Any] = {}
        trees: list[dict[str, Any]] = []
        for block, booster in visits:
            model = json.loads(booster.save_raw("json"))
            for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
                tree["split_indices"] = self._blocks[block][tree["split_indices"]].tolist()
                tree["tree_param"]["num_feature"] = str(self._n_features)
                trees.append({**tree, "id": len(trees)})
        trees = trees[:n_trees]
        gradient_booster = model["learner"]["gradient_booster"]["model"]
        gradient_booster["trees"] = trees
        gradient_booster["tree_info"] = [0] * n_trees
        gradient_booster["iteration_indptr"] = list(range(n_trees + 1))
        gradient_booster["gbtree_model_param"]["num_trees"] = str(n_trees)
        described = model["learner"]["learner_model_param"]
        described["num_feature"] = str(self._n_features)
        # Some versions write a list of one number.
        score = f"{expit(start):.9E}"
        described["base_score"] = f"[{score}]" if "[" in described["base_score"] else score
        joined = xgboost.Booster({"nthread": 1})
        joined.load_model(bytearray(json.dumps(model).encode()))
        return joined


def _log_loss(margins: np.ndarray, present: np.ndarray, weight: np.ndarray) -> float:
    signed = np.where(present, margins, -margins).astype(np.float64)
    return float(np.average(np.logaddexp(0, -signed), weights=weight))
