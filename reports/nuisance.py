"""The nuisance audit in a report: whether the recording conditions could give the labels away.

Conventions: an audit is what the results' card holds under ``nuisance``, optional, JSON:
``verdict`` ("none found", "some", "strong" or "cannot tell"), ``sentences`` (what it means),
``counts``, ``chance`` ({metric: score}), ``together`` and ``recording`` ({metric: leaf} of all
variables and of those that only the recording makes; empty where nothing was measured),
``variables`` ({name: {metric: leaf}}, empty for one that is the same in all clips), ``of_sound``
(names of variables that the sound makes too), ``labels`` ({label: {"roc_auc", "ap", "f1": leaves,
"frequency", "variable", "roc_auc_alone"}}), ``left_out`` ({label: why}), ``failures`` and ``seed``.
A leaf is ``{"value", "low", "high"}`` as in ``metrics.json``; undefined is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

VERDICTS = ("none found", "some", "strong", "cannot tell")

_REQUIRED = {
    "sentences": list,
    "together": dict,
    "recording": dict,
    "variables": dict,
    "of_sound": list,
    "labels": dict,
    "chance": dict,
}


def nuisance_problems(audit: Any) -> Iterator[str]:
    """Say what is wrong with an audit.

    Parameters
    ----------
    audit : object
        As the card holds it; None means that there is none.

    Yields
    ------
    str
        One sentence a problem.
    """
    if audit is None:
        return
    if not isinstance(audit, dict):
        yield f"nuisance must be an audit, got {type(audit).__name__}"
        return
    if audit.get("verdict") not in VERDICTS:
        yield f"the verdict on nuisance must be one of {VERDICTS}, got {audit.get('verdict')!r}"
    for key, kind in _REQUIRED.items():
        if not isinstance(audit.get(key), kind):
            yield f"nuisance must have {key} as {kind.__name__}, got {audit.get(key)!r}"


def nuisance_cautions(audit: Mapping[str, Any] | None) -> list[str]:
    """Say in short that scores may be due to the recordings, if it must be feared.

    Parameters
    ----------
    audit : mapping or None
        A sound audit.

    Returns
    -------
    list of str
        One sentence if the verdict is strong, else none.
    """
    if not audit or audit["verdict"] != "strong":
        return []
    text = (
        "How the clips were recorded, without their sound, tells labels apart in "
        f"{_percent(audit['together'])} of cases (guessing: 50 %)"
    )
    # Where all that varies may be of the sound, there is no second number.
    if audit["recording"] and audit["recording"] != audit["together"]:
        text += (
            f", what only the recording makes in {_percent(audit['recording'])}: the models may "
            "have learnt that in place of the sound"
        )
    else:
        text += ": the models may have learnt that in place of the sound"
    return [text + "; see the section on recording conditions."]


def nuisance_table(audit: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row for all that a model was shown, with every metric and its interval.

    Parameters
    ----------
    audit : mapping
        A sound audit in which something was measured.

    Returns
    -------
    DataFrame
        ``shown`` ("all together", "recording alone", each variable, "chance"), ``of_sound``
        (whether the sound makes that variable too), ``varies`` (false: the same in all clips), then
        ``<metric>``, ``<metric>_low`` and ``<metric>_high``; undefined is empty.
    """
    rows = {
        "all together": audit["together"],
        "recording alone": audit["recording"],
        **audit["variables"],
        "chance": {name: {"value": score} for name, score in audit["chance"].items()},
    }
    records = []
    for shown, leaves in rows.items():
        record: dict[str, Any] = {
            "shown": shown,
            "of_sound": shown in audit["of_sound"],
            "varies": bool(leaves),
        }
        for metric in audit["together"]:
            leaf = leaves.get(metric, {})
            record[metric] = leaf.get("value")
            record[f"{metric}_low"], record[f"{metric}_high"] = leaf.get("low"), leaf.get("high")
        records.append(record)
    table = pd.DataFrame(records)
    numbers = [name for name in table.columns if name not in ("shown", "of_sound", "varies")]
    return table.astype(dict.fromkeys(numbers, float))


def _percent(leaves: Mapping[str, Any]) -> str:
    return f"{100 * leaves['macro_roc_auc']['value']:.0f} %"
