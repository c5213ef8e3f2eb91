"""What a search found: as sentences, as a table, as files and as data for a page."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ensemble.tuning.nested import NESTED_FOLDS, NESTED_TRIALS, NestedPart
from ensemble.tuning.parts import Outcome, Part
from ensemble.tuning.rows import SearchRows
from ensemble.tuning.scores import FoldScores, get_metric
from ensemble.tuning.settings import MemberParameters, write_member_settings
from ensemble.tuning.words import (
    OPTIMISM,
    describe_nested,
    describe_search,
    describe_worth,
)
from features.replacing import replacing

TRIALS_FILE, SETTINGS_FILE = "trials.csv", "best.yaml"


@dataclass(frozen=True)
class Tuning:
    """What a search found.

    Attributes
    ----------
    rows : SearchRows
        What it looked at.
    metric : str
        Name of what was maximised.
    seed : int
        Of all that was drawn.
    outcome : Outcome
        Trials and choice.
    ready_made : dict of str to FoldScores
        What there is without a search.
    nested : dict of str to NestedPart or None
        What the choice is worth, if that was asked for.
    """

    rows: SearchRows
    metric: str
    seed: int
    outcome: Outcome
    ready_made: dict[str, FoldScores]
    nested: dict[str, NestedPart] | None = None

    @property
    def findings(self) -> list[str]:
        """What was looked at and found, in sentences."""
        words = get_metric(self.metric).words
        found = describe_search(self.rows, self.outcome, self.ready_made, metric=words)
        n_groups = len(set(self.rows.groups))
        return found + describe_nested(self.nested or {}, metric=words, n_groups=n_groups)

    @property
    def cautions(self) -> list[str]:
        """How far the best scores can be believed, in sentences."""
        return describe_worth(self.nested)

    @property
    def parameters(self) -> MemberParameters:
        """What was chosen, with where it comes from."""
        parts = self.outcome.parts
        origin: dict[str, Any] = {
            "metric": self.metric,
            "best": {name: part.best.value for name, part in parts.items()},
            "ready_made": {name: scores.value for name, scores in self.ready_made.items()},
            "caution": OPTIMISM,
            "training_clips": len(self.rows),
            "seed": self.seed,
        }
        if self.nested is not None:
            origin["nested"] = {name: float(n.tuned.value) for name, n in self.nested.items()}
        return replace(self.outcome.parameters, origin=origin)

    def trials(self) -> pd.DataFrame:
        """Give all trials as a table.

        Returns
        -------
        pd.DataFrame
            ``part``, ``turn``, ``state``, ``value``, ``seconds``, ``fold_0``, ... and a column for
            each parameter, empty where a part has none of that name.
        """
        return pd.DataFrame(
            {
                "part": name,
                "turn": record.turn,
                "state": record.state,
                "value": record.value,
                "seconds": round(record.seconds, 3),
                **{f"fold_{fold}": score for fold, score in enumerate(record.fold_scores)},
                # None is a choice like any other, and not an empty cell.
                **{k: "none" if v is None else v for k, v in record.parameters.items()},
            }
            for name, part in self.outcome.parts.items()
            for record in part.records
        )

    def as_dict(self) -> dict[str, Any]:
        """Give all of it as JSON-able data, for a page.

        Returns
        -------
        dict
            As described in `reports.tuning_page`.
        """
        rows = self.rows
        counts = {
            "training clips": len(rows),
            "groups": len(set(rows.groups)),
            "folds": len(np.unique(rows.folds)),
            "classes": len(rows.classes),
            "features": rows.X.shape[1],
            **{f"{what}, not touched": count for what, count in rows.untouched.items()},
        }
        return {
            "metric": self.metric,
            "metric_words": get_metric(self.metric).words,
            "task": rows.task,
            "seed": self.seed,
            "counts": counts,
            "findings": self.findings,
            "cautions": self.cautions,
            "parts": {
                name: _part_dict(part, self.ready_made[name])
                for name, part in self.outcome.parts.items()
            },
            "nested": None
            if self.nested is None
            else {
                "trials": NESTED_TRIALS,
                "inner_folds": NESTED_FOLDS,
                "parts": {name: part.as_dict() for name, part in self.nested.items()},
            },
        }

    def write(self, directory: str | PathLike[str]) -> None:
        """Write the table of trials and the settings that were chosen.

        Parameters
        ----------
        directory : str or path-like
            Of the search.
        """
        with replacing(Path(directory) / TRIALS_FILE) as partial:
            self.trials().to_csv(partial, index=False)
        write_member_settings(self.parameters, Path(directory) / SETTINGS_FILE)


def _part_dict(part: Part, ready_made: FoldScores) -> dict[str, Any]:
    return {
        "settings": {name: setting.as_dict() for name, setting in part.space.items()},
        "best": asdict(part.best),
        "ready_made": {
            "value": ready_made.value,
            "fold_scores": ready_made.folds,
            "parameters": part.start,
        },
        "importances": part.importances,
        "trials": [asdict(record) for record in part.records],
    }
