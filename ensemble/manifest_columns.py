"""Columns of the manifest as a view: what is known of a clip besides its sound, such as its genre.

Conventions: the view is called `columns`, and its columns `columns.<name>`. A column is numeric if
every cell that is not empty holds a finite number; else it is categorical: texts as they stand,
where an empty one is a category of its own. Cards say which is which, so that other manifests are
read likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ensemble.views import View
from features.manifest import MAX_SHOWN, Manifest
from features.naming import did_you_mean

# Name and kind of the view.
COLUMNS = "columns"

# What a manifest holds that no model may look at, and why.
REFUSED = {
    "labels": "it holds what is to be told",
    "unknown_labels": "it says which labels were asked for",
    "group": "a clip's group is never among those that a model was fitted on",
    "fold": "it says how the scores are made",
    "split": "it says how the scores are made",
    "path": "it names the clip",
    "clip_id": "it names the clip",
    "parent": "it names the clip",
    "sha256": "it names the clip",
}


def read_columns(manifest: Manifest, names: Sequence[str]) -> View:
    """Make a view of some columns of a manifest.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    names : sequence of str
        Its columns; see `REFUSED` for those that may not be asked for.

    Returns
    -------
    View
        With ``columns`` and ``categorical`` (names as in the manifest) in its card.

    Raises
    ------
    ValueError
        With all problems: columns that are not there, asked for twice or refused.
    """
    clips = manifest.clips
    if problems := _name_problems(list(clips.columns), list(names)):
        raise ValueError(f"columns of the manifest cannot be used: {'; '.join(problems)}")
    categorical = [name for name in names if _numbers(clips[name])[1].any()]
    card = {"name": COLUMNS, "kind": COLUMNS, "columns": list(names), "categorical": categorical}
    values = take_columns(clips, card)[0]
    values.index = pd.Index(clips["clip_id"], name="clip_id")
    return View(COLUMNS, values, list(values.columns), manifest, frozenset(), card)


def _name_problems(present: Sequence[str], names: Sequence[str]) -> list[str]:
    problems = [f"{name!r} is refused: {REFUSED[name]}" for name in names if name in REFUSED]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [f"{name!r} is asked for twice" for name in twice]
    usable = [name for name in present if name not in REFUSED]
    problems += [
        f"{name!r} is not there{did_you_mean(name, usable)} (there are {', '.join(usable)})"
        for name in names
        if name not in present and name not in REFUSED
    ]
    return problems


def find_columns_card(bundle_card: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the card of the columns that a bundle looks at.

    Parameters
    ----------
    bundle_card : mapping
        Card of a bundle.

    Returns
    -------
    dict or None
        None if it looks at none.
    """
    views = bundle_card.get("views", [])
    return next((view for view in views if view["kind"] == COLUMNS), None)


def full_names(card: Mapping[str, Any], *, categorical: bool = False) -> list[str]:
    """Name the columns as they stand in X.

    Parameters
    ----------
    card : mapping
        Of the view.
    categorical : bool
        Whether only those that hold categories are asked for.

    Returns
    -------
    list of str
        ``columns.<name>``.
    """
    return [f"{COLUMNS}.{name}" for name in card["categorical" if categorical else "columns"]]


def take_columns(
    clips: pd.DataFrame | None, card: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Take the columns of a view out of any manifest.

    Parameters
    ----------
    clips : pd.DataFrame of shape (n_samples, n_columns), or None
        Rows of a manifest; None if there is none.
    card : mapping
        Of the view.

    Returns
    -------
    values : pd.DataFrame of shape (n_samples, len(card["columns"]))
        Texts and float64 numbers, NaN where missing, by their full names.
    failures : dict of int to str
        Row -> which cell should hold a number and does not.

    Raises
    ------
    ValueError
        If there is no manifest, or columns are not in it.
    """
    wanted = card["columns"]
    missing = [name for name in wanted if clips is None or name not in clips.columns]
    if clips is None or missing:
        raise ValueError(
            f"the bundle looks at the columns {', '.join(wanted)} of a manifest, "
            + ("and sound alone has none" if clips is None else f"{', '.join(missing)} not there")
            + ": give a manifest that has them"
        )
    values: dict[str, Any] = {}
    failures: dict[int, str] = {}
    for name, full in zip(wanted, full_names(card), strict=True):
        if name in card["categorical"]:
            values[full] = pd.Series(_texts(clips[name]), dtype=object)
            continue
        values[full], bad = _numbers(clips[name])
        for row in np.flatnonzero(bad).tolist():
            failures.setdefault(
                row, f"column {name!r} must hold a number, got {clips[name].iloc[row]!r}"
            )
    return pd.DataFrame(values, index=range(len(clips))), failures


def _texts(column: pd.Series) -> list[str]:
    return ["" if pd.isna(cell) else str(cell).strip() for cell in column]


def _numbers(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Give numbers, NaN where there is none, and which cells hold something else."""
    texts = pd.Series(_texts(column), dtype=object)
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float)
    bad = ~np.isfinite(numbers) & (texts != "").to_numpy()
    return np.where(bad, np.nan, numbers), bad


def some(values: Sequence[str]) -> str:
    """Name the first of many.

    Parameters
    ----------
    values : sequence of str
        All.

    Returns
    -------
    str
        Ten at most, and how many more.
    """
    more = len(values) - MAX_SHOWN
    shown = ", ".join(values[:MAX_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
