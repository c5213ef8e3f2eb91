"""The feature table: one row per clip, on Parquet, with its card, failures and manifest beside it.

Conventions: `X.parquet` holds `clip_id` and one float32 column per feature;
`X.parquet.card.json` says how it was made, `X.parquet.failures.csv` lists the clips that gave no
row and why, `X.parquet.manifest.csv` is the clip table it was made from, failures included.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet

from features.manifest import Manifest, read_manifest, write_manifest
from features.replacing import replacing

SCHEMA_VERSION = 1
FAILURE_COLUMNS = ["clip_id", "path", "reason"]


@dataclass(frozen=True)
class FeatureTable:
    """Numbers of clips, and where they come from.

    Parameters
    ----------
    values : pd.DataFrame of shape (n_samples, n_features), float32
        Indexed by `clip_id`, in the manifest's order.
    manifest : Manifest
        All clips that were asked for, those without a row included.
    failures : pd.DataFrame
        Columns `clip_id`, `path`, `reason`.
    card : dict
        How the table was made; JSON-able.
    """

    values: pd.DataFrame
    manifest: Manifest
    failures: pd.DataFrame
    card: Mapping[str, Any]

    def rows(self) -> Manifest:
        """Give the clips that have a row.

        Returns
        -------
        Manifest
            In the order of `values`.
        """
        positions = pd.Index(self.manifest.clips["clip_id"]).get_indexer(self.values.index)
        return self.manifest.select(positions)


def hash_clip_ids(clip_ids: Iterable[str]) -> str:
    """Name a set of clips by its content.

    Parameters
    ----------
    clip_ids : iterable of str
        The clips, in any order.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    return hashlib.sha256("\n".join(sorted(clip_ids)).encode()).hexdigest()


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name}.{what}")


def write_table(table: FeatureTable, path: str | PathLike[str]) -> None:
    """Write a table and what belongs beside it.

    The table itself comes last, and an older one goes first: a run killed in between leaves no
    table, never one with another's card.

    Parameters
    ----------
    table : FeatureTable
        What to write.
    path : str or path-like
        The `.parquet` file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    write_manifest(table.manifest, _beside(path, "manifest.csv"))
    _replace(_beside(path, "failures.csv"), table.failures[FAILURE_COLUMNS].to_csv(index=False))
    _replace(_beside(path, "card.json"), json.dumps(dict(table.card), indent=2) + "\n")
    with replacing(path) as partial:
        table.values.rename_axis("clip_id").reset_index().to_parquet(partial, index=False)


def _replace(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_card(path: str | PathLike[str]) -> dict[str, Any]:
    """Read the card beside a table.

    Parameters
    ----------
    path : str or path-like
        The `.parquet` file.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    FileNotFoundError
        If there is no card.
    ValueError
        If the card is not JSON, or was written by a later version.
    """
    card_path = _beside(Path(path), "card.json")
    if not card_path.is_file():
        raise FileNotFoundError(f"{path} has no card ({card_path.name}); is it a feature table?")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as exc:
        raise ValueError(f"{card_path} is not JSON: {exc}; extract the table again") from exc
    if not isinstance(card, dict):
        raise ValueError(f"{card_path} must hold an object, got {type(card).__name__}")
    if card.get("schema_version", 0) > SCHEMA_VERSION:
        raise ValueError(
            f"{card_path} has schema {card['schema_version']}, this version reads up to "
            f"{SCHEMA_VERSION}; upgrade timbrestack"
        )
    return card


def read_table(path: str | PathLike[str]) -> FeatureTable:
    """Read a table and what lies beside it.

    Parameters
    ----------
    path : str or path-like
        The `.parquet` file.

    Returns
    -------
    FeatureTable
        As written.

    Raises
    ------
    FileNotFoundError
        If a part is missing.
    ValueError
        If a part cannot be read, or they don't belong together.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such table: {path}")
    card = read_card(path)
    try:
        values = pd.read_parquet(path).set_index("clip_id")
    except (pyarrow.ArrowInvalid, KeyError) as exc:
        raise ValueError(f"{path} is not a feature table: {exc}") from exc
    manifest = read_manifest(_beside(path, "manifest.csv"))
    failures = pd.read_csv(_beside(path, "failures.csv"), dtype=str, keep_default_na=False)
    unknown = values.index.difference(pd.Index(manifest.clips["clip_id"]))
    same_clips = card.get("clip_ids_sha256") == hash_clip_ids(values.index)
    same_width = card.get("n_features", values.shape[1]) == values.shape[1]
    if len(unknown) or not same_clips or not same_width:
        raise ValueError(f"{path} and its card or manifest don't belong together; extract again")
    return FeatureTable(values, manifest, failures, card)
