"""A search in sentences: what was looked at, what it found, and how far that can be believed."""

from __future__ import annotations

from collections.abc import Mapping

from ensemble.tuning.nested import NESTED_TRIALS, NestedPart
from ensemble.tuning.parts import Outcome, Part
from ensemble.tuning.rows import SearchRows
from ensemble.tuning.scores import FoldScores
from ensemble.tuning.spaces import STACK
from reports.significance import describe_gain

OPTIMISM = (
    "The best of many trials is also the luckiest: its score is too good to be expected of new "
    "recordings."
)


def describe_search(
    rows: SearchRows,
    outcome: Outcome,
    ready_made: Mapping[str, FoldScores],
    *,
    metric: str,
) -> list[str]:
    """Say what a search looked at and found.

    Parameters
    ----------
    rows : SearchRows
        What it looked at.
    outcome : Outcome
        What it chose.
    ready_made : mapping of str to FoldScores
        What there is without a search.
    metric : str
        What was maximised, in words.

    Returns
    -------
    list of str
        Sentences.
    """
    return [
        _rows(rows),
        *(
            _part(name, part, ready_made[name].value, metric)
            for name, part in outcome.parts.items()
        ),
    ]


def describe_worth(nested: Mapping[str, NestedPart] | None) -> list[str]:
    """Say how far the best scores can be believed.

    Parameters
    ----------
    nested : mapping of str to NestedPart or None
        What the choice is worth, if that was measured.

    Returns
    -------
    list of str
        Their optimism, and what was or can be done about it.
    """
    if nested is None:
        return [OPTIMISM, "A nested search (--nested) measures what these settings are worth."]
    return [
        OPTIMISM,
        f"So the search was run again without each fold, with {NESTED_TRIALS} trials a member, and "
        "what it chose was scored on that fold: the nested score.",
    ]


def describe_nested(nested: Mapping[str, NestedPart], *, metric: str, n_groups: int) -> list[str]:
    """Say what a search is worth.

    Parameters
    ----------
    nested : mapping of str to NestedPart
        Honest scores.
    metric : str
        What was maximised, in words.
    n_groups : int
        Number of groups behind them.

    Returns
    -------
    list of str
        One sentence or two for each part.
    """
    found = []
    for name, part in nested.items():
        gain = describe_gain(
            part.gain,
            first=f"{'the stack' if name == STACK else f'the member {name}'}, tuned,",
            second="the ready-made one",
            metric=metric,
            n_groups=n_groups,
        )
        found.append(f"{name}, nested: {metric} {float(part.tuned.value):.3f}. {gain}")
    return found


def _rows(rows: SearchRows) -> str:
    whose = "the clip table's own" if rows.folds_given else "dealt for this"
    n_folds = len(set(rows.folds.tolist()))
    sentence = (
        f"The search saw only the {len(rows):,} training clips, in {n_folds} folds ({whose}) "
        "that keep groups whole"
    )
    if not rows.untouched:
        return f"{sentence}."
    left = ", ".join(f"{count:,} {what}" for what, count in rows.untouched.items())
    return f"{sentence}; not touched: {left}."


def _part(name: str, part: Part, before: float, metric: str) -> str:
    tried = len(part.records)
    pruned = sum(record.state == "pruned" for record in part.records)
    counted = f"{tried} settings" + (f" ({pruned} given up early)" if pruned else "")
    # Of the stack the first trial stands on tuned members, so it is not ready-made.
    if part.best.turn == 0 and name != STACK:
        return f"{name}: of {counted} none beat the ready-made ones, {metric} {before:.3f}."
    return (
        f"{name}: {metric} {part.best.value:.3f} with the best of {counted}, {before:.3f} with "
        f"the ready-made {'members and stack' if name == STACK else 'ones'}."
    )
