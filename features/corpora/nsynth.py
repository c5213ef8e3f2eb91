"""NSynth: single notes of four seconds from about a thousand sampled and synthetic instruments."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from features.corpora.layout import Layout
from features.corpora.listing import keep_present
from features.manifest import MAX_SHOWN, SEPARATOR, Manifest, ManifestError, make_manifest

EXAMPLES = "examples.json"
FOLDERS = {"nsynth-train": "train", "nsynth-valid": "validation", "nsynth-test": "test"}
FIELDS = ("instrument_family_str", "instrument_str", "instrument_source_str", "pitch", "velocity",
          "qualities_str")  # fmt: skip


def recognise(root: Path) -> str | None:
    """Recognise a part's notes, `examples.json`, beside its `audio` folder.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    for folder in ("", *FOLDERS):
        part = root / folder
        if (part / EXAMPLES).is_file() and (part / "audio").is_dir():
            return f"it holds {(Path(folder) / EXAMPLES).as_posix()} and audio"
    return None


def read(root: Path) -> Manifest:
    """Read `nsynth-{train,valid,test}/examples.json` and `audio/<note>.wav` beside it.

    Parameters
    ----------
    root : Path
        One part's folder, or the one above the parts.

    Returns
    -------
    Manifest
        Label = the instrument's family; group = the instrument, of which there are many notes;
        `split` from the part's folder; `instrument_str`, `instrument_source_str`, `pitch` (MIDI
        number), `velocity` (MIDI, 0 to 127) and `qualities` (``"dark;reverb"``) as more columns.

    Raises
    ------
    FileNotFoundError
        If there is no `examples.json` beside an `audio` folder.
    ManifestError
        If one breaks its format, or an instrument of the training part is in another one.

    Warns
    -----
    UserWarning
        If notes are listed whose sound is not there, or validation and test share instruments, as
        the publisher's do: those are two groups each then, so that the official split can stand.
    """
    parts = [root] if (root / EXAMPLES).is_file() else [root / folder for folder in FOLDERS]
    parts = [part for part in parts if (part / EXAMPLES).is_file() and (part / "audio").is_dir()]
    if not parts:
        places = ", ".join(FOLDERS)
        raise FileNotFoundError(f"no {EXAMPLES} beside a folder 'audio' in {root}, nor in {places}")
    tables = []
    for part in parts:
        notes = _read_notes(part / EXAMPLES)
        files = notes.pop("note") + ".wav"
        notes.insert(0, "path", ("" if part == root else f"{part.name}/") + "audio/" + files)
        # One listing of the folder is many times quicker than to ask for 289,205 files.
        present = set(os.listdir(part / "audio"))
        notes["there"] = [name in present for name in files]
        notes["split"] = FOLDERS.get(part.absolute().name, "")
        tables.append(notes)
    table = pd.concat(tables, ignore_index=True)
    table["group"] = _tell_apart(table["instrument_str"], table["split"], root)
    there = table.pop("there").tolist()
    table = keep_present(table, root, listing=EXAMPLES, there=there)
    return make_manifest(table, root, where=str(root))


def _read_notes(path: Path) -> pd.DataFrame:
    """Give one row a note, in the file's order."""

    def take(entry: dict[str, Any]) -> Any:
        # A note's dictionary is let go as soon as it is parsed: there may be 289,205 of them.
        return tuple(map(entry.get, FIELDS)) if "note_str" in entry else entry

    try:
        notes = json.loads(path.read_text(encoding="utf-8"), object_hook=take)
    except ValueError as exc:
        raise ManifestError([f"it must be JSON: {exc}"], str(path)) from exc
    if not isinstance(notes, dict) or not notes:
        raise ManifestError(["it must be a JSON object with one entry a note"], str(path))
    broken = [name for name, note in notes.items() if not isinstance(note, tuple) or None in note]
    if broken:
        shown = ", ".join(broken[:MAX_SHOWN]) + (", ..." if len(broken) > MAX_SHOWN else "")
        rule = f"a note must have note_str, {', '.join(FIELDS)}"
        raise ManifestError([f"{rule}, {len(broken)} have not: {shown}"], str(path))
    *columns, qualities = zip(*notes.values(), strict=True)
    table = pd.DataFrame(dict(zip(("labels", *FIELDS[1:-1]), columns, strict=True)))
    table.insert(0, "note", list(notes))
    table["qualities"] = [SEPARATOR.join(names) for names in qualities]
    return table


def _tell_apart(instruments: pd.Series, splits: pd.Series, root: Path) -> pd.Series:
    """Give groups; instruments that validation and test share become one group in each."""
    train, validation, test = (set(instruments[splits == split]) for split in FOLDERS.values())
    # One that is in train as well is no such case, but a leak: it is left for the manifest to find.
    shared = (validation & test) - train
    if not shared:
        return instruments
    warnings.warn(
        f"{root}: {len(shared)} instruments are in validation and in test, as published; each is a "
        "group in either, so what is chosen on validation has heard the test's instruments and "
        "flatters the test score. Validate on a part of train for a score without that",
        stacklevel=3,
    )
    torn = instruments.isin(shared) & splits.isin(["validation", "test"])
    return instruments.where(~torn, instruments + "@" + splits)


LAYOUT = Layout(
    "nsynth",
    "NSynth: nsynth-{train,valid,test} with examples.json and audio/<note>.wav",
    recognise,
    read,
    source="https://magenta.tensorflow.org/datasets/nsynth",
    licence="CC BY 4.0",
    citation="J. Engel, C. Resnick, A. Roberts, S. Dieleman, D. Eck, K. Simonyan and M. Norouzi, "
    "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders, 2017, arXiv:1704.01279",
    expected={
        "clips": 305979,
        "labels": 11,
        "train": 289205,
        "validation": 12678,
        "test": 4096,
    },
)
