"""The RIFF chunks of a SoundFont file: its records, and the samples still packed.

References: SoundFont Technical Specification 2.04 (Creative/E-mu, 2006), sections 3 to 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_HEADER = [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("_", "V12")]
_RECORDS = {
    "phdr": np.dtype(_HEADER),
    "inst": np.dtype([("name", "S20"), ("bag", "<u2")]),
    "pbag": np.dtype([("generator", "<u2"), ("_", "V2")]),
    "ibag": np.dtype([("generator", "<u2"), ("_", "V2")]),
    "pgen": np.dtype([("number", "<u2"), ("amount", "<u2")]),
    "igen": np.dtype([("number", "<u2"), ("amount", "<u2")]),
    "shdr": np.dtype(
        [
            ("name", "S20"),
            *((name, "<u4") for name in ("start", "end", "loop_start", "loop_end", "sr")),
            *(("key", "u1"), ("cents", "i1"), ("link", "<u2"), ("kind", "<u2")),
        ]
    ),
}

# LIST, its size and the four letters of its kind; its chunks follow.
_LIST_HEADER = 12


@dataclass(frozen=True)
class Chunks:
    """What a SoundFont file holds.

    Parameters
    ----------
    records : dict of str to np.ndarray
        The structured arrays ``phdr``, ``pbag``, ``pgen`` (presets), ``inst``, ``ibag``, ``igen``
        (instruments) and ``shdr`` (samples); of each, the last record only marks the end.
    smpl : np.ndarray of shape (n_bytes,), uint8
        The samples, mapped from the file: nothing is read before it is used.
    """

    records: dict[str, np.ndarray]
    smpl: np.ndarray


def read_chunks(path: Path) -> Chunks:
    """Read the records of a SoundFont file and find its samples.

    Parameters
    ----------
    path : Path
        An SF2 or SF3 file.

    Returns
    -------
    Chunks
        A chunk of 24-bit extensions (``sm24``) is left aside.

    Raises
    ------
    ValueError
        If it is not a SoundFont file, or one without a chunk that must be there.
    """
    size = path.stat().st_size
    data = np.memmap(path, np.uint8, "r") if size else np.empty(0, np.uint8)
    start = bytes(data[:12])
    if start[:4] != b"RIFF" or start[8:] != b"sfbk":
        raise ValueError(
            f"soundfont {path} must be an SF2 or SF3 file (RIFF sfbk), it starts {start!r}"
        )
    records: dict[str, np.ndarray] = {}
    smpl: np.ndarray | None = None
    position = 12
    while position + 8 <= size:
        name = bytes(data[position : position + 4]).decode("latin-1")
        length = int.from_bytes(bytes(data[position + 4 : position + 8]), "little")
        if name == "LIST":
            position += _LIST_HEADER
            continue
        body = data[position + 8 : position + 8 + length]
        if name in _RECORDS:
            whole = len(body) // _RECORDS[name].itemsize
            records[name] = np.frombuffer(bytes(body), _RECORDS[name], count=whole)
        elif name == "smpl":
            smpl = body
        position += 8 + length + length % 2
    missing = sorted({*_RECORDS} - set(records)) + (["smpl"] if smpl is None else [])
    if missing or smpl is None:
        raise ValueError(f"soundfont {path} is damaged: it has no {', '.join(missing)} chunk")
    return Chunks(records, smpl)
