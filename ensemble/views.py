"""More tables for the same clips: further features, and embeddings of frozen backbones.

Conventions: a view is a table of numbers joined on `clip_id`; its columns are called
`<view>.<column>`, so that two views may use one name for two things. Its card says what kind of
table it is, and what was learned to make it:

- ``"kind"``: ``"features"``, with ``"feature_set"``; or ``"embeddings"``, with ``"embedding"``
  (which backbone, how applied; at least ``"backbone"``).
- ``"trained_on"``: null where nothing was learned from any clips of the user's: features, and
  frozen backbones. Else ``{"clip_ids_sha256", "folds_sha256", "clip_ids"}`` of the clips behind
  the backbone, where the list ``"clip_ids"`` may be left out.

Embeddings of a backbone that was trained on some of the clips tell of those clips' labels, and
those of two folds' networks lie in two spaces: such a table is refused. Its run may enter instead,
by out-of-fold probabilities. One that looked at no label (``"labels"``: false) and at no clip of
split test (``"test_rows"``: 0) has nothing to tell, and may enter.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.feature_set import NUISANCE, grouped_columns
from features.manifest import MAX_SHOWN, Manifest
from features.table import read_table

# Name of the table that the others are added to.
MAIN = "features"

KINDS = ("features", "embeddings")


@dataclass(frozen=True)
class View:
    """A table of numbers that members may look at.

    Parameters
    ----------
    name : str
        File name without extension.
    values : pd.DataFrame of shape (n_samples, n_columns), float32
        Indexed by `clip_id`; columns are called `<name>.<column>`.
    columns : list of str
        Those that members look at: all but nuisance.
    manifest : Manifest
        The clips that the table was made from, failures included.
    failures : frozenset of str
        Clips that gave no row.
    card : dict
        JSON-able: ``name``, ``kind``, ``columns`` as the table calls them, and ``feature_set`` or
        ``embedding``.
    """

    name: str
    values: pd.DataFrame
    columns: list[str]
    manifest: Manifest
    failures: frozenset[str]
    card: dict[str, Any]


def read_view(
    path: str | PathLike[str],
    clip_ids: Collection[str],
    *,
    test_ids: Collection[str] = (),
    with_nuisance: bool = False,
) -> View:
    """Read a table that is to be added, and refuse it if it leaks.

    Parameters
    ----------
    path : str or path-like
        The `.parquet` file, with its card and manifest beside it.
    clip_ids : collection of str
        All clips of the table it is added to.
    test_ids : collection of str
        Those of split test, which not even a backbone without labels may have heard.
    with_nuisance : bool
        Whether members look at features of the group `nuisance`.

    Returns
    -------
    View
        Checked for itself; see `check_views` for whether it fits.

    Raises
    ------
    FileNotFoundError
        If a part of the table is missing.
    ValueError
        If the parts don't belong together, the card does not say of what kind the table is and what
        was learned to make it, or the backbone behind it was trained on these clips.
    """
    table = read_table(path)
    _check_card(str(path), table.card)
    _check_unlearned(str(path), table.card, clip_ids, test_ids)
    name = Path(path).stem
    kind = table.card["kind"]
    described = "feature_set" if kind == "features" else "embedding"
    groups = grouped_columns(table.card["feature_set"]) if kind == "features" else {}
    nuisance = set() if with_nuisance else set(groups.get(NUISANCE, ()))
    original = list(table.values.columns)
    return View(
        name=name,
        values=table.values.add_prefix(f"{name}."),
        columns=[f"{name}.{column}" for column in original if column not in nuisance],
        manifest=table.manifest,
        failures=frozenset(table.failures["clip_id"]),
        card={
            "name": name,
            "kind": kind,
            described: table.card[described],
            "columns": original,
            "clip_ids_sha256": table.card["clip_ids_sha256"],
        },
    )


def _check_card(path: str, card: Any) -> None:
    kind = card.get("kind")
    wanted = {"features": "feature_set", "embeddings": "embedding"}
    if kind not in KINDS:
        raise ValueError(f"{path}: its card must say 'kind', one of {KINDS}, got {kind!r}")
    missing = [key for key in (wanted[kind], "trained_on") if key not in card]
    if missing:
        raise ValueError(
            f"{path}: the card of a table of {kind} must have {missing}; without them nobody can "
            "tell whether it leaks: make the table again"
        )


def _check_unlearned(
    path: str, card: Any, clip_ids: Collection[str], test_ids: Collection[str]
) -> None:
    """Refuse embeddings of a backbone that was, or may have been, trained on these clips."""
    trained_on = card["trained_on"]
    if trained_on is None:
        return
    described = trained_on if isinstance(trained_on, dict) else {}
    heard_tests = set(described.get("clip_ids") or ()) & set(test_ids)
    if described.get("labels") is False and described.get("test_rows") == 0 and not heard_tests:
        return
    known = described.get("clip_ids")
    if known is not None and not set(known) & set(clip_ids):
        return
    how = "cannot be told not to have been" if known is None else "was"
    shared = "" if known is None else f" ({len(set(known) & set(clip_ids))} of them)"
    raise ValueError(
        f"{path}: the backbone behind these embeddings {how} trained on clips of this corpus"
        f"{shared}. They would give the labels of its training clips away, and those of two folds "
        "cannot be compared. Add its run instead (--add run/), which enters by out-of-fold "
        "probabilities, or embed with a frozen backbone"
    )


def check_views(views: Sequence[View], manifest: Manifest) -> None:
    """Make sure that views tell of the same clips as the table they are added to.

    Parameters
    ----------
    views : sequence of View
        What is added.
    manifest : Manifest
        The clips that have a row in the main table.

    Raises
    ------
    ValueError
        With all problems: two views of one name, clips that a view never heard of, clips that are
        another part of the file or have another content in a view.
    """
    names = [view.name for view in views]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems = [f"two are called {name!r}" for name in twice]
    problems += [f"{name!r} is what the main table is called" for name in names if name == MAIN]
    for view in views:
        problems += [f"{view.name}: {problem}" for problem in _mismatches(view, manifest)]
    if problems:
        raise ValueError("added tables must fit: " + "; ".join(problems))


def _mismatches(view: View, manifest: Manifest) -> list[str]:
    ours = manifest.clips.set_index("clip_id")
    theirs = view.manifest.clips.set_index("clip_id")
    problems = []
    unknown = ours.index.difference(theirs.index)
    if len(unknown):
        problems.append(
            f"{len(unknown)} of {len(ours)} clips are not in its manifest, such as "
            f"{_some(unknown)}; make both tables from one manifest"
        )
    shared = ours.index[ours.index.isin(theirs.index)]
    ours, theirs = ours.loc[shared], theirs.loc[shared]
    for column in ("start_s", "end_s"):
        first, second = ours[column].to_numpy(float), theirs[column].to_numpy(float)
        other = ~np.isclose(first, second, equal_nan=True)
        if other.any():
            problems.append(f"{column} is another for {other.sum()} clips, {_some(shared[other])}")
    both = (ours["sha256"] != "") & (theirs["sha256"] != "")
    other = (both & (ours["sha256"] != theirs["sha256"])).to_numpy()
    if other.any():
        problems.append(f"the sound is another for {other.sum()} clips, {_some(shared[other])}")
    return problems


def _some(clip_ids: pd.Index) -> str:
    return ", ".join(clip_ids[:MAX_SHOWN])
