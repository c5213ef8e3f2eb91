"""Any folder tree: the first folder below the root is the label."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from features.audio import SUFFIXES, list_audio_files
from features.corpora.layout import Layout
from features.manifest import MAX_SHOWN, SEPARATOR, Manifest, ManifestError, make_manifest


def recognise(root: Path) -> str | None:
    """Recognise any folder.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if it is no folder.
    """
    return "folders are taken as labels" if root.is_dir() else None


def read(root: Path) -> Manifest:
    """Read `root/<label>/**/<clip>`.

    Parameters
    ----------
    root : Path
        The folder. Sound files right in it, with no label folder at all, are unlabelled clips.

    Returns
    -------
    Manifest
        Without groups: a folder tree cannot tell which clips are siblings.

    Raises
    ------
    ManifestError
        If there is no sound, a name is not in UTF-8, a label holds the separator, or only some
        clips lie in label folders.
    """
    files = [path.relative_to(root) for path in list_audio_files(root)]
    if not files:
        raise ManifestError([f"no sound files found ({', '.join(SUFFIXES)})"], str(root))
    odd = [repr(str(path)) for path in files if not _is_unicode(path)]
    if odd:
        problem = f"{len(odd)} file names are not in UTF-8: {', '.join(odd[:MAX_SHOWN])}"
        raise ManifestError([f"{problem}; rename them, since no table can hold them"], str(root))
    loose = [path.as_posix() for path in files if len(path.parts) == 1]
    if loose and len(loose) < len(files):
        names = ", ".join(loose[:MAX_SHOWN])
        problem = f"{len(loose)} sound files lie outside the label folders: {names}"
        raise ManifestError([f"{problem}; move them, or list all clips in a manifest"], str(root))
    table = pd.DataFrame({"path": [path.as_posix() for path in files]})
    if not loose:
        table["labels"] = [path.parts[0] for path in files]
        bad = sorted({label for label in table["labels"] if SEPARATOR in label})
        if bad:
            raise ManifestError([f"a label must not contain '{SEPARATOR}', got {bad}"], str(root))
    return make_manifest(table, root, where=str(root))


def _is_unicode(path: Path) -> bool:
    """Tell a name that can be written in UTF-8: a file system may hold any bytes."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


LAYOUT = Layout("folder", "one folder a label, any files below", recognise, read)
