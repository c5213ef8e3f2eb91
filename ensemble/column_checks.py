"""Whether columns of a manifest are fit to learn from: no ids, and not the labels once more.

Conventions: truth is 1 present, 0 absent, -1 unknown. Only what occurs in two groups or more can
tell of clips that a model has not seen; whatever occurs in one alone fits any label by chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ensemble.manifest_columns import some

# Fewer different whole numbers may be anything.
MIN_IDS = 20


def check_columns(
    columns: pd.DataFrame, truth: np.ndarray, groups: np.ndarray, *, classes: Sequence[str]
) -> list[str]:
    """Refuse columns that name clips or labels, and caution against those that give labels away.

    Parameters
    ----------
    columns : pd.DataFrame of shape (n_samples, n_columns)
        Texts are categories; numbers may be NaN. Training rows alone.
    truth : np.ndarray of shape (n_samples, n_labels)
        1, 0 and -1.
    groups : np.ndarray of shape (n_samples,)
        What is not torn between folds.
    classes : sequence of str
        Names of the labels.

    Returns
    -------
    list of str
        Cautions, to be shown with the scores.

    Raises
    ------
    ValueError
        With all problems: columns that are the same for all clips, whose categories belong to one
        group each, or that equal the labels or one of them.
    """
    problems: list[str] = []
    cautions: list[str] = []
    for name in columns:
        column = _Column(columns[name], truth, groups)
        if problem := column.problem(classes):
            problems.append(f"{str(name)!r} {problem}")
        elif caution := column.caution(classes):
            cautions.append(f"{str(name)!r} {caution}")
    if problems:
        raise ValueError(f"columns of the manifest cannot be used: {'; '.join(problems)}")
    return cautions


class _Column:
    """One column: its different values, the groups they occur in, and the labels they go with."""

    def __init__(self, cells: pd.Series, truth: np.ndarray, groups: np.ndarray) -> None:
        self.is_number = cells.dtype.kind == "f"
        self.cells = cells.to_numpy()
        self.truth = truth
        # Missing numbers are one value too: that a cell is empty can give a label away.
        self.codes, self.values = pd.factorize(cells, use_na_sentinel=False)
        pairs = pd.DataFrame({"value": self.codes, "group": groups}).drop_duplicates()
        self.n_groups = np.bincount(pairs["value"], minlength=len(self.values))

    def problem(self, classes: Sequence[str]) -> str:
        """Say why the column cannot be used, if so."""
        n_values, n_clips = len(self.values), len(self.codes)
        if n_values < 2:
            return "holds the same for all training clips, so it says nothing"
        if not self.is_number and (self.n_groups < 2).all():
            each = "clip" if n_values == n_clips else "group"
            return (
                f"has other categories for each {each}, {n_values} for {n_clips} clips, as an id "
                "has: no other clip can be told by them"
            )
        if self._is_labels():
            return "is the labels by another name: each of its values goes with one label only"
        told = self._labels_told()
        if n_values == 2 and told:
            label = classes[told[0]]
            return f"is the label {label!r} by another name: it says exactly which clips have it"
        return ""

    def caution(self, classes: Sequence[str]) -> str:
        """Say why scores may be too good, if so."""
        if told := self._labels_told():
            return (
                f"gives labels away: each of its values goes with the presence or the absence of "
                f"{some([repr(classes[label]) for label in told])} alone. If whoever filled it in "
                "knew the labels, or it comes from how the corpus was made, these scores mean "
                "nothing"
            )
        if self.is_number and self._is_counted():
            return (
                "holds another whole number for each clip, as an id does: numbers are often given "
                "label by label, and then give the labels away"
            )
        return ""

    def _is_labels(self) -> bool:
        """Whether values and sets of labels go with each other one to one."""
        known = (self.truth >= 0).all(axis=1)
        if not known.any() or len(np.unique(self.codes[known])) < len(self.values):
            return False
        sets = np.unique(self.truth[known], axis=0, return_inverse=True)[1].ravel()
        pairs = np.unique(np.column_stack([self.codes[known], sets]), axis=0)
        return len(pairs) == len(self.values) == len(np.unique(sets)) > 1

    def _labels_told(self) -> list[int]:
        """List the labels whose presence each value settles, as far as values occur elsewhere."""
        often = self.n_groups >= 2
        told = []
        for label, column in enumerate(self.truth.T):
            present = np.bincount(self.codes, column == 1, len(self.values))
            absent = np.bincount(self.codes, column == 0, len(self.values))
            pure = (present == 0) | (absent == 0)
            # What is seen in one group alone proves nothing, and must not be most of the evidence.
            seen = present[often].sum() > present[~often].sum()
            both = (present[often] > 0).any() and (absent[often] > 0).any()
            if pure[often].all() and seen and both:
                told.append(label)
        return told

    def _is_counted(self) -> bool:
        numbers = self.cells[~np.isnan(self.cells)]
        whole = bool((numbers % 1 == 0).all())
        return whole and len(numbers) >= MIN_IDS and len(np.unique(numbers)) == len(numbers)
