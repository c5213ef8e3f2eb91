"""The trials of a recipe: several trainings side by side, in one table and one picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table

from commands.console import number, out, say
from features.replacing import replacing

if TYPE_CHECKING:
    import pandas as pd

TABLE = "trials.csv"
COLUMNS = ["trial", "macro_f1", "low", "high", "accuracy", "parameters", "minutes", "settings"]


def train_trials(
    trials: Mapping[str, Mapping[str, Any]],
    train: Callable[[dict[str, Any], Path], dict[str, Any]],
    output: Path,
) -> None:
    """Train each trial into a run of its own; write their table and their validation curves.

    Finished ones are left alone, so that the same command goes on after an interruption.

    Parameters
    ----------
    trials : mapping of str to mapping
        Trial -> what it changes.
    train : callable
        ``train(changes, place) -> card``, of a run with or without scores.
    output : Path
        Holds a folder a trial, ``trials.csv`` and the picture ``trials.png`` and ``.svg``.
    """
    import pandas as pd

    from deep.training.processes import joined_processes, process_number

    output.mkdir(parents=True, exist_ok=True)
    rows = []
    # Processes that train together join once: torch does not let the same ones join again.
    with joined_processes():
        for name, changes in trials.items():
            card = train(dict(changes), output / name)
            if process_number() > 0:
                # The first one tells of it.
                continue
            rows.append(_describe(name, card, changes))
            with replacing(output / TABLE) as partial:
                pd.DataFrame(rows, columns=COLUMNS).to_csv(partial, index=False)
    if not rows:
        return
    _draw(output, list(trials))
    _tell(pd.DataFrame(rows, columns=COLUMNS))
    say(f"{len(trials)} trials: {output / TABLE}")


def _describe(name: str, card: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    scores = card.get("scores") or {}
    leaf = scores.get("macro_f1") or {"value": None, "low": None, "high": None}
    return {
        "trial": name,
        "macro_f1": leaf["value"],
        "low": leaf["low"],
        "high": leaf["high"],
        # Of single-label clips; the micro average of F1 is their accuracy.
        "accuracy": (scores.get("micro_f1") or {}).get("value")
        if card["task"] == "single-label"
        else None,
        "parameters": card["n_parameters"],
        "minutes": card["minutes"],
        "settings": json.dumps(changes, sort_keys=True),
    }


def _draw(output: Path, names: list[str]) -> None:
    import pandas as pd

    from reports.plots.curves import plot_trial_curves
    from reports.plots.style import save_figure

    histories: dict[str, list[Any]] = {
        name: [
            pd.read_csv(path).to_dict("records")
            for path in sorted((output / name).glob("*/history.csv"))
        ]
        for name in names
    }
    figure = plot_trial_curves(histories)
    save_figure(figure, output, "trials")


def _tell(rows: pd.DataFrame) -> None:
    table = Table(
        "trial",
        Column("macro F1", justify="right"),
        "95 % by group",
        Column("accuracy", justify="right"),
        Column("parameters", justify="right"),
        Column("minutes", justify="right"),
        box=None,
    )
    for row in rows.to_dict("records"):
        known = _or_none(row["low"]) is not None
        table.add_row(
            row["trial"],
            number(_or_none(row["macro_f1"])),
            f"{number(row['low'])}-{number(row['high'])}" if known else "",
            number(_or_none(row["accuracy"])),
            f"{row['parameters']:,}",
            f"{row['minutes']:.1f}",
        )
    out.print(table)


def _or_none(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
