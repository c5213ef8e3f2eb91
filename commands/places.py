"""Where results may go: asked before hours are spent on them."""

from __future__ import annotations

import os
from pathlib import Path


def check_place(output: Path) -> None:
    """Refuse a place that cannot be written to, before hours are spent on it."""
    above = next(path for path in output.absolute().parents if path.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"{above} is a file, so there can be no {output}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(f"{above} may not be written to: name another place than {output}")


def check_file(output: Path) -> None:
    """Refuse a place where no file can be put, or where something that is no file is."""
    check_place(output)
    if output.is_dir():
        raise IsADirectoryError(f"{output} is a folder: name a file")
    if output.exists() and not output.is_file():
        # It would be replaced, not written to: a device would be gone.
        raise FileExistsError(f"{output} is no ordinary file: name another place")


def check_table(output: Path) -> None:
    """Refuse a place where no table can be put, or where something else is."""
    check_place(output)
    if output.is_dir():
        raise IsADirectoryError(f"{output} is a folder: name a file that ends in .parquet")
    if output.exists() and not Path(f"{output}.card.json").is_file():
        raise FileExistsError(
            f"{output} is there already and has no card, so it is not ours to replace: name "
            "another file"
        )
