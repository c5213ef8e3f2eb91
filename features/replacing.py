"""Files that appear under their final name whole or not at all."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Give a temporary sibling to write; what is left of it at the end of the block is removed.

    Parameters
    ----------
    path : Path
        The final name.

    Yields
    ------
    Path
        A name of this call alone, since two processes may write the same file at once.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary sibling to write; move it to its final name when the block ends well.

    Parameters
    ----------
    path : Path
        The final name.

    Yields
    ------
    Path
        See `unfinished`.

    Raises
    ------
    FileExistsError
        If something that is no ordinary file is there: a device would be gone, not written to.
    """
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is no ordinary file: name another place")
    with unfinished(path) as partial:
        yield partial
        partial.replace(path)


def remove_unfinished(*paths: Path) -> None:
    """Remove what killed processes have left of files they were writing.

    Parameters
    ----------
    *paths : Path
        The final names, which nobody may be writing now.
    """
    for path in paths:
        left = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.part")
        for sibling in path.parent.iterdir():
            if left.fullmatch(sibling.name):
                sibling.unlink(missing_ok=True)
