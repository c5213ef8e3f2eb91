"""One file over HTTP, whole: continued where it was cut off, and checked at the end.

Conventions: what is fetched grows in ``NAME.part``; ``NAME.part.json`` keeps what the server said
of the file, so that a later run, after a crash too, can ask for the rest and tell whether it still
is the same file (RFC 9110, sections 13.1.5 and 14.2).
"""

from __future__ import annotations

import errno
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from features.corpora.remotes import Remote
from features.replacing import replacing

if TYPE_CHECKING:
    import requests

# For an answer, and then for each next piece, in seconds.
TIMEOUT_S = (10.0, 60.0)

# In a row without a byte gained; the waits between them double, from one second on.
MAX_ATTEMPTS = 5
FIRST_WAIT_S = 1.0

# A server that is busy or broken for the moment: too early, too many requests, 5xx of a gateway.
PASSING = (408, 425, 429, 500, 502, 503, 504)

# Where a connection is cut, what has come of the piece under way is lost.
CHUNK_BYTES = 1 << 16

Progress = Callable[[str, int, int], None]


class DownloadError(OSError):
    """A corpus could not be fetched or unpacked; what it says tells what to do."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What a server says of a file: any difference means another file."""

    etag: str
    last_modified: str
    size: int

    @property
    def validator(self) -> str:
        """What `If-Range` may hold; a weak tag promises no equal bytes."""
        strong = self.etag if not self.etag.startswith("W/") else ""
        return strong or self.last_modified


def fetch(remote: Remote, folder: Path, *, progress: Progress | None = None) -> Path:
    """Fetch a file, or what is missing of it.

    Parameters
    ----------
    remote : Remote
        The file.
    folder : Path
        Where to; a whole file that is there already is only checked.
    progress : callable or None
        Called with the file's name, the bytes that are there and those of the whole, 0 if nobody
        says.

    Returns
    -------
    Path
        The file, with the right checksum.

    Raises
    ------
    DownloadError
        If the server cannot be reached or refuses, there is no space, or the checksum is wrong:
        then the file is renamed to ``NAME.wrong``.
    """
    path = folder / remote.name
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        _fetch_whole(remote, part, progress)
        part.replace(path)
        _state_path(part).unlink(missing_ok=True)
    _check(path, remote)
    return path


def _check(path: Path, remote: Remote) -> None:
    import pooch

    algorithm, _, expected = remote.checksum.partition(":")
    found = pooch.file_hash(str(path), alg=algorithm)
    if found == expected:
        return
    aside = path.with_name(f"{path.name}.wrong")
    path.replace(aside)
    raise DownloadError(
        f"{remote.name} must have the {algorithm} {expected}, got {found}: it was damaged on the "
        f"way, or its publisher has changed it. It is now {aside}; run again to fetch it anew"
    )


def _fetch_whole(remote: Remote, part: Path, progress: Progress | None) -> None:
    """Go on after every cut, as long as bytes are gained."""
    import requests

    failures = 0
    while True:
        before = _size(part)
        try:
            _fetch_rest(remote, part, progress)
            return
        except requests.RequestException as exc:
            failures = 1 if _size(part) > before else failures + 1
            response = exc.response
            refused = response is not None and response.status_code not in PASSING
            if refused or failures == MAX_ATTEMPTS:
                raise DownloadError(_explain(exc, remote, part)) from exc
        except OSError as exc:
            if exc.errno != errno.ENOSPC:
                raise
            raise DownloadError(
                f"no space left in {part.parent} after {_size(part):,} bytes of {remote.name}; "
                "free some and run again, which goes on from there"
            ) from exc
        time.sleep(FIRST_WAIT_S * 2 ** (failures - 1))


def _explain(exc: requests.RequestException, remote: Remote, part: Path) -> str:
    if exc.response is not None:
        what = f"the server answers {exc.response.status_code} {exc.response.reason}"
    else:
        what = f"the connection fails ({exc})"
    return (
        f"cannot fetch {remote.url}: {what}. {_size(part):,} bytes are kept; run again to go on, "
        f"or put {remote.name} into {part.parent} by hand"
    )


def _fetch_rest(remote: Remote, part: Path, progress: Progress | None) -> None:
    """Ask once for what is missing and write what comes."""
    import requests

    known = _read_state(part)
    offset = _size(part) if known else 0
    # The transfer must not be packed: ranges count the bytes of the file.
    headers = {"Accept-Encoding": "identity"}
    if known and offset:
        headers["Range"] = f"bytes={offset}-"
        if known.validator:
            headers["If-Range"] = known.validator
    with requests.get(remote.url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        nothing_left = response.status_code == requests.codes.requested_range_not_satisfiable
        if nothing_left and known and known.size == offset:
            return
        source, start = _describe(response)
        if nothing_left or (start and (start != offset or source != known)):
            # Not the file of which the first part is here, so that begins anew.
            part.unlink(missing_ok=True)
            raise requests.ConnectionError(f"{remote.name} has changed on the server")
        response.raise_for_status()
        _check_space(part, source.size - start, remote)
        with part.open("ab" if start else "wb") as stream:
            _write_state(part, source)
            for chunk in response.iter_content(CHUNK_BYTES):
                stream.write(chunk)
                if progress is not None:
                    progress(remote.name, stream.tell(), source.size or remote.size)
    if _size(part) < source.size:
        raise requests.ConnectionError(f"cut at {_size(part):,} of {source.size:,} bytes")


def _describe(response: requests.Response) -> tuple[_Source, int]:
    """Tell the file that is sent and the byte that the answer begins with."""
    size, start = int(response.headers.get("Content-Length", 0)), 0
    if response.status_code == 206:
        span, _, whole = response.headers.get("Content-Range", "").rpartition("/")
        first = span.removeprefix("bytes ").partition("-")[0]
        # A range that nobody can place is taken for another file's.
        start = int(first) if first.isdigit() else -1
        size = int(whole) if whole.isdigit() else start + size
    headers = response.headers
    return _Source(headers.get("ETag", ""), headers.get("Last-Modified", ""), size), start


def _check_space(part: Path, n_bytes: int, remote: Remote) -> None:
    free = shutil.disk_usage(part.parent).free
    if n_bytes > free:
        raise DownloadError(
            f"{remote.name} needs {n_bytes:,} more bytes in {part.parent}, {free:,} are free"
        )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _state_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_state(part: Path) -> _Source | None:
    """Give what was noted; None also for a note that is no note, since fetching anew helps."""
    try:
        return _Source(**json.loads(_state_path(part).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write_state(part: Path, source: _Source) -> None:
    with replacing(_state_path(part)) as partial:
        partial.write_text(json.dumps(asdict(source)), encoding="utf-8")
