"""Files uploaded to a labelling server, found again on disk under the names they had."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from features.audio import list_audio_files
from features.manifest import MAX_SHOWN, ManifestError

UPLOAD = "/data/upload/"
LOCAL_FILES = "/data/local-files/"
HASH = re.compile(r"[0-9a-f]{8}-")
LOST_SIGNS = re.compile(r"[^-\w.]")


def clean_name(name: str) -> str:
    """Write a file name as the server does when it takes the file in.

    Parameters
    ----------
    name : str
        File name.

    Returns
    -------
    str
        With underscores for spaces, and letters, digits, underscores, dashes and dots alone.

    References
    ----------
    Django's ``get_valid_filename``, which Label Studio stores its uploads with.

    Examples
    --------
    >>> clean_name("[cel][cla]0068__2.wav")
    'celcla0068__2.wav'
    """
    return LOST_SIGNS.sub("", name.strip().replace(" ", "_"))


def find_uploads(references: Sequence[str], folder: Path, *, where: str) -> list[str]:
    """Give the path of every file that an export refers to.

    Parameters
    ----------
    references : sequence of str
        ``/data/upload/<project>/<8 hexadecimal digits>-<name>``, with or without the server,
        ``/data/local-files/?d=<path>``, a URI elsewhere, a path or a file name.
    folder : Path
        Where the files are looked for, at any depth.
    where : str
        Name of the export, for errors.

    Returns
    -------
    list of str
        Paths relative to `folder`. A URI elsewhere stays as it is, and so does the name of a file
        that is not there, but for the digits of the upload.

    Raises
    ------
    ManifestError
        If a name is missing, or fits several files.

    Warns
    -----
    UserWarning
        If files are not there.
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in list_audio_files(folder):
        by_name[clean_name(path.name)].append(path.relative_to(folder).as_posix())
    found, problems, lost = [], [], set()
    for number, reference in enumerate(references, start=1):
        candidates = _candidates(reference, folder, by_name)
        if not reference.strip():
            problems.append(f"entry {number} must name its sound")
        elif len(candidates) > 1:
            problems.append(f"{reference} must be one file, it may be {', '.join(candidates)}")
        elif not candidates:
            lost.add(_last_part(reference))
        found.append(candidates[0] if candidates else HASH.sub("", _last_part(reference), count=1))
    if problems:
        raise ManifestError(list(dict.fromkeys(problems)), where)
    if lost:
        shown = ", ".join(sorted(lost)[:MAX_SHOWN]) + (", ..." if len(lost) > MAX_SHOWN else "")
        warnings.warn(
            f"{where}: {len(lost)} files that it names are not below {folder}: {shown}",
            stacklevel=3,
        )
    return found


def _candidates(reference: str, folder: Path, by_name: dict[str, list[str]]) -> list[str]:
    parts = urlsplit(reference)
    if parts.path.startswith(LOCAL_FILES):
        reference = parse_qs(parts.query).get("d", [""])[0]
    elif "://" in reference and UPLOAD not in parts.path:
        return [reference]
    if reference and (folder / reference).is_file():
        return [reference]
    name = _last_part(reference)
    # A name may look like an upload's and be the file's own: that goes first.
    for key in (clean_name(name), clean_name(HASH.sub("", name, count=1))):
        if key and by_name.get(key):
            return by_name[key]
    return []


def _last_part(reference: str) -> str:
    return unquote(reference).replace("\\", "/").rsplit("/", 1)[-1]
