"""The feature table: one row per clip, on Parquet, with its card, failures and manifest beside it.

Conventions: `X.parquet` holds `clip_id` and one float32 column per feature;
`X.parquet.card.json` says how it was made, `X.parquet.failures.csv` lists the clips that gave no
row and why, `X.parquet.manifest.csv` is the clip table it was made from, failures included.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from features.manifest import Manifest, read_manifest, write_manifest
from features.replacing import replacing, unfinished

SCHEMA_VERSION = 1
# Rows written at once: 16 MB of a thousand features.
ROW_GROUP = 4096

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


def parts_beside(path: str | PathLike[str]) -> list[Path]:
    """Name the files that belong to a table and lie beside it.

    Parameters
    ----------
    path : str or path-like
        The `.parquet` file.

    Returns
    -------
    list of Path
        Card, failures and manifest.
    """
    return [_beside(Path(path), what) for what in ("card.json", "failures.csv", "manifest.csv")]


class TableWriter:
    """Write a table as its rows come, in memory that does not grow with it.

    To be used in a `with` block; without `finish` nothing stays behind.

    Parameters
    ----------
    path : str or path-like
        The `.parquet` file.
    feature_names : sequence of str
        The columns.
    """

    def __init__(self, path: str | PathLike[str], feature_names: Sequence[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        columns = [pa.field(name, pa.float32()) for name in feature_names]
        self._schema = pa.schema([pa.field("clip_id", pa.string()), *columns])
        self._clip_ids: list[str] = []
        self._rows: list[np.ndarray] = []

    def __enter__(self) -> TableWriter:
        self._stack = ExitStack()
        self._partial = self._stack.enter_context(unfinished(self.path))
        # Numbers hardly repeat: a dictionary of them would only take time.
        self._file = self._stack.enter_context(
            pyarrow.parquet.ParquetWriter(
                self._partial, self._schema, use_dictionary=["clip_id"], compression="zstd"
            )
        )
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def add(self, clip_id: str, row: np.ndarray) -> None:
        """Append a row.

        Parameters
        ----------
        clip_id : str
            Whose it is.
        row : np.ndarray of shape (n_features,), float32
            The values.
        """
        self._clip_ids.append(clip_id)
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        n_features = len(self._schema) - 1
        values = np.array(self._rows, dtype=np.float32).reshape(len(self._rows), n_features)
        columns = [pa.array(column) for column in np.ascontiguousarray(values.T)]
        arrays = [pa.array(self._clip_ids, pa.string()), *columns]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._clip_ids, self._rows = [], []

    def finish(self, manifest: Manifest, failures: pd.DataFrame, card: Mapping[str, Any]) -> None:
        """Put the table in its place, and beside it what belongs there.

        The table itself comes last, and an older one goes first: a run killed in between leaves no
        table, never one with another's card.

        Parameters
        ----------
        manifest, failures, card
            See `FeatureTable`.
        """
        if self._rows:
            self._flush()
        self._file.close()
        self.path.unlink(missing_ok=True)
        write_manifest(manifest, _beside(self.path, "manifest.csv"))
        _replace(_beside(self.path, "failures.csv"), failures[FAILURE_COLUMNS].to_csv(index=False))
        _replace(_beside(self.path, "card.json"), json.dumps(dict(card), indent=2) + "\n")
        self._partial.replace(self.path)


def write_table(table: FeatureTable, path: str | PathLike[str]) -> None:
    """Write a table and what belongs beside it.

    Parameters
    ----------
    table : FeatureTable
        What to write.
    path : str or path-like
        The `.parquet` file.
    """
    with TableWriter(path, list(table.values.columns)) as writer:
        rows = table.values.to_numpy(dtype=np.float32)
        for clip_id, row in zip(table.values.index, rows, strict=True):
            writer.add(clip_id, row)
        writer.finish(table.manifest, table.failures, table.card)


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
    card, manifest, failures = check_table(path)
    return FeatureTable(read_values(path), manifest, failures, card)


def read_values(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the numbers of a table alone.

    Parameters
    ----------
    path : str or path-like
        The `.parquet` file.

    Returns
    -------
    pd.DataFrame of shape (n_samples, n_features), float32
        Indexed by `clip_id`.
    """
    return pd.read_parquet(path).set_index("clip_id")


def read_failures(path: str | PathLike[str]) -> pd.DataFrame:
    """Read the list of clips that gave no row.

    Parameters
    ----------
    path : str or path-like
        The `.parquet` file that it lies beside.

    Returns
    -------
    pd.DataFrame
        Columns `clip_id`, `path`, `reason`.
    """
    return pd.read_csv(_beside(Path(path), "failures.csv"), dtype=str, keep_default_na=False)


def check_table(
    path: str | PathLike[str],
) -> tuple[dict[str, Any], Manifest, pd.DataFrame]:
    """Read what lies beside a table, and check that all belongs together.

    Parameters
    ----------
    path : str or path-like
        The `.parquet` file, of which the clips' names are read and no values.

    Returns
    -------
    card, manifest, failures
        See `FeatureTable`.

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
        with pyarrow.parquet.ParquetFile(path) as file:
            n_columns = file.metadata.num_columns
            clip_ids = file.read(["clip_id"])["clip_id"].to_pylist()
    except (pyarrow.ArrowInvalid, KeyError) as exc:
        raise ValueError(f"{path} is not a feature table: {exc}") from exc
    manifest = read_manifest(_beside(path, "manifest.csv"))
    failures = read_failures(path)
    unknown = set(clip_ids).difference(manifest.clips["clip_id"])
    same_clips = card.get("clip_ids_sha256") == hash_clip_ids(clip_ids)
    same_width = card.get("n_features", n_columns - 1) == n_columns - 1
    if unknown or not same_clips or not same_width:
        raise ValueError(f"{path} and its card or manifest don't belong together; extract again")
    return card, manifest, failures
