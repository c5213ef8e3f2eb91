"""Decision trees as five arrays, which can be written without pickle and checked when read.

Conventions: nodes of many trees lie one after another. A node sends rows with a feature at most as
high as its threshold left, others right, always to a later node; a leaf sends all to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from sklearn.tree import ExtraTreeClassifier

# Rows that go down a tree together: their features stay in the processor's cache.
_CHUNK_ROWS = 1024


@dataclass(frozen=True, slots=True)
class TreeArrays:
    """Nodes of one or many trees.

    Attributes
    ----------
    feature : np.ndarray of shape (n_nodes,), int32
        The feature a node asks about; 0 for a leaf.
    threshold : np.ndarray of shape (n_nodes,), float32
        Rows at most so high go left.
    left, right : np.ndarray of shape (n_nodes,), int32
        Where to; a leaf leads to itself.
    value : np.ndarray of shape (n_nodes,), float32
        Weighted share of training rows with the label.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    def score(self, X: np.ndarray, roots: np.ndarray) -> np.ndarray:
        """Return the mean value of the leaves that rows fall into.

        Parameters
        ----------
        X : np.ndarray of shape (n_samples, n_features), float32
            Rows.
        roots : np.ndarray of shape (n_trees,), int
            Where the trees begin.

        Returns
        -------
        np.ndarray of shape (n_samples,), float64
            From 0 to 1.
        """
        scores = np.zeros(len(X))
        for start in range(0, len(X), _CHUNK_ROWS):
            rows = X[start : start + _CHUNK_ROWS]
            for root in roots:
                scores[start : start + len(rows)] += self.value[self._leaves(rows, root)]
        return scores / len(roots)

    def _leaves(self, rows: np.ndarray, root: int) -> np.ndarray:
        numbers = np.arange(len(rows))
        nodes = np.full(len(rows), root)
        while True:
            low = rows[numbers, self.feature[nodes]] <= self.threshold[nodes]
            following = np.where(low, self.left[nodes], self.right[nodes])
            if (following == nodes).all():
                return nodes
            nodes = following

    def check(self, roots: np.ndarray, *, n_features: int) -> None:
        """Make sure that every row would reach a leaf.

        Parameters
        ----------
        roots : np.ndarray of int
            Where the trees begin.
        n_features : int
            Number of features of a row.

        Raises
        ------
        ValueError
            If an array is of another length or type, or leads nowhere or in a circle.
        """
        n_nodes = len(self.value)
        own = np.arange(n_nodes)
        sound = all(getattr(self, field.name).shape == (n_nodes,) for field in fields(self))
        sound = sound and all(a.dtype == np.int32 for a in (self.feature, self.left, self.right))
        if not (
            sound
            and np.issubdtype(roots.dtype, np.integer)
            and (own <= self.left).all()
            and (own <= self.right).all()
            and (self.left < n_nodes).all()
            and (self.right < n_nodes).all()
            and ((self.feature >= 0) & (self.feature < n_features)).all()
            and ((roots >= 0) & (roots < n_nodes)).all()
        ):
            raise ValueError(f"the arrays of {len(roots)} trees with {n_nodes} nodes are damaged")


def read_tree(fitted: ExtraTreeClassifier) -> TreeArrays:
    """Return the nodes of a fitted tree for targets of 0 and 1.

    Parameters
    ----------
    fitted : ExtraTreeClassifier
        Fitted; it may have seen only one of the two.

    Returns
    -------
    TreeArrays
        Of one tree.
    """
    tree = fitted.tree_
    own = np.arange(tree.node_count)
    leaf = tree.children_left < 0
    # Of the classes it saw; values are shares.
    present = np.flatnonzero(fitted.classes_ == 1)
    return TreeArrays(
        feature=np.where(leaf, 0, tree.feature).astype(np.int32),
        threshold=tree.threshold.astype(np.float32),
        left=np.where(leaf, own, tree.children_left).astype(np.int32),
        right=np.where(leaf, own, tree.children_right).astype(np.int32),
        value=tree.value[:, 0, present].sum(axis=1).astype(np.float32),
    )


def join_trees(trees: Sequence[TreeArrays]) -> tuple[TreeArrays, np.ndarray]:
    """Put trees one after another.

    Parameters
    ----------
    trees : sequence of TreeArrays
        One or many trees each.

    Returns
    -------
    joined : TreeArrays
        All nodes.
    starts : np.ndarray of shape (n_trees,), int
        Where the nodes of each begin.
    """
    sizes = np.array([len(tree.value) for tree in trees], dtype=int)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(trees) else np.zeros(0, dtype=int)
    shift = np.repeat(starts, sizes).astype(np.int32)
    parts = {
        field.name: np.concatenate([getattr(tree, field.name) for tree in trees])
        if len(trees)
        else np.zeros(0, dtype=np.float32 if field.name in ("threshold", "value") else np.int32)
        for field in fields(TreeArrays)
    }
    parts["left"], parts["right"] = parts["left"] + shift, parts["right"] + shift
    return TreeArrays(**parts), starts
