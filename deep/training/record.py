"""How a training went, and what it is judged by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Report = Callable[[dict[str, float]], None]


@dataclass(slots=True)
class TrainingRecord:
    """How a training went.

    Parameters
    ----------
    history : list of dict
        Per epoch: ``epoch``; ``train_loss``; ``validation_loss``, ``validation_macro_f1`` and, if
        a scorer was given, ``validation_score`` (all absent without validation rows);
        ``learning_rate`` of the last step; while training, ``clips_per_second``, ``step_seconds``
        and ``share_waiting``, the part of the time in which there was nothing to compute on;
        ``seconds`` since the start.
    stopped_by : str
        ``"epochs"``, ``"patience"`` or ``"time"``; empty while training goes on.
    best_epoch : int
        The best epoch, counted from one; the last one without validation rows.
    kept_epochs : list of int
        The epochs whose weights, averaged if there are several, were kept.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    stopped_by: str = ""
    best_epoch: int = 0
    kept_epochs: list[int] = field(default_factory=list)


def watched_cost(entry: Mapping[str, float]) -> float:
    """Give what tells better epochs from worse ones.

    Parameters
    ----------
    entry : mapping
        Of the history.

    Returns
    -------
    float
        Lower is better: minus the validation score; or the validation loss; or, without
        validation, the training loss. Infinite where that is undefined.
    """
    if "validation_score" in entry:
        cost = -entry["validation_score"]
    else:
        cost = entry.get("validation_loss", entry["train_loss"])
    return math.inf if math.isnan(cost) else cost


def epochs_to_keep(record: TrainingRecord, *, keep: str, count: int) -> list[int]:
    """Choose the epochs whose weights are worth keeping.

    Parameters
    ----------
    record : TrainingRecord
        Up to now.
    keep : str
        ``"best"`` or ``"last"``; without validation the last are the best known.
    count : int
        How many.

    Returns
    -------
    list of int
        Best or newest first; of equals the earlier one is better.
    """
    epochs = range(1, len(record.history) + 1)
    if keep == "last" or "validation_loss" not in record.history[-1]:
        return list(epochs)[::-1][:count]
    return sorted(epochs, key=lambda epoch: watched_cost(record.history[epoch - 1]))[:count]
