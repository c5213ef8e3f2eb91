"""How long a sound file says it is, read from its headers: what a cut file cannot hide.

libsndfile gives a cut WAV, AIFF or Ogg file as a whole, shorter one, and guesses the length of an
MP3 that does not carry it. Decoding compares what it got with what is promised here.
"""

from __future__ import annotations

import os
import re
import struct
from os import PathLike

import soundfile

# Encoders pad an MP3 by fewer frames than these, and decoders take that padding away again.
MP3_PADDING_FRAMES = 3

# Bytes: a header, 255 segments of 255 and their lengths.
MAX_OGG_PAGE = 27 + 255 + 255 * 255

# Boxes and blocks that are walked: five hours of a browser's, and an end to what was made to hang.
MAX_PARTS = 1_000_000


def declared_frames(file: soundfile.SoundFile, path: str | PathLike[str]) -> int | None:
    """Give the sample count that a header promises at least.

    Parameters
    ----------
    file : soundfile.SoundFile
        The opened file.
    path : str or path-like
        Where it lies.

    Returns
    -------
    int or None
        Samples a channel; None where the header does not promise any.
    """
    if file.format == "MP3":
        return mp3_declared_frames(path)
    # libsndfile clamps the length of a cut RIFF, AIFF or AU file to what is there and says so in
    # its log alone: "data : 88200 (should be 44078)".
    cut = re.search(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", file.extra_info)
    if cut and int(cut[2]) < int(cut[1]) < 0x7FFFF000:  # from there on: a pipe's "length unknown"
        return round(file.frames * int(cut[1]) / max(int(cut[2]), 1)) or 1
    cut_rf64 = re.search(r"does not match value from 'ds64' chunk of (\d+)", file.extra_info)
    if cut_rf64 and int(cut_rf64[1]) < 2**40:
        return max(file.frames, int(cut_rf64[1]))
    # A FLAC stream that was never told its length has the largest number instead.
    return file.frames if file.frames < 2**62 else None


def mp3_declared_frames(path: str | PathLike[str]) -> int | None:
    """Give the least sample count by the Xing/Info header of an MP3's first frame.

    Without that header libsndfile estimates the length from the file's size, tags included, so
    the estimate promises nothing.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    int or None
        Samples a channel; None without that header.
    """
    with open(path, "rb") as stream:
        start = stream.read(10)
        if start[:3] == b"ID3" and len(start) == 10:
            size = (start[6] << 21) | (start[7] << 14) | (start[8] << 7) | start[9]
            stream.seek(10 + size)
        else:
            stream.seek(0)
        head = stream.read(256)
    tag = re.search(rb"Xing|Info", head)
    if tag is None or len(head) < tag.start() + 12 or len(head) < 4:
        return None
    flags, n_mp3_frames = struct.unpack_from(">II", head, tag.start() + 4)
    is_mpeg1 = head[1] & 0x18 == 0x18
    least = max(n_mp3_frames - MP3_PADDING_FRAMES, 0) * (1152 if is_mpeg1 else 576)
    return least if flags & 1 else None


def is_ogg_ended(path: str | PathLike[str]) -> bool:
    """Whether the last page of an Ogg file is whole and marked as its stream's last.

    Ogg has no length in its header: libsndfile takes a cut file's last page for the end.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    bool
        False for a cut file.
    """
    with open(path, "rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(stream.tell() - 2 * MAX_OGG_PAGE, 0))
        tail = stream.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if len(page) < 27:
        return False
    flags, n_segments = page[5], page[26]
    length = 27 + n_segments + sum(page[27 : 27 + n_segments])
    return bool(flags & 4) and len(page) >= length


def is_mp4_ended(path: str | PathLike[str]) -> bool:
    """Whether the last box of an MP4 file is whole.

    A file in fragments has no length in its header: FFmpeg takes the last whole one for the end.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    bool
        False for a cut file, unless the cut falls between two boxes.
    """
    with open(path, "rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        position = 0
        for _ in range(MAX_PARTS):
            if position + 8 > end:
                break
            stream.seek(position)
            head = stream.read(16)
            size, kind = struct.unpack_from(">I4s", head)
            if size == 1 and len(head) == 16:
                size = struct.unpack_from(">Q", head, 8)[0]
            position += size
            if size < 8:  # the last box, of open end, or what is no box
                return True
            if position > end:
                return kind not in (b"moof", b"mdat", b"moov")
    return True


def is_webm_ended(path: str | PathLike[str]) -> bool:
    """Whether the last element of a WebM or Matroska file is whole.

    What a browser records has no length in its header: FFmpeg leaves a cut last block out.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    bool
        False for a cut file, unless the cut falls between two blocks.
    """
    with open(path, "rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        position = 0
        for _ in range(MAX_PARTS):
            if position >= end:
                break
            stream.seek(position)
            head = stream.read(12)
            # Both numbers tell their own length by the zeros before their first set bit.
            n_name = 9 - head[0].bit_length()
            n_size = 9 - head[n_name].bit_length() if len(head) > n_name else 0
            if n_name > 4 or n_size > 8:  # no element
                return True
            if not n_size or len(head) < n_name + n_size:
                return False
            mask = (1 << 7 * n_size) - 1
            size = int.from_bytes(head[n_name : n_name + n_size]) & mask
            is_open = size == mask and head[:n_name] in (b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75")
            # A live recording's segment and clusters are of unknown length: their parts are walked.
            position += n_name + n_size + (0 if is_open else size)
    return position <= end
