"""A folder's own note of which of its files are done, and from what: so that work goes on.

Conventions: one JSON value a line; the first are the settings, each other one file. A line is
written when its file is whole, and counts as long as neither the source nor the file has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.remote import identify
from features.replacing import replacing

LEDGER = ".files.jsonl"


@dataclass(frozen=True, slots=True)
class _Entry:
    source_state: str
    state: str
    n_clipped: int


class FinishedFiles:
    """The note of one folder.

    Parameters
    ----------
    directory : Path
        The folder; it must be there.
    settings : mapping
        What its files are made with.

    Raises
    ------
    FileExistsError
        If the folder holds files made with other settings, or that nobody noted.
    """

    def __init__(self, directory: Path, settings: Mapping[str, Any]) -> None:
        self._directory, self._path = directory, directory / LEDGER
        lines = self._path.read_text(encoding="utf-8").split("\n") if self._path.exists() else []
        found = _parse(lines[0]) if lines else None
        if found != dict(settings):
            _check_empty(directory, settings, found)
            with replacing(self._path) as partial:
                partial.write_text(json.dumps(dict(settings)) + "\n", encoding="utf-8")
        self._entries: dict[tuple[str, str], _Entry] = {}
        for line in lines[1:]:
            # The last line of a run that was killed may be half.
            if isinstance(each := _parse(line), list) and len(each) == 5:
                self._entries[each[0], each[1]] = _Entry(*each[2:])

    def find(self, targets: Mapping[str, str]) -> dict[str, int]:
        """Tell which files need not be made again.

        Parameters
        ----------
        targets : mapping of str to str
            Source -> its file, as paths.

        Returns
        -------
        dict of str to int
            Source -> what was noted of its file, for those that are whole and up to date.
        """
        states = identify([*targets.keys(), *targets.values()])
        found = {}
        for source, target in targets.items():
            entry = self._entries.get((source, self._name(target)))
            if entry and (entry.source_state, entry.state) == (states[source], states[target]):
                found[source] = entry.n_clipped
        return found

    def add(self, done: Mapping[str, tuple[str, str, int]]) -> None:
        """Note files that are whole.

        Parameters
        ----------
        done : mapping of str to (str, str, int)
            Source -> its state before it was read, its file, and what to note of it.
        """
        states = identify(target for _, target, _ in done.values())
        lines = [
            json.dumps([source, self._name(target), source_state, states[target], n_clipped])
            for source, (source_state, target, n_clipped) in done.items()
        ]
        with self._path.open("a", encoding="utf-8") as stream:
            # Ends what a killed run may have left of a line; an empty line is none.
            stream.write("\n" + "".join(f"{line}\n" for line in lines))

    def _name(self, target: str) -> str:
        return Path(target).relative_to(self._directory).as_posix()


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _check_empty(directory: Path, settings: Mapping[str, Any], found: Any) -> None:
    if any(not path.name.startswith(".") for path in directory.iterdir()):
        what = f"files made with {found}" if found else "others"
        raise FileExistsError(
            f"{directory} must be empty or hold files made with {dict(settings)}, it holds {what}; "
            "name another folder"
        )
