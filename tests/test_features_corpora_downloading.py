"""Downloads from a server on loopback: cut off, killed, changed, hostile, and whole in the end."""

import hashlib
import io
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections import namedtuple
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from features.corpora import downloading, fetching, unpacking
from features.corpora.downloading import DownloadError, download_corpus, list_downloads
from features.corpora.fetching import fetch
from features.corpora.layouts import LAYOUTS
from features.corpora.remotes import REMOTES, Remote
from features.corpora.unpacking import unpack

CONTENT = np.random.default_rng(0).bytes(3_000_000)

# Pieces that are not whole when the connection is cut are lost.
CUT = 16 * fetching.CHUNK_BYTES


class Files:
    """What a server offers and how it misbehaves; `asked` holds the ranges asked for."""

    def __init__(self):
        self.contents = {}
        self.etag = '"v1"'
        self.ranges = True
        self.ranges_at_random = False
        self.length = True
        self.cut_after = []
        self.statuses = []
        self.pause_s = 0.0
        self.asked = []
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        files = self.server.files
        content = files.contents.get(self.path.lstrip("/"))
        files.asked.append(self.headers.get("Range"))
        if files.statuses and (status := files.statuses.pop(0)) != 200:
            content = None
        else:
            status = 404
        if content is None:
            self.send_error(status)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and files.ranges else 0
        if start and self.headers.get("If-Range") not in (None, files.etag, files.modified):
            start = 0
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if files.etag:
            self.send_header("ETag", files.etag)
        self.send_header("Last-Modified", files.modified)
        if start:
            told = start + 1 if files.ranges_at_random else start
            self.send_header("Content-Range", f"bytes {told}-{len(content) - 1}/{len(content)}")
        if files.length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = files.cut_after.pop(0) if files.cut_after else len(content)
        for first in range(start, end, 100_000):
            self.wfile.write(content[first : min(first + 100_000, end)])
            time.sleep(files.pause_s)

    def log_message(self, *args):
        pass


@pytest.fixture
def files(monkeypatch):
    """A server; waits between attempts are none."""
    monkeypatch.setattr(fetching, "FIRST_WAIT_S", 0.0)
    files = Files()
    files.modified = formatdate(1_500_000_000, usegmt=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files = files
    server.handle_error = lambda *args: None  # clients that are killed
    files.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield files
    server.shutdown()
    server.server_close()


def offer(files, name, content, *, algorithm="md5", **fields):
    files.contents[name] = content
    checksum = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    return Remote(name, f"{files.url}/{name}", checksum, **fields)


def make_zip(members, *, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def make_tar(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def names_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Fetching


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_is_fetched_whole_with_progress_and_leaves_nothing_else(files, tmp_path, algorithm):
    seen = []
    remote = offer(files, "a.zip", CONTENT, algorithm=algorithm)
    path = fetch(remote, tmp_path, progress=lambda *told: seen.append(told))
    assert path.read_bytes() == CONTENT
    assert names_below(tmp_path) == ["a.zip"]
    assert seen[-1] == ("a.zip", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_file_that_is_there_is_not_asked_for(files, tmp_path):
    remote = offer(files, "a.zip", CONTENT)
    (tmp_path / "a.zip").write_bytes(CONTENT)
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert files.asked == []


def test_a_cut_connection_is_taken_up_where_it_was_cut(files, tmp_path):
    files.cut_after = [CUT, 2 * CUT]
    assert fetch(offer(files, "a.zip", CONTENT), tmp_path).read_bytes() == CONTENT
    assert files.asked == [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"]


def test_a_cut_without_a_length_is_found_by_the_checksum(files, tmp_path):
    files.length, files.cut_after = False, [CUT]
    with pytest.raises(DownloadError, match=r"must have the md5 .*, got "):
        fetch(offer(files, "a.zip", CONTENT), tmp_path)


def test_a_server_that_ignores_ranges_is_asked_for_the_whole(files, tmp_path):
    files.ranges, files.cut_after = False, [CUT]
    assert fetch(offer(files, "a.zip", CONTENT), tmp_path).read_bytes() == CONTENT


def test_cuts_that_gain_nothing_end_in_an_error_that_keeps_what_is_there(files, tmp_path):
    files.cut_after = [CUT] * 9
    remote = offer(files, "a.zip", CONTENT)
    with pytest.raises(DownloadError, match=r"1,048,576 bytes are kept; run again to go on"):
        fetch(remote, tmp_path)
    assert len(files.asked) == fetching.MAX_ATTEMPTS
    files.cut_after = []
    assert fetch(remote, tmp_path).read_bytes() == CONTENT
    assert files.asked[-1] == f"bytes={CUT}-"


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', ""], ids=["strong", "weak", "none"])
def test_a_file_that_changed_in_between_is_fetched_anew(files, tmp_path, etag):
    old = bytes(len(CONTENT))
    files.etag, files.cut_after = etag, [CUT] * 9
    with pytest.raises(DownloadError, match=r"the connection fails .*bytes are kept"):
        fetch(offer(files, "a.zip", old), tmp_path)
    files.cut_after = []
    files.etag = etag.replace("v1", "v2")
    files.modified = formatdate(1_600_000_000, usegmt=True)
    assert fetch(offer(files, "a.zip", CONTENT), tmp_path).read_bytes() == CONTENT


def test_a_range_other_than_the_one_asked_for_is_not_used(files, tmp_path):
    files.ranges_at_random, files.cut_after = True, [CUT]
    assert fetch(offer(files, "a.zip", CONTENT), tmp_path).read_bytes() == CONTENT
    assert files.asked == [None, f"bytes={CUT}-", None]


def test_a_part_that_is_whole_already_is_taken_as_it_is(files, tmp_path):
    remote = offer(files, "a.zip", CONTENT)
    part = tmp_path / "a.zip.part"
    part.write_bytes(CONTENT)
    fetching._write_state(part, fetching._Source(files.etag, files.modified, len(CONTENT)))
    assert fetch(remote, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("state", [None, "{", '{"etag": 1}', "[]"])
def test_a_part_of_unknown_origin_is_fetched_anew(files, tmp_path, state):
    (tmp_path / "a.zip.part").write_bytes(bytes(1_000_000))
    if state is not None:
        (tmp_path / "a.zip.part.json").write_text(state)
    assert fetch(offer(files, "a.zip", CONTENT), tmp_path).read_bytes() == CONTENT
    assert files.asked == [None]


def test_a_wrong_checksum_sets_the_file_aside_and_says_so(files, tmp_path):
    remote = offer(files, "a.zip", CONTENT)
    files.contents["a.zip"] = CONTENT[:-1] + b"?"
    with pytest.raises(DownloadError, match=r"a\.zip\.wrong; run again to fetch it anew"):
        fetch(remote, tmp_path)
    assert names_below(tmp_path) == ["a.zip.wrong"]
    files.contents["a.zip"] = CONTENT
    assert fetch(remote, tmp_path).read_bytes() == CONTENT


def test_a_server_that_is_busy_for_a_while_is_waited_for(files, tmp_path):
    files.statuses = [503, 429, 200]
    assert fetch(offer(files, "a.zip", CONTENT), tmp_path).read_bytes() == CONTENT


def test_a_refusal_is_told_at_once(files, tmp_path):
    remote = offer(files, "a.zip", CONTENT)
    del files.contents["a.zip"]
    with pytest.raises(DownloadError, match=r"the server answers 404 .*put a\.zip into .* by hand"):
        fetch(remote, tmp_path)
    assert len(files.asked) == 1


def test_no_network_is_told_with_a_way_out(files, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "FIRST_WAIT_S", 0.0)
    remote = Remote("a.zip", "http://127.0.0.1:9/a.zip", "md5:0")
    with pytest.raises(DownloadError, match=r"the connection fails .* into .* by hand"):
        fetch(remote, tmp_path)


def test_no_space_is_told_before_a_byte_is_written(files, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10, 10, 1_000)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DownloadError, match=r"needs 3,000,000 more bytes in .*, 1,000 are free"):
        fetch(offer(files, "a.zip", CONTENT), tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_keeps_what_was_fetched(files, tmp_path, monkeypatch):
    (tmp_path / "a.zip.part").symlink_to("/dev/full")
    monkeypatch.setattr(fetching, "_size", lambda part: 0)
    with pytest.raises(DownloadError, match=r"no space left in .* run again, which goes on"):
        fetch(offer(files, "a.zip", CONTENT), tmp_path)


CLIENT = """
import sys
from pathlib import Path
from features.corpora import downloading
from features.corpora.remotes import REMOTES, Remote
REMOTES["folder"] = (Remote("a.zip", sys.argv[1], sys.argv[2]),)
downloading.download_corpus("folder", sys.argv[3])
"""


def start_client(remote, directory):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CLIENT, remote.url, remote.checksum, str(directory)],
        cwd=Path(downloading.__file__).parents[2],
    )


def test_a_killed_download_goes_on_where_it_was_killed(files, tmp_path, monkeypatch):
    content = make_zip({"x/a.bin": CONTENT}, compression=zipfile.ZIP_STORED)
    remote = offer(files, "a.zip", content)
    files.pause_s = 0.1
    client = start_client(remote, tmp_path)
    part = tmp_path / "folder.archives" / "a.zip.part"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (part.exists() and part.stat().st_size):
        time.sleep(0.01)
    os.kill(client.pid, signal.SIGKILL)
    client.wait()
    reached = part.stat().st_size
    assert 0 < reached < len(content)
    files.pause_s = 0.0
    monkeypatch.setitem(REMOTES, "folder", (remote,))
    corpus = download_corpus("folder", tmp_path)
    assert files.asked == [None, f"bytes={reached}-"]
    assert (corpus / "a.bin").read_bytes() == CONTENT
    assert names_below(tmp_path) == ["folder", "folder/a.bin"]


def test_of_two_at_once_one_fetches_and_both_have_it(files, tmp_path):
    content = make_zip({"x/a.bin": CONTENT}, compression=zipfile.ZIP_STORED)
    remote = offer(files, "a.zip", content)
    files.pause_s = 0.01
    clients = [start_client(remote, tmp_path) for _ in range(2)]
    assert [client.wait(60) for client in clients] == [0, 0]
    assert files.asked == [None]
    assert names_below(tmp_path) == ["folder", "folder/a.bin"]


# Unpacking


@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar.gz"])
def test_one_folder_that_holds_all_becomes_the_folder(tmp_path, make):
    archive = tmp_path / ("a.zip" if make is make_zip else "a.tgz")
    archive.write_bytes(make({"top/x/1.txt": b"one", "top/2.txt": b"two"}))
    unpack([archive], tmp_path / "out")
    assert names_below(tmp_path / "out") == ["2.txt", "x", "x/1.txt"]
    assert (tmp_path / "out" / "x" / "1.txt").read_bytes() == b"one"


def test_what_lies_beside_each_other_stays_so(tmp_path):
    (tmp_path / "a.zip").write_bytes(make_zip({"x/1.txt": b"one", "2.txt": b"two"}))
    unpack([tmp_path / "a.zip"], tmp_path / "out")
    assert names_below(tmp_path / "out") == ["2.txt", "x", "x/1.txt"]


def test_resource_forks_do_not_hide_the_one_folder(tmp_path):
    members = {"top/1.wav": b"sound", "__MACOSX/top/._1.wav": b"fork"}
    (tmp_path / "a.zip").write_bytes(make_zip(members))
    unpack([tmp_path / "a.zip"], tmp_path / "out")
    assert names_below(tmp_path / "out") == ["1.wav"]


def make_member(name, **fields):
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def make_linking_zip():
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    return stream.getvalue()


HOSTILE = {
    "zip_parent": ("a.zip", make_zip({"../evil.txt": b"x"}), "leads out"),
    "zip_inner_parent": ("a.zip", make_zip({"x/../../evil.txt": b"x"}), "leads out"),
    "zip_absolute": ("a.zip", make_zip({"/evil.txt": b"x"}), "leads out"),
    "zip_backslash": ("a.zip", make_zip({"..\\evil.txt": b"x"}), "leads out"),
    "zip_drive": ("a.zip", make_zip({"C:/evil.txt": b"x"}), "leads out"),
    "zip_link": ("a.zip", make_linking_zip(), "is a link or a device"),
    "tar_parent": ("a.tgz", make_tar({"../evil.txt": b"x"}), "leads out"),
    "tar_absolute": ("a.tgz", make_tar({"/evil.txt": b"x"}), "leads out"),
    "tar_link": (
        "a.tgz",
        make_tar({make_member("l", type=tarfile.SYMTYPE, linkname="/etc"): b""}),
        "is a link or a device",
    ),
    "tar_hard_link": (
        "a.tgz",
        make_tar({make_member("l", type=tarfile.LNKTYPE, linkname="../x"): b""}),
        "is a link or a device",
    ),
    "tar_device": (
        "a.tgz",
        make_tar({make_member("d", type=tarfile.CHRTYPE, devmajor=1, devminor=3): b""}),
        "is a link or a device",
    ),
}


@pytest.mark.parametrize(("name", "content", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(tmp_path, name, content, message):
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(DownloadError, match=f"is not safe: .*{message}"):
        unpack([folder / name], folder / "out")
    assert names_below(tmp_path) == ["inner", f"inner/{name}"]


@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar.gz"])
def test_a_bomb_is_refused(tmp_path, monkeypatch, make):
    monkeypatch.setattr(unpacking, "SPARE_BYTES", 0)
    archive = tmp_path / ("a.zip" if make is make_zip else "a.tgz")
    archive.write_bytes(make({"zeros.bin": bytes(3_000_000)}))
    with pytest.raises(DownloadError, match="out of all proportion"):
        unpack([archive], tmp_path / "out")
    assert names_below(tmp_path) == [archive.name]


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 10)
    (tmp_path / "a.zip").write_bytes(make_zip({f"{index}.txt": b"" for index in range(11)}))
    with pytest.raises(DownloadError, match=r"more than .* or 10 files"):
        unpack([tmp_path / "a.zip"], tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", make_zip({"a.bin": CONTENT[:5000]})[:3000]),
        ("a.zip", b"no archive"),
        ("a.tgz", make_tar({"a.bin": CONTENT[:50000]})[:30000]),
        ("a.tgz", b"no archive"),
    ],
    ids=["cut_zip", "no_zip", "cut_tar", "no_tar"],
)
def test_a_damaged_archive_is_told_and_leaves_nothing(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DownloadError, match=f"{name} cannot be unpacked into"):
        unpack([tmp_path / name], tmp_path / "out")
    assert names_below(tmp_path) == [name]


def test_a_flipped_bit_is_found(tmp_path):
    content = bytearray(make_zip({"a.bin": CONTENT[:5000]}, compression=zipfile.ZIP_STORED))
    content[1000] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DownloadError, match="Bad CRC-32"):
        unpack([tmp_path / "a.zip"], tmp_path / "out")


def test_what_a_killed_unpacking_left_is_removed(tmp_path):
    (tmp_path / ".out.unpacking" / "x").mkdir(parents=True)
    (tmp_path / "a.zip").write_bytes(make_zip({"1.txt": b"one", "2.txt": b"two"}))
    unpack([tmp_path / "a.zip"], tmp_path / "out")
    assert names_below(tmp_path) == ["a.zip", "out", "out/1.txt", "out/2.txt"]


def test_no_space_for_the_unpacked_is_told_before(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10, 10, 1_000)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda path: usage)
    (tmp_path / "a.zip").write_bytes(make_zip({"a.bin": CONTENT}))
    with pytest.raises(DownloadError, match="unpacks to 3,000,000 bytes, 1,000 are free"):
        unpack([tmp_path / "a.zip"], tmp_path / "out")


def split_zip(content, n_parts, folder):
    """Split an archive as APPNOTE.TXT 8.5 describes: parts, and offsets from each one's start."""
    content = bytearray(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        n_members, directory = len(archive.infolist()), archive.start_dir
    size = -(-len(content) // n_parts)
    position = directory
    for _ in range(n_members):
        lengths = struct.unpack_from("<HHH", content, position + 28)
        (offset,) = struct.unpack_from("<L", content, position + 42)
        struct.pack_into("<H", content, position + 34, offset // size)
        struct.pack_into("<L", content, position + 42, offset % size)
        position += 46 + sum(lengths)
    struct.pack_into("<HH", content, position + 4, n_parts - 1, directory // size)
    struct.pack_into("<L", content, position + 16, directory % size)
    endings = [f"z{part:02d}" for part in range(1, n_parts)] + ["zip"]
    paths = [folder / f"a.{ending}" for ending in endings]
    for part, path in enumerate(paths):
        path.write_bytes(content[part * size : (part + 1) * size])
    return paths


MEMBERS = {f"top/{index}.bin": CONTENT[index * 5000 : index * 9000] for index in range(30)}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("n_parts", [2, 3, 7])
def test_a_split_archive_is_read_as_one(tmp_path, n_parts, compression):
    paths = split_zip(make_zip(MEMBERS, compression=compression), n_parts, tmp_path)
    unpack(paths, tmp_path / "out")
    for name, content in MEMBERS.items():
        assert (tmp_path / "out" / Path(name).name).read_bytes() == content


@pytest.mark.skipif(shutil.which("zip") is None, reason="needs Info-ZIP, which splits archives")
def test_an_archive_that_info_zip_split_is_read(tmp_path):
    (tmp_path / "top").mkdir()
    for name, content in MEMBERS.items():
        (tmp_path / name).write_bytes(content)
    command = ["zip", "-q", "-r", "-s", "1m", "a.zip", "top"]
    subprocess.run(command, cwd=tmp_path, check=True)
    parts = sorted(tmp_path.glob("a.z0*"))
    assert len(parts) >= 1
    unpack([*parts, tmp_path / "a.zip"], tmp_path / "out")
    for name, content in MEMBERS.items():
        assert (tmp_path / "out" / Path(name).name).read_bytes() == content


def test_a_missing_part_is_told(tmp_path):
    first, *_, last = split_zip(make_zip(MEMBERS, compression=zipfile.ZIP_STORED), 4, tmp_path)
    with pytest.raises(DownloadError, match=r"a\.zip cannot be unpacked"):
        unpack([first, last], tmp_path / "out")


# Corpora


def test_a_corpus_of_several_archives_is_put_together(files, tmp_path, monkeypatch):
    first = offer(files, "one.zip", make_zip({"one/1.txt": b"1"}), folder="one")
    second = offer(files, "two.tgz", make_tar({"2.txt": b"2", "3.txt": b"3"}), folder="two")
    monkeypatch.setitem(REMOTES, "folder", (first, second))
    corpus = download_corpus("folder", tmp_path, only=["two.tgz"])
    assert names_below(corpus) == ["two", "two/2.txt", "two/3.txt"]
    assert download_corpus("folder", tmp_path) == corpus == tmp_path / "folder"
    assert names_below(corpus) == ["one", "one/1.txt", "two", "two/2.txt", "two/3.txt"]
    assert names_below(tmp_path)[0] == "folder"
    assert len(files.asked) == 2


def test_parts_of_a_split_archive_are_fetched_with_any_of_them(files, tmp_path, monkeypatch):
    (tmp_path / "parts").mkdir()
    paths = split_zip(make_zip(MEMBERS), 3, tmp_path / "parts")
    remotes = [offer(files, path.name, path.read_bytes(), folder="audio") for path in paths]
    monkeypatch.setitem(REMOTES, "folder", tuple(remotes))
    corpus = download_corpus("folder", tmp_path, only=["a.zip"])
    assert len(list((corpus / "audio").iterdir())) == len(MEMBERS)


def test_a_corpus_that_is_there_is_not_fetched_again(files, tmp_path, monkeypatch):
    remote = offer(files, "a.zip", make_zip({"top/1.txt": b"1"}))
    monkeypatch.setitem(REMOTES, "folder", (remote,))
    first = download_corpus("folder", tmp_path)
    assert download_corpus("folder", tmp_path) == first
    assert len(files.asked) == 1


def test_an_archive_put_there_by_hand_is_used(files, tmp_path, monkeypatch):
    remote = offer(files, "a.zip", make_zip({"top/1.txt": b"1"}))
    monkeypatch.setitem(REMOTES, "folder", (remote,))
    (tmp_path / "folder.archives").mkdir()
    (tmp_path / "folder.archives" / "a.zip").write_bytes(files.contents["a.zip"])
    assert (download_corpus("folder", tmp_path) / "1.txt").read_bytes() == b"1"
    assert files.asked == []


def test_a_hostile_corpus_leaves_only_its_archive(files, tmp_path, monkeypatch):
    remote = offer(files, "a.zip", HOSTILE["zip_parent"][1])
    monkeypatch.setitem(REMOTES, "folder", (remote,))
    with pytest.raises(DownloadError, match="is not safe"):
        download_corpus("folder", tmp_path)
    assert names_below(tmp_path) == ["folder.archives", "folder.archives/a.zip"]


@pytest.mark.parametrize(
    ("name", "only", "message"),
    [
        ("nowhere", None, r"must be one of esc50, .*, got 'nowhere'$"),
        ("philharmonia", None, r"got 'philharmonia'; see https://philharmonia"),
        ("fsdd", ["x.zip"], r"archives of fsdd must be among free-spoken.*, got x\.zip"),
        ("fsdd", [], r"must be among .*, got none"),
    ],
)
def test_what_is_not_offered_is_refused(tmp_path, name, only, message):
    with pytest.raises(ValueError, match=message):
        download_corpus(name, tmp_path, only=only)
    assert names_below(tmp_path) == []


@pytest.mark.parametrize("name", sorted(REMOTES))
def test_every_remote_is_well_formed_and_belongs_to_a_layout_with_a_licence(name):
    assert LAYOUTS[name].licence
    for remote in REMOTES[name]:
        assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", remote.checksum)
        assert re.match(r"https?://[\w.]+/", remote.url)
        assert re.search(r"\.(zip|z\d\d|tar\.gz|tgz)$", remote.name)
    names = [remote.name for remote in REMOTES[name]]
    assert len(set(names)) == len(names)


def test_the_list_tells_sizes_that_are_known_and_none_that_are_not():
    downloads = {download.name: download for download in list_downloads()}
    assert list(downloads) == sorted(REMOTES)
    assert downloads["fsdd"].size == 11_975_353
    assert downloads["irmas"].size is None
    assert downloads["irmas"].licence == LAYOUTS["irmas"].licence


# Archives in little, with names that the readers know; whether one folder holds all in an archive
# makes no difference.
ARCHIVES = {
    "irmas": [{"IRMAS-TrainingData/cla/[cla][cla]0189__2.wav": b""}],
    "irmas-test": [
        {
            f"Part{part}/02 - And The Body Will Die-8.{ending}": b"gel\t\n"
            for ending in ("wav", "txt")
        }
        for part in (1, 2, 3)
    ],
    "openmic": [
        {
            "openmic-2018/openmic-2018-aggregated-labels.csv": b"",
            "openmic-2018/audio/000/000046_3840.ogg": b"",
        }
    ],
    "urbansound8k": [
        {
            "UrbanSound8K/metadata/UrbanSound8K.csv": b"",
            "UrbanSound8K/audio/fold5/100032-3-0-0.wav": b"",
        }
    ],
    "esc50": [{"ESC-50-master/meta/esc50.csv": b"", "ESC-50-master/audio/1-100032-A-0.wav": b""}],
    "fsd50k": [
        {"FSD50K.dev_audio/64760.wav": bytes(100)},
        {"FSD50K.eval_audio/37199.wav": bytes(100)},
        {"FSD50K.ground_truth/dev.csv": b"", "FSD50K.ground_truth/eval.csv": b""},
        {"FSD50K.metadata/dev_clips_info_FSD50K.json": b""},
        {"FSD50K.doc/README.md": b""},
    ],
    "nsynth": [
        {
            f"nsynth-{part}/examples.json": b"",
            f"nsynth-{part}/audio/bass_synthetic_068-049-025.wav": b"",
        }
        for part in ("train", "valid", "test")
    ],
    "speech-commands": [
        {
            "./validation_list.txt": b"",
            "./testing_list.txt": b"",
            "./yes/0a7c2a8d_nohash_0.wav": b"",
        }
    ],
    "fsdd": [{"free-spoken-digit-dataset-1.0.9/recordings/7_jackson_32.wav": b""}],
}


@pytest.mark.parametrize("name", sorted(REMOTES))
def test_an_unpacked_corpus_is_what_its_reader_expects(files, tmp_path, monkeypatch, name):
    folders = {}
    for remote in REMOTES[name]:
        folders.setdefault(remote.folder, []).append(remote)
    remotes = []
    for (folder, parts), members in zip(folders.items(), ARCHIVES[name], strict=True):
        is_tar = parts[0].name.endswith(("gz", "tgz"))
        content = (make_tar if is_tar else make_zip)(members)
        contents = [content]
        if len(parts) > 1:
            (tmp_path / folder).mkdir()
            paths = split_zip(content, len(parts), tmp_path / folder)
            contents = [path.read_bytes() for path in paths]
        for part, content in zip(parts, contents, strict=True):
            remotes.append(offer(files, part.name, content, folder=folder))
    monkeypatch.setitem(REMOTES, name, tuple(remotes))
    corpus = download_corpus(name, tmp_path / "corpora")
    assert LAYOUTS[name].recognise(corpus)
    assert not (tmp_path / "corpora" / f"{name}.archives").exists()
