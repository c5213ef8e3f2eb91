"""What an ablation means, in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reports.metrics.named import METRICS
from reports.significance import Difference, describe_gain


def describe_ablation(found: Mapping[str, Any]) -> list[str]:
    """Say whether the stack is better than its best member, and what each part adds.

    Parameters
    ----------
    found : mapping
        From `ensemble.ablation.leaving_out.ablate`, without sentences.

    Returns
    -------
    list of str
        The answer first; then what helps, what does not, and what limits the answer.
    """
    metric = found["metrics"][0]
    named = METRICS[metric]
    sign = -1.0 if named.lower_is_better else 1.0
    best = max(found["alone"], key=lambda part: _number(sign, part["without"][metric]["value"]))
    words = [
        describe_gain(
            _difference(best["gain"][metric]),
            first="the stack",
            second=f"its best member ({best['part']})",
            metric=named.words,
            n_groups=found["groups"],
            lower_is_better=named.lower_is_better,
        )
    ]
    if len(found["alone"]) == 1:
        words.append("There is one member only, so none can be left out.")
    parts = _describe_parts(found, "member", "Members") + _describe_parts(found, "view", "Views")
    if parts:
        paired = ", with its 95 % interval" if _has_intervals(found) else ""
        words += [*parts, f"In brackets is what a part adds to the stack{paired}."]
    words.append(
        f"Measured out of fold on {found['rows']:,} clips of {found['groups']:,} groups: the final "
        "estimator was fitted again without the part."
    )
    if not found["reproduced"]:
        words.append(
            "The stack fitted again for this comparison is not exactly the one of the results: "
            "those were made with another final estimator, from windows, or nested."
        )
    return words


def _describe_parts(found: Mapping[str, Any], kind: str, title: str) -> list[str]:
    metric = found["metrics"][0]
    sorts: dict[str, list[str]] = {"help": [], "hurt": [], "nil": [], "unsure": []}
    for part in (part for part in found["parts"] if part["kind"] == kind):
        gain = _difference(part["gain"][metric])
        sorts[_judge(gain)].append(f"{part['part']} ({_signed(gain)})")
    said = {
        "help": f"{title} that the stack is worse without",
        "hurt": f"{title} that the stack is better without",
        "nil": f"{title} that show no gain beyond chance",
        "unsure": f"{title}, with too few groups to tell a gain from chance",
    }
    words = METRICS[metric].words
    return [f"{said[sort]}: {', '.join(of)} {words}." for sort, of in sorts.items() if of]


def _has_intervals(found: Mapping[str, Any]) -> bool:
    gains = (part["gain"][found["metrics"][0]] for part in found["parts"])
    return any(gain["low"] is not None for gain in gains)


def _judge(gain: Difference) -> str:
    if not np.isfinite([gain.value, gain.low, gain.high]).all():
        return "unsure"
    if gain.low > 0:
        return "help"
    return "hurt" if gain.high < 0 else "nil"


def _signed(gain: Difference) -> str:
    if not np.isfinite(gain.value):
        return "undefined"
    text = f"{gain.value:+.3f}"
    if np.isfinite([gain.low, gain.high]).all():
        text += f", {gain.low:+.3f} to {gain.high:+.3f}"
    return text.replace("-0.000", "0.000").replace("+0.000", "0.000")


def _difference(numbers: Mapping[str, float | None]) -> Difference:
    return Difference(**{name: np.nan if n is None else n for name, n in numbers.items()})


def _number(sign: float, value: float | None) -> float:
    return -np.inf if value is None else sign * value
