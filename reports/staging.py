"""Directories that appear under their final name whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def check_replaceable(directory: str | Path, *, markers: Sequence[str]) -> Path:
    """Return the path if something new may stand there, or raise.

    Parameters
    ----------
    directory : str or Path
        The final place.
    markers : sequence of str
        Files that together show an existing directory to be an older version of the same thing.

    Returns
    -------
    Path
        ``directory`` with links resolved.

    Raises
    ------
    FileExistsError
        If ``directory`` is a file, or a non-empty directory without ``markers``.
    """
    final = Path(directory).resolve()
    if final.exists() and not final.is_dir():
        raise FileExistsError(f"{directory} is a file: name a directory that does not exist yet")
    missing = [name for name in markers if not (final / name).is_file()]
    if final.is_dir() and any(final.iterdir()) and missing:
        raise FileExistsError(
            f"{directory} is not empty and has no {missing[0]}, so it is not ours to replace: "
            "name another directory, or empty this one"
        )
    return final


@contextmanager
def staged_directory(directory: str | Path, *, markers: Sequence[str]) -> Iterator[Path]:
    """Give a temporary sibling to write into; swap it in when the block ends well.

    Parameters
    ----------
    directory : str or Path
        The final place; see `check_replaceable` for what may be there already.
    markers : sequence of str
        Files that mark an older version, which is replaced.

    Yields
    ------
    Path
        An empty directory beside the final one; removed if the block raises.

    Raises
    ------
    FileExistsError
        If something else stands at ``directory``.
    """
    final = check_replaceable(directory, markers=markers)
    final.parent.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex[:8]
    staging = final.with_name(f".{final.name}.{token}.partial")
    staging.mkdir()
    try:
        yield staging
        # A directory cannot be replaced in one step: move the old one away, then the new one in.
        old = final.with_name(f".{final.name}.{token}.old")
        if final.exists():
            final.rename(old)
        staging.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
