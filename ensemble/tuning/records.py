"""What is kept of the trials of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrialRecord:
    """What is kept of an ended trial.

    Attributes
    ----------
    turn : int
        Which trial it was, from 0, which tried the ready-made parameters.
    state : {"complete", "pruned"}
        Pruned ones were given up after some folds.
    value : float or None
        The metric over all folds; of a pruned trial, over those it had, None if undefined.
    fold_scores : list of float or None
        Of each fold alone.
    seconds : float
        How long it took.
    parameters : dict of str to object
        What it tried.
    """

    turn: int
    state: str
    value: float | None
    fold_scores: list[float | None]
    seconds: float
    parameters: dict[str, Any]


def best_record(records: list[TrialRecord]) -> TrialRecord:
    """Give the completed trial of the highest value.

    Parameters
    ----------
    records : list of TrialRecord
        Of one study, at least one of them completed.

    Returns
    -------
    TrialRecord
        Of equals the earliest, so that the ready-made parameters win.
    """
    complete = [record for record in records if record.state == "complete"]
    return max(complete, key=lambda record: (record.value, -record.turn))
