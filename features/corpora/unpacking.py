"""Archives unpacked with distrust: nothing lands outside, nothing grows without bounds."""

from __future__ import annotations

import io
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path, PurePosixPath

from features.corpora.fetching import DownloadError

# Sound packs to a half, tables to a twentieth; a bomb to a thousandth. Small archives may hold
# a silent recording.
MAX_GROWTH, SPARE_BYTES = 100, 1 << 30

# The largest corpus here has 300,000 files.
MAX_MEMBERS = 5_000_000

TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar")

# Mac OS puts an invisible file beside every file; no part of any corpus.
RESOURCE_FORKS = "__MACOSX"


def unpack(archives: Sequence[Path], directory: Path) -> None:
    """Unpack an archive into a new folder, which appears whole or not at all.

    Parameters
    ----------
    archives : sequence of Path
        A .zip, .tar.gz or .tgz file; or the parts of a split zip archive in their order, the last
        of which ends in .zip.
    directory : Path
        The folder; not there yet. If all that is in the archive is in one folder, that folder
        becomes `directory`. Nobody else may be unpacking into it.

    Raises
    ------
    DownloadError
        If the archive is damaged, there is no space for it, or it holds what no corpus needs:
        absolute names, names that lead out of the folder, links, devices, too much of anything.
    """
    staged = directory.with_name(f".{directory.name}.unpacking")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    name = archives[-1].name
    try:
        limit = MAX_GROWTH * sum(path.stat().st_size for path in archives) + SPARE_BYTES
        if name.endswith(TAR_SUFFIXES):
            _unpack_tar(archives[-1], staged, limit)
        else:
            _unpack_zip(archives, staged, limit)
        _top_folder(staged).rename(directory)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as exc:
        if isinstance(exc, DownloadError):
            raise
        join = f"; try `zip -s 0 {archives[-1]} --out whole.zip`" if len(archives) > 1 else ""
        raise DownloadError(f"{name} cannot be unpacked into {directory}: {exc}{join}") from exc
    except RuntimeError as exc:
        # What zipfile says of passwords and of codings that it does not know.
        raise DownloadError(f"{name} cannot be unpacked: {exc}; unpack it by hand") from exc
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _top_folder(staged: Path) -> Path:
    """Go into the folder that holds all; else stay."""
    found = [path for path in staged.iterdir() if path.name != RESOURCE_FORKS]
    return found[0] if len(found) == 1 and found[0].is_dir() else staged


class _Bounds:
    """Counts what an archive holds and refuses what is too much or leads elsewhere."""

    def __init__(self, archive: str, limit: int) -> None:
        self.archive, self.limit = archive, limit
        self.n_members = self.n_bytes = 0

    def admit(self, name: str, n_bytes: int, *, is_plain: bool) -> None:
        """Raise unless a member may be unpacked."""
        self.n_members += 1
        self.n_bytes += n_bytes
        if not is_plain:
            self._refuse(f"{name!r} is a link or a device")
        # Windows takes both of these for the beginning of an absolute path.
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or parts[:1] == ("/",) or re.match("[A-Za-z]:", name):
            self._refuse(f"{name!r} leads out of the folder")
        if self.n_bytes > self.limit or self.n_members > MAX_MEMBERS:
            self._refuse(
                f"it holds more than {self.limit:,} bytes or {MAX_MEMBERS:,} files, out of all "
                "proportion to its size"
            )

    def _refuse(self, reason: str) -> None:
        raise DownloadError(f"{self.archive} is not unpacked, since it is not safe: {reason}")


def _unpack_tar(path: Path, staged: Path, limit: int) -> None:
    bounds = _Bounds(path.name, limit)
    with tarfile.open(path) as archive:
        for member in archive:
            bounds.admit(member.name, member.size, is_plain=member.isreg() or member.isdir())
            archive.extract(member, staged, filter="data")


def _unpack_zip(paths: Sequence[Path], staged: Path, limit: int) -> None:
    with _opened_zip(paths) as archive:
        members = archive.infolist()
        bounds = _Bounds(paths[-1].name, limit)
        for member in members:
            mode = member.external_attr >> 16
            is_plain = stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)
            bounds.admit(member.filename, member.file_size, is_plain=is_plain)
        free = shutil.disk_usage(staged).free
        if bounds.n_bytes > free:
            raise DownloadError(
                f"{paths[-1].name} unpacks to {bounds.n_bytes:,} bytes, {free:,} are free in "
                f"{staged.parent}"
            )
        for member in members:
            archive.extract(member, staged)


@contextmanager
def _opened_zip(paths: Sequence[Path]) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive, split or not.

    A split archive's directory counts from the beginning of the part that a member is in
    (APPNOTE.TXT 6.3.10, section 8.5); zipfile counts all from that of the directory's own part.
    """
    with _JoinedFile(paths) as joined, zipfile.ZipFile(io.BufferedReader(joined)) as archive:
        if len(paths) > 1:
            counted_from = joined.starts[bisect_right(joined.starts, archive.start_dir) - 1]
            for member in archive.infolist():
                if member.volume >= len(paths):
                    raise zipfile.BadZipFile(f"{member.filename} is in a part that is missing")
                member.header_offset += joined.starts[member.volume] - counted_from
                if hasattr(member, "_end_offset"):
                    # Newer ones refuse members that pass the next one's beginning as it was.
                    member._end_offset = None
        yield archive


class _JoinedFile(io.RawIOBase):
    """Files read as one, without a copy."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._streams = [path.open("rb") for path in paths]
        sizes = [path.stat().st_size for path in paths]
        *self.starts, self._length = accumulate(sizes, initial=0)
        self._position = 0

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part = bisect_right(self.starts, self._position) - 1
        stream = self._streams[part]
        stream.seek(self._position - self.starts[part])
        wanted = len(buffer)
        if part + 1 < len(self.starts):
            wanted = min(wanted, self.starts[part + 1] - self._position)
        n_read = stream.readinto(memoryview(buffer)[:wanted])
        self._position += n_read
        return n_read
