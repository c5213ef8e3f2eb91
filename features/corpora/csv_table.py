"""Any CSV table with one row per clip: a manifest, or a file column and a label column."""

from __future__ import annotations

from pathlib import Path

from features.corpora.layout import Layout
from features.manifest import Manifest, make_manifest, read_csv

PATH_NAMES = ("path", "file", "filename", "file_name", "fname", "filepath", "audio")
LABEL_NAMES = ("labels", "label", "class", "category", "instrument", "target_name")


def recognise(root: Path) -> str | None:
    """Recognise a file that ends in .csv.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    return "it is a CSV file" if root.is_file() and root.suffix.lower() == ".csv" else None


def read(root: Path) -> Manifest:
    """Read a CSV table whose paths are relative to its folder.

    Parameters
    ----------
    root : Path
        The file. The clip's path is in the first column called one of `PATH_NAMES`, its labels in
        the first called one of `LABEL_NAMES`; all other columns are as in a manifest.

    Returns
    -------
    Manifest
        The clips.

    Raises
    ------
    ManifestError
        If it is no table, has no path column, or breaks the manifest's rules.
    """
    table = read_csv(root)
    for wanted, names in (("path", PATH_NAMES), ("labels", LABEL_NAMES)):
        if wanted not in table:
            found = [column for column in table if str(column).lower() in names]
            table = table.rename(columns={found[0]: wanted} if found else {})
    return make_manifest(table, root.parent, where=str(root))


LAYOUT = Layout("csv", "a CSV table with a path (or file) and a label column", recognise, read)
