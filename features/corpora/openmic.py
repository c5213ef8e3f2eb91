"""OpenMIC-2018: ten-second excerpts in which some of twenty instruments were listened for."""

from __future__ import annotations

import json
import pickletools
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from features.corpora.layout import Layout
from features.corpora.listing import keep_present, read_listing
from features.corpora.presences import join_labels
from features.manifest import MAX_SHOWN, Manifest, ManifestError, make_manifest, read_csv

CSV_NAME = "openmic-2018-aggregated-labels.csv"
NPZ_NAME = "openmic-2018.npz"
CLASSES_NAME = "class-map.json"
METADATA_NAME = "openmic-2018-metadata.csv"
SPLIT_NAMES = {"train": "split01_train.csv", "test": "split01_test.csv"}
CLASSES = ("accordion", "banjo", "bass", "cello", "clarinet", "cymbals", "drums", "flute", "guitar",
           "mallet_percussion", "mandolin", "organ", "piano", "saxophone", "synthesizer",
           "trombone", "trumpet", "ukulele", "violin", "voice")  # fmt: skip
SAMPLE_KEY = re.compile(r"\d{6}_\d+")

# As in the publisher's baseline: the listeners' agreement, 1 if all heard it, 0 if none did.
MIN_RELEVANCE = 0.5

# The two files were written with other roundings.
RELEVANCE_DIGITS = 3


def recognise(root: Path) -> str | None:
    """Recognise the publisher's table of labels.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    found = [name for name in (CSV_NAME, NPZ_NAME) if (root / name).is_file()]
    return f"it holds {found[0]}" if found else None


def read(root: Path) -> Manifest:
    """Read `audio/<first three digits>/<sample key>.ogg` with its labels and official split.

    Labels come from the aggregated CSV, the npz with `class-map.json`, or both. An instrument is
    present if its relevance is at least 0.5; one that nobody listened for is unknown.

    Parameters
    ----------
    root : Path
        The unpacked folder, `openmic-2018`.

    Returns
    -------
    Manifest
        Group = sample key, since no two excerpts are from one recording; `split` as in
        `partitions/`, empty without it; `relevance` as text (``"clarinet=0.171 flute=0"``, so that
        no model takes it for a feature) and, where the metadata are there, `artist`.

    Raises
    ------
    FileNotFoundError
        If there is neither table of labels, or `class-map.json` or one list of the split is
        missing.
    ManifestError
        If a table breaks its format, the two tables disagree, or a clip is in no or both lists.

    Warns
    -----
    UserWarning
        If clips are listed whose sound is not there.
    """
    tables = {}
    if (root / CSV_NAME).is_file():
        tables[CSV_NAME] = _read_csv_relevance(root / CSV_NAME)
    if (root / NPZ_NAME).is_file():
        tables[NPZ_NAME] = _read_npz_relevance(root)
    if not tables:
        raise FileNotFoundError(f"neither {CSV_NAME} nor {NPZ_NAME} is in {root}")
    if len(tables) == 2:
        _check_agreement(tables[CSV_NAME], tables[NPZ_NAME], root)
    relevance = next(iter(tables.values())).sort_index()
    values = relevance.to_numpy()
    keys = relevance.index.astype(str)
    table = pd.DataFrame(
        {
            "path": [f"audio/{key[:3]}/{key}.ogg" for key in keys],
            "labels": join_labels(values >= MIN_RELEVANCE, CLASSES),
            "unknown_labels": join_labels(np.isnan(values), CLASSES),
            "group": keys,
            "split": _read_split(root, keys),
            "relevance": _join_relevance(values),
        }
    )
    if (root / METADATA_NAME).is_file():
        metadata = read_listing(root / METADATA_NAME, columns=("sample_key", "artist_id"))
        artists = metadata.drop_duplicates("sample_key").set_index("sample_key")["artist_id"]
        table["artist"] = artists.reindex(keys).fillna("").to_numpy()
    return make_manifest(keep_present(table, root, listing="it"), root, where=str(root))


def _read_csv_relevance(path: Path) -> pd.DataFrame:
    """Give relevances, NaN where there is none: one row a sample key, one column a class."""
    listing = read_listing(path, columns=("sample_key", "instrument", "relevance"))
    numbers = pd.to_numeric(listing["relevance"], errors="coerce")
    odd_keys = ~listing["sample_key"].str.fullmatch(SAMPLE_KEY)
    rules = {
        "a sample key must be <6 digits>_<digits>": listing.loc[odd_keys, "sample_key"],
        f"an instrument must be one of {', '.join(CLASSES)}": listing.loc[
            ~listing["instrument"].isin(CLASSES), "instrument"
        ],
        "a relevance must be a number from 0 to 1": listing.loc[
            ~numbers.between(0, 1), "relevance"
        ],
        "an instrument must be judged once": listing.loc[
            listing.duplicated(["sample_key", "instrument"]), "sample_key"
        ],
    }
    problems = [f"{rule}, {_lines(bad)}" for rule, bad in rules.items() if len(bad)]
    if problems:
        raise ManifestError(problems, str(path))
    wide = listing.assign(relevance=numbers).pivot(
        index="sample_key", columns="instrument", values="relevance"
    )
    return wide.reindex(columns=CLASSES)


def _read_npz_relevance(root: Path) -> pd.DataFrame:
    """Give the same from `Y_true`, `Y_mask` and `sample_key`, whose columns the class map names."""
    path = root / NPZ_NAME
    if not (root / CLASSES_NAME).is_file():
        raise FileNotFoundError(f"no {CLASSES_NAME} in {root}, it names the columns of {NPZ_NAME}")
    try:
        numbers = json.loads((root / CLASSES_NAME).read_text(encoding="utf-8"))
    except ValueError as exc:
        raise ManifestError([f"it must be JSON: {exc}"], str(root / CLASSES_NAME)) from exc
    columns = [str(number) for number in range(len(CLASSES))]
    pairs = numbers.items() if isinstance(numbers, dict) else ()
    named = {str(number): str(name) for name, number in pairs}
    if sorted(named) != sorted(columns) or sorted(named.values()) != sorted(CLASSES):
        reason = f"it must number the columns of {', '.join(CLASSES)} from 0, found {numbers}"
        raise ManifestError([reason], str(root / CLASSES_NAME))
    classes = [named[column] for column in columns]
    try:
        with np.load(path, allow_pickle=False) as arrays:
            truth = arrays["Y_true"].astype(float)
            observed = arrays["Y_mask"].astype(bool)
        keys = _read_keys(path)
    except (KeyError, ValueError, zipfile.BadZipFile) as exc:
        reason = f"it must hold Y_true, Y_mask and sample_key, and no pickle but the keys': {exc}"
        raise ManifestError([reason], str(path)) from exc
    shape = (len(keys), len(classes))
    if truth.shape != shape or observed.shape != shape or len(set(keys)) != len(keys):
        found = f"Y_true {truth.shape}, Y_mask {observed.shape}, {len(set(keys))} keys"
        rule = f"one row a key and one column for each of the {len(classes)} classes are required"
        raise ManifestError([f"{rule}, found {found}"], str(path))
    values = np.where(observed, truth, np.nan)
    wide = pd.DataFrame(values, index=pd.Index(keys, name="sample_key"), columns=classes)
    return wide.reindex(columns=CLASSES)


def _read_keys(path: Path) -> list[str]:
    """Read the sample keys, without unpickling where they are an array of Python objects."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["sample_key"].astype(str).tolist()
    except ValueError:
        pass
    with zipfile.ZipFile(path) as archive, archive.open("sample_key.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape = read_header(stream)[0]
        # Loading the pickle could run anything; listing its opcodes only reads them.
        arguments = (argument for _, argument, _ in pickletools.genops(stream))
        keys = [text for text in arguments if isinstance(text, str) and SAMPLE_KEY.fullmatch(text)]
    if shape != (len(keys),):
        raise ValueError(f"sample_key has shape {shape}, but {len(keys)} keys were found in it")
    return keys


def _check_agreement(listed: pd.DataFrame, stored: pd.DataFrame, root: Path) -> None:
    """Both tables must have judged the same cells, and alike."""
    rows = listed.index.union(stored.index)
    first, second = (table.reindex(rows).to_numpy() for table in (listed, stored))
    differs = (np.isnan(first) != np.isnan(second)) | (
        (first >= MIN_RELEVANCE) != (second >= MIN_RELEVANCE)
    )
    if differs.any():
        cells = np.argwhere(differs)
        shown = "; ".join(
            f"{rows[row]} {CLASSES[column]}: {_number(first[row, column])} and "
            f"{_number(second[row, column])}"
            for row, column in cells[:MAX_SHOWN]
        )
        more = f" (and {len(cells) - MAX_SHOWN} more)" if len(cells) > MAX_SHOWN else ""
        rule = f"{CSV_NAME} and {NPZ_NAME} must agree"
        raise ManifestError([f"{rule}, found {shown}{more}; keep the one to go by"], str(root))


def _read_split(root: Path, keys: pd.Index) -> np.ndarray:
    """Give the official split of every key; empty texts where its lists are not there."""
    paths = {split: root / "partitions" / name for split, name in SPLIT_NAMES.items()}
    lost = [path for path in paths.values() if not path.is_file()]
    if len(lost) == len(paths):
        return np.full(len(keys), "", dtype=object)
    if lost:
        raise FileNotFoundError(f"no {lost[0].name} in {lost[0].parent}, the other list is there")
    member = {split: keys.isin(_read_list(path)) for split, path in paths.items()}
    wrong = keys[member["train"] == member["test"]]
    if len(wrong):
        shown = ", ".join(wrong[:MAX_SHOWN]) + (", ..." if len(wrong) > MAX_SHOWN else "")
        rule = f"every clip must be in one of {' and '.join(SPLIT_NAMES.values())}"
        problem = f"{rule}, {len(wrong)} are in both or neither: {shown}"
        raise ManifestError([problem], str(root / "partitions"))
    return np.where(member["train"], "train", "test")


def _read_list(path: Path) -> list[str]:
    # The lists have no header: what is read as one is the first key.
    table = read_csv(path)
    return [str(table.columns[0]), *table.iloc[:, 0]]


def _join_relevance(values: np.ndarray) -> list[str]:
    return [
        " ".join(f"{CLASSES[column]}={_number(row[column])}" for column in np.flatnonzero(judged))
        for row, judged in zip(values, ~np.isnan(values), strict=True)
    ]


def _number(value: float) -> str:
    return "none" if np.isnan(value) else f"{round(value, RELEVANCE_DIGITS):g}"


def _lines(bad: pd.Series) -> str:
    cells = zip(bad.index[:MAX_SHOWN].tolist(), bad.head(MAX_SHOWN), strict=True)
    shown = "; ".join(f"line {index + 2}: {value!r}" for index, value in cells)
    return shown + (f" (and {len(bad) - MAX_SHOWN} more)" if len(bad) > MAX_SHOWN else "")


LAYOUT = Layout(
    "openmic",
    "OpenMIC-2018: audio/<3 digits>/<sample key>.ogg with the aggregated labels or the npz",
    recognise,
    read,
    source="https://doi.org/10.5281/zenodo.1432913",
    licence="CC BY 4.0; every excerpt under the Creative Commons licence of its track",
    citation="E. J. Humphrey, S. Durand and B. McFee, OpenMIC-2018: An Open Data-set for Multiple "
    "Instrument Recognition, ISMIR 2018, pp. 438-444",
    expected={"clips": 20000, "labels": 20, "groups": 20000, "train": 14915, "test": 5085},
)
