"""What an evaluation leaves behind: all that a report needs, and no model.

Tables are joined on ``clip_id``, never by position. Truth is int8: 1, 0 and -1 (never annotated).
Scores are probabilities, one column per class in the order of ``classes``; decisions are 0 or 1.
Stage ``oof`` holds cross-fitted scores of rows used for training, ``test`` those of the test split.
Where ``oof`` scores are calibrated, ``uncalibrated`` holds those of the stack and its members
before that, for what is learned from scores; no report shows them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.ablation_card import ablation_problems
from reports.nuisance import nuisance_problems
from reports.staging import staged_directory

SCHEMA_VERSION = 2
STAGES = ("oof", "uncalibrated", "test")
SPLITS = ("train", "validation", "test")
TASKS = ("single-label", "multi-label")
# Models that every stack is shown beside; all other names are members.
REFERENCE_MODELS = ("stack", "average", "weighted", "geometric", "rank", "greedy", "chance")
# Five averages seldom differ by more than their intervals: the plain one, which has nothing to fit,
# stands for all in pictures and sentences, and the others stand in tables.
OTHER_AVERAGES = ("weighted", "geometric", "rank", "greedy")

_TABLES = ("clips", "truth", "scores", "decisions", "projection")
_CLIP_COLUMNS = ("parent", "group", "fold", "split")
_SCORE_KEYS = ["model", "stage", "clip_id"]
_VIEW_KEYS = ["view", "clip_id"]


@dataclass
class Results:
    """Scores and decisions of a stack, its members, their averages and chance.

    Attributes
    ----------
    classes : list of str
        Labels, in the order of all label columns.
    task : {"single-label", "multi-label"}
        Whether every clip has exactly one label.
    clips : DataFrame indexed by clip_id
        Columns ``parent``, ``group`` (str), ``fold`` (int, -1 = none), ``split`` (see `SPLITS`).
    truth : DataFrame of shape (n_samples, n_labels), int8, indexed by clip_id
        1, 0, or -1 for a label never annotated for that clip. Rows as in ``clips``.
    scores : DataFrame
        Columns ``model``, ``stage`` (see `STAGES`), ``clip_id``, then one float32 per class.
    decisions : DataFrame
        Same rows and columns as ``scores``, with int8 decisions 0 or 1; those of stage
        ``uncalibrated`` are those of ``oof``.
    projection : DataFrame
        Columns ``view`` ("features" or a member's name), ``clip_id``, ``pc_00`` ... float32.
    card : dict
        JSON-able description. The report shows, where present: ``members``, ``thresholds``
        ({label: value}), ``feature_set``, ``seed``, ``versions`` ({package: version}), ``counts``
        ({what: number}), ``failures`` (number), ``notes`` and ``warnings`` (lists of sentences),
        ``elsewhere`` (true if the clips are another corpus than that of the models),
        ``histories`` ({name: for each training, one dict of numbers per epoch}), ``calibration``
        (what it was and what it changed: see `reports.reliability_pictures`), ``nuisance`` (what
        the recording conditions tell of the labels: see `reports.nuisance`).
    """

    classes: list[str]
    task: str
    clips: pd.DataFrame
    truth: pd.DataFrame
    scores: pd.DataFrame
    decisions: pd.DataFrame
    projection: pd.DataFrame
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """Names of the models: stack, members in their own order, averages, chance."""
        found = [str(name) for name in self.scores["model"].unique()]
        members = [name for name in found if name not in REFERENCE_MODELS]
        return [
            *(name for name in REFERENCE_MODELS[:1] if name in found),
            *members,
            *(name for name in REFERENCE_MODELS[1:] if name in found),
        ]

    @property
    def members(self) -> list[str]:
        """Names of the stack's members, in their own order."""
        return [name for name in self.models if name not in REFERENCE_MODELS]

    def check(self) -> Results:
        """Return the results if they are sound.

        Returns
        -------
        Results
            These results.

        Raises
        ------
        ValueError
            If anything is wrong; the message lists all problems at once.
        """
        problems = list(_layout_problems(self))
        if not problems:
            problems = [*_clip_problems(self), *_score_problems(self), *_projection_problems(self)]
        if problems:
            raise ValueError(
                f"Results have {len(problems)} problem(s):\n- " + "\n- ".join(problems)
            )
        return self

    def per_parent(self) -> Results:
        """Return the results with one row per parent, the unit that is scored.

        Scores and projections are means over a parent's clips; decisions, truth, group, fold and
        split are those of its first clip. The new ``clip_id`` is the parent's name.

        Returns
        -------
        Results
            New results; ``card`` is the same.
        """
        parent = self.clips["parent"].astype(str)
        first = ~parent.duplicated()
        clips = self.clips[first].set_axis(parent[first].rename("clip_id"))
        truth = self.truth[first].set_axis(parent[first].rename("clip_id"))
        return replace(
            self,
            clips=clips,
            truth=truth,
            scores=_fold_rows(self.scores, parent, keys=_SCORE_KEYS, how="mean"),
            decisions=_fold_rows(self.decisions, parent, keys=_SCORE_KEYS, how="first"),
            projection=_fold_rows(self.projection, parent, keys=_VIEW_KEYS, how="mean"),
        )


def write_results(results: Results, directory: str | Path) -> Path:
    """Write results as five Parquet tables and ``card.json``.

    Parameters
    ----------
    results : Results
        Checked before anything is written.
    directory : str or Path
        Appears whole or not at all; older results there are replaced.

    Returns
    -------
    Path
        The directory.

    Raises
    ------
    ValueError
        If the results are unsound; see `Results.check`.
    FileExistsError
        If ``directory`` holds something that is not results.
    """
    results.check()
    card = {
        **results.card,
        "schema_version": SCHEMA_VERSION,
        "classes": results.classes,
        "task": results.task,
    }
    with staged_directory(directory, markers=("card.json", "scores.parquet")) as staging:
        for name, table in _typed_tables(results).items():
            table.to_parquet(staging / f"{name}.parquet", index=False)
        text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False)
        (staging / "card.json").write_text(text + "\n", encoding="utf-8")
    return Path(directory)


def read_results(directory: str | Path) -> Results:
    """Read what `write_results` wrote.

    Parameters
    ----------
    directory : str or Path
        A results directory, or a bundle, whose ``results/`` is read.

    Returns
    -------
    Results
        The results, checked.

    Raises
    ------
    FileNotFoundError
        If there are no results, or a table is missing.
    ValueError
        If the schema is newer than this version knows, the card is no JSON object, or the results
        are unsound.
    """
    source = _results_directory(Path(directory))
    card = _read_card(source / "card.json")
    tables = {name: pd.read_parquet(source / f"{name}.parquet") for name in _TABLES}
    for name in ("clips", "truth"):
        tables[name] = tables[name].set_index("clip_id")
    return Results(classes=card["classes"], task=card["task"], **tables, card=card).check()


def _results_directory(directory: Path) -> Path:
    files = ["card.json", *(f"{name}.parquet" for name in _TABLES)]
    for candidate in (directory, directory / "results"):
        if all((candidate / name).is_file() for name in files):
            return candidate
    raise FileNotFoundError(
        f"{directory} holds no results: expected {', '.join(files)} there or in its folder results/"
    )


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    required = {"schema_version": int, "classes": list, "task": str}
    for key, kind in required.items():
        if not isinstance(card, dict) or not isinstance(card.get(key), kind):
            raise ValueError(f"{path} must be the card of results, with {key} as {kind.__name__}")
    if card["schema_version"] > SCHEMA_VERSION:
        raise ValueError(
            f"{path} has schema version {card['schema_version']}, this version reads up to "
            f"{SCHEMA_VERSION}: upgrade timbrestack to read these results"
        )
    return card


def _typed_tables(results: Results) -> dict[str, pd.DataFrame]:
    classes = results.classes
    text = {"clip_id": str}
    clips = results.clips.rename_axis("clip_id").reset_index()
    truth = results.truth.rename_axis("clip_id").reset_index()
    scored = {"model": str, "stage": str, **text}
    components = _components(results.projection)
    return {
        "clips": clips[["clip_id", *_CLIP_COLUMNS]].astype(
            {**text, "parent": str, "group": str, "fold": np.int64, "split": str}
        ),
        "truth": truth.astype({**text, **dict.fromkeys(classes, np.int8)}),
        "scores": results.scores.astype({**scored, **dict.fromkeys(classes, np.float32)}),
        "decisions": results.decisions.astype({**scored, **dict.fromkeys(classes, np.int8)}),
        "projection": results.projection.astype(
            {"view": str, **text, **dict.fromkeys(components, np.float32)}
        ),
    }


def _components(projection: pd.DataFrame) -> list[str]:
    return [name for name in projection.columns if name not in _VIEW_KEYS]


def _fold_rows(
    table: pd.DataFrame, parent: pd.Series, *, keys: list[str], how: str
) -> pd.DataFrame:
    renamed = table.assign(clip_id=table["clip_id"].map(parent))
    folded = renamed.groupby(keys, sort=False, observed=True).agg(how).reset_index()
    values = [name for name in table.columns if name not in keys]
    return folded[list(table.columns)].astype(dict(table.dtypes[values]))


def _layout_problems(results: Results) -> Iterator[str]:
    classes = list(results.classes)
    if results.task not in TASKS:
        yield f"task must be one of {TASKS}, got {results.task!r}"
    if len(classes) < 2 or len(set(classes)) < len(classes):
        yield f"classes must be two or more different names, got {classes}"
    if reserved := sorted(set(classes) & set(_SCORE_KEYS)):
        yield f"classes must not be called {reserved}: the score tables use these names"
    expected = {
        "truth": classes,
        "scores": [*_SCORE_KEYS, *classes],
        "decisions": [*_SCORE_KEYS, *classes],
    }
    for name, columns in expected.items():
        given = list(getattr(results, name).columns)
        if given != columns:
            yield f"columns of {name} must be {columns}, got {given}"
    for name, required in {"clips": _CLIP_COLUMNS, "projection": _VIEW_KEYS}.items():
        if missing := [key for key in required if key not in getattr(results, name).columns]:
            yield f"{name} must have the columns {list(required)}, missing {missing}"
    yield from nuisance_problems(results.card.get("nuisance"))
    yield from ablation_problems(results.card.get("ablation"))
    try:
        json.dumps(results.card, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield f"card must be JSON without NaN or infinity: {error}"


def _clip_problems(results: Results) -> Iterator[str]:
    clips, truth = results.clips, results.truth
    if clips.index.has_duplicates:
        yield f"clip_id must be unique, {clips.index[clips.index.duplicated()][0]!r} is repeated"
    if not clips.index.equals(truth.index):
        yield "truth must have the same clip_ids as clips, in the same order"
        return
    if unknown := sorted(set(clips["split"]) - set(SPLITS)):
        yield f"split must be one of {SPLITS}, got {unknown}"
    for name in ("parent", "group"):
        if clips[name].isna().any() or (clips[name].astype(str) == "").any():
            yield f"every clip needs a {name} (its own clip_id will do)"
    if not truth.isin([1, 0, -1]).all(axis=None):
        yield "truth must hold only 1, 0 and -1"
    elif results.task == "single-label" and not _one_each(truth).all():
        yield "single-label truth must have exactly one 1 and no -1 in each row, " + _examples(
            truth.index[~_one_each(truth)]
        )
    parent = clips["parent"].astype(str)
    for name, table in {
        "group": clips[["group"]],
        "split": clips[["split"]],
        "truth": truth,
    }.items():
        distinct = table.groupby(parent).nunique(dropna=False)
        torn = distinct.index[(distinct > 1).any(axis=1)]
        if len(torn):
            yield f"clips of one parent must agree in {name}, {_examples(torn)}"


def _score_problems(results: Results) -> Iterator[str]:
    classes = list(results.classes)
    scores, decisions = results.scores, results.decisions
    if "stack" not in set(scores["model"]):
        yield f"scores must hold the model 'stack', got {sorted(set(scores['model']))}"
    if unknown := sorted(set(scores["stage"]) - set(STAGES)):
        yield f"stage must be one of {STAGES}, got {unknown}"
    if scores.duplicated(_SCORE_KEYS).any():
        yield "scores must have one row for each model, stage and clip_id"
    if unknown := sorted(set(scores["clip_id"]) - set(results.clips.index)):
        yield f"scores must be of listed clips, {_examples(unknown)}"
    values = scores[classes].to_numpy(float, na_value=np.nan)
    if not ((values >= -1e-6) & (values <= 1 + 1e-6)).all():
        yield "scores must be probabilities from 0 to 1 without NaN"
    if (
        not scores[_SCORE_KEYS]
        .astype(str)
        .reset_index(drop=True)
        .equals(decisions[_SCORE_KEYS].astype(str).reset_index(drop=True))
    ):
        yield "decisions must have the rows of scores, in the same order"
    if not decisions[classes].isin([0, 1]).all(axis=None):
        yield "decisions must hold only 0 and 1"
    elif results.task == "single-label" and not _one_each(decisions[classes]).all():
        yield "single-label decisions must have exactly one 1 in each row"


def _projection_problems(results: Results) -> Iterator[str]:
    projection = results.projection
    if projection.duplicated(_VIEW_KEYS).any():
        yield "projection must have one row for each view and clip_id"
    if unknown := sorted(set(projection["clip_id"]) - set(results.clips.index)):
        yield f"projection must be of listed clips, {_examples(unknown)}"


def _one_each(table: pd.DataFrame) -> pd.Series:
    return ((table == 1).sum(axis=1) == 1) & (table >= 0).all(axis=1)


def _examples(names: object) -> str:
    listed = [str(name) for name in names]  # type: ignore[attr-defined]
    return f"which fails for {len(listed)}, for example {listed[0]!r}"
