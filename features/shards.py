"""Finished batches of a table as Parquet files in one folder, wherever that lies.

A shard holds its rows as one column of lists: a thousand columns of a few rows each would take
three times the room and twenty times the time. It is named by what went into it: the settings, and
each clip's name, place, part and the state of its file. The driver can tell such names without
opening a sound, so one listing of the folder shows what is left to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from features.audio import Clip
from features.clip_row import Row
from features.remote import identify, list_names, local_copy, local_path, remove, upload
from features.replacing import replacing

SUFFIX = ".parquet"
# Such a shard is whole, but some of its clips failed: they are tried again by the next run.
FAILED_SUFFIX = ".failed.parquet"

METADATA_KEY = b"timbrestack.shard"


@dataclass(frozen=True)
class Shards:
    """A folder of shards of one feature set.

    Parameters
    ----------
    folder : str
        A path or URI; made when missing.
    settings : str
        Everything besides the audio that the numbers depend on.
    n_features : int
        Length of a row.
    """

    folder: str
    settings: str
    n_features: int

    def name(self, clip_ids: Sequence[str], clips: Sequence[Clip], states: Sequence[str]) -> str:
        """Name a shard by what goes into it.

        Parameters
        ----------
        clip_ids : sequence of str
            Whose rows it holds, in order.
        clips : sequence of Clip
            The excerpts.
        states : sequence of str
            State of each clip's file, from `features.remote.identify`.

        Returns
        -------
        str
            128 bits of a SHA-256, in hexadecimal.
        """
        lines = [self.settings, *map(repr, zip(clip_ids, clips, states, strict=True))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]

    def list_finished(self) -> dict[str, bool]:
        """List the shards that are there.

        Returns
        -------
        dict
            Name -> whether all of its clips gave a row.
        """
        names = [name for name in list_names(self.folder) if not name.startswith(".")]
        failed = {
            name.removesuffix(FAILED_SUFFIX): False
            for name in names
            if name.endswith(FAILED_SUFFIX)
        }
        whole = {
            name.removesuffix(SUFFIX): True
            for name in names
            if name.endswith(SUFFIX) and not name.endswith(FAILED_SUFFIX)
        }
        return failed | whole

    def find(self, name: str) -> bool | None:
        """Look for one shard.

        Parameters
        ----------
        name : str
            From `name`.

        Returns
        -------
        bool or None
            Whether all of its clips gave a row; None if it is not there.
        """
        for whole in (True, False):
            path = self._path(name, whole=whole)
            if identify([path])[path] != "missing":
                return whole
        return None

    def write(self, name: str, clip_ids: Sequence[str], rows: Sequence[Row]) -> None:
        """Keep a shard; it appears under its name whole or not at all.

        Parameters
        ----------
        name : str
            From `name`.
        clip_ids : sequence of str
            Whose the rows are.
        rows : sequence of Row
            One for each.
        """
        failures = {k: row.reason for k, row in enumerate(rows) if row.values is None}
        notes = {
            "n_clips": len(rows),
            "silent": [k for k, row in enumerate(rows) if row.silent],
            "failures": failures,
        }
        good = [row.values for row in rows if row.values is not None]
        values = np.array(good, dtype=np.float32).reshape(-1)
        named = [clip_id for k, clip_id in enumerate(clip_ids) if k not in failures]
        table = pa.table(
            {
                "clip_id": pa.array(named, pa.string()),
                "values": pa.FixedSizeListArray.from_arrays(values, self.n_features),
            }
        ).replace_schema_metadata({METADATA_KEY: json.dumps(notes).encode()})
        self._put(table, self._path(name, whole=not failures))
        if not failures:
            remove(self._path(name, whole=False))

    def read(self, name: str, clip_ids: Sequence[str], *, whole: bool) -> list[Row]:
        """Read a shard.

        Parameters
        ----------
        name : str
            From `name`.
        clip_ids : sequence of str
            The clips that it was named for.
        whole : bool
            Whether all of them gave a row.

        Returns
        -------
        list of Row
            One for each clip.

        Raises
        ------
        OSError
            If the shard is not there, or damaged.
        """
        path = self._path(name, whole=whole)
        with local_copy(path) as copy:
            try:
                table = pyarrow.parquet.read_table(copy)
                notes = json.loads(table.schema.metadata[METADATA_KEY])
            except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as exc:
                raise OSError(f"{path} is damaged ({exc}): remove it and run again") from exc
        silent = set(notes["silent"])
        reasons = {int(k): reason for k, reason in notes["failures"].items()}
        expected = [clip_id for k, clip_id in enumerate(clip_ids) if k not in reasons]
        values = table["values"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if (
            table["clip_id"].to_pylist() != expected
            or values.size != len(expected) * self.n_features
        ):
            raise OSError(f"{path} holds other clips or features: remove it and run again")
        values = values.reshape(len(expected), self.n_features)
        rows = iter(values)
        return [
            Row(None, reason=reasons[k]) if k in reasons else Row(next(rows), k in silent)
            for k in range(len(clip_ids))
        ]

    def _path(self, name: str, *, whole: bool) -> str:
        return f"{self.folder.rstrip('/')}/{name}{SUFFIX if whole else FAILED_SUFFIX}"

    def _put(self, table: pa.Table, path: str) -> None:
        here = local_path(path)
        if here is not None:
            Path(here).parent.mkdir(parents=True, exist_ok=True)
            with replacing(Path(here)) as partial:
                _write_parquet(table, partial)
            return
        with TemporaryDirectory(prefix="timbrestack-") as folder:
            local = Path(folder) / "shard.parquet"
            _write_parquet(table, local)
            upload(local, path)


def _write_parquet(table: pa.Table, path: Path) -> None:
    # Numbers hardly repeat, and nobody looks for a range of them.
    pyarrow.parquet.write_table(
        table, path, use_dictionary=False, write_statistics=False, compression="zstd"
    )
