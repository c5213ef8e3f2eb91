"""A made corpus in a folder: there whole or not at all, kept if nothing has changed.

A corpus is made in a folder beside its place and moved there when it is finished, with a card that
says what it was made from. A folder without a card, or with files that no card or manifest names,
is somebody's own and never replaced.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from features.holding import holding

CARD, MANIFEST = "card.json", "manifest.csv"


class StagedCorpus:
    """The place of a corpus that is made by one command from certain settings.

    Parameters
    ----------
    directory : Path
        Where the corpus goes.
    maker : str
        The command: what another has made is not replaced.
    settings : mapping of str to object
        All that the bytes depend on, as JSON has it.
    tables : sequence of str
        Names of its tables, ``manifest.csv`` among them.
    """

    def __init__(
        self, directory: Path, *, maker: str, settings: Mapping[str, Any], tables: Sequence[str]
    ) -> None:
        self._directory = directory.absolute()
        self._maker = maker
        self._settings = dict(settings)
        self._tables = tuple(tables)

    @property
    def manifest(self) -> Path:
        """Path of the finished manifest."""
        return self._directory / MANIFEST

    def is_finished(self) -> bool:
        """Whether the corpus is there, whole and of the same settings.

        Returns
        -------
        bool
            True if no table has changed and no clip is lost.
        """
        card = self._read_card()
        return (
            card is not None
            and card.get("digest") == self._digest()
            and card["tables"] == _hash_files(self._directory, self._tables)
            and all(path.is_file() for path in self._own_clips())
        )

    def check_replaceable(self) -> None:
        """Raise if anything would be lost that the same command has not made.

        Raises
        ------
        FileExistsError
            If the place is a file, or a folder that holds other files.
        """
        if not self._directory.exists():
            return
        if not self._directory.is_dir():
            raise FileExistsError(
                f"{self._directory} must be a directory, it is a file; give another one"
            )
        foreign = {path for path in self._directory.rglob("*") if not path.is_dir()}
        if self._read_card() is not None and self.manifest.is_file():
            foreign -= {self._directory / name for name in (CARD, *self._tables)}
            foreign -= set(self._own_clips())
        if foreign:
            raise FileExistsError(
                f"{self._directory} must be empty or hold what {self._maker} has made before, it "
                f"holds {len(foreign)} other files such as {min(foreign).name!r}; give another "
                "directory"
            )

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give a folder to make the corpus in; put it in its place when the block ends well.

        Yields
        ------
        Path
            An empty folder beside the place, so that the move stays within one file system.
        """
        place = self._directory
        place.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{place.name}-"
        with holding(place, tell=lambda what: warnings.warn(what, stacklevel=5)):
            # Nobody else makes it now: what there is of one, a killed process has left.
            left = re.compile(re.escape(prefix) + r"[a-z0-9_]{8}")
            for folder in filter(Path.is_dir, place.parent.iterdir()):
                if left.fullmatch(folder.name):
                    shutil.rmtree(folder, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=prefix, dir=place.parent) as scratch:
                yield from self._stage(Path(scratch))

    def _stage(self, scratch: Path) -> Iterator[Path]:
        """Have the corpus made in a scratch folder, then put it in its place."""
        place = self._directory
        folder = scratch / "corpus"
        folder.mkdir()
        yield folder
        card = {
            "maker": self._maker,
            "settings": self._settings,
            "digest": self._digest(),
            "tables": _hash_files(folder, self._tables),
        }
        text = json.dumps(card, indent=2, sort_keys=True) + "\n"
        (folder / CARD).write_text(text, encoding="utf-8")
        if place.exists():
            place.rename(scratch / "replaced")
        folder.rename(place)

    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self._settings, sort_keys=True).encode()).hexdigest()

    def _read_card(self) -> dict[str, Any] | None:
        """Give the card of what the same command has made here."""
        try:
            card = json.loads((self._directory / CARD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        own = isinstance(card, dict) and card.get("maker") == self._maker and "tables" in card
        return card if own else None

    def _own_clips(self) -> Iterator[Path]:
        """Give the manifest's clips that lie in the corpus; others it only refers to."""
        with self.manifest.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                path = row.get("path") or ""
                if not Path(path).is_absolute() and "://" not in path:
                    yield self._directory / path


def _hash_files(folder: Path, names: Sequence[str]) -> dict[str, str | None]:
    """Give the SHA-256 of each file, None where there is none."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if (folder / name).is_file()
        else None
        for name in names
    }
