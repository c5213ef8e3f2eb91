"""What is known of each clip's recording, the sound left aside: the table that an audit reads.

Conventions: one row per clip; lengths in s, levels in dBFS, loudness in LUFS, frequencies and
rates in Hz, bit rates in kbit/s. A clip that could not be read has its reason under `failure`
and no numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pandas as pd

from features.audio import AudioDecodeError, read_info
from features.extraction import extract_to_file
from features.manifest import Manifest
from features.named_sets import get_feature_set
from features.remote import local_copy
from features.table import read_failures, read_values

FEATURE_SET = "nuisance-v1"
HEADER_COLUMNS = ("sr", "n_channels", "codec", "bit_rate")
FAILURE = "failure"

# Steps of -60 dBFS: less than one is left of any tone that does not end with a whole period.
DC_STEP = 1e-3

# Steps of 8 kbit/s, in which codecs name their rates: a header of a short file adds less than one.
BIT_RATE_STEP = 8.0

# Headers that one task reads: enough that handing them out costs nothing.
HEADERS_AT_ONCE = 256


@dataclass(frozen=True)
class Variable:
    """One circumstance of a recording, which may be told and repaired by itself.

    Parameters
    ----------
    name : str
        What reports call it.
    columns : tuple of str
        Columns of the table that measure it.
    remedy : str
        What to do so that it no longer differs between labels.
    of_sound : bool
        Whether the sound itself makes it too, in any recording: a flute is brighter than a double
        bass.
    """

    name: str
    columns: tuple[str, ...]
    remedy: str
    of_sound: bool = False


VARIABLES = (
    Variable(
        "duration",
        ("duration_mean",),
        "cut all clips to one length, or into windows of one length",
    ),
    Variable(
        "leading silence",
        ("leading_silence_s",),
        "trim the silence before the sound",
    ),
    Variable(
        "trailing silence",
        ("trailing_silence_s",),
        "trim the silence after the sound",
        of_sound=True,
    ),
    Variable(
        "level",
        ("level_mean", "level_std", "level_max"),
        "bring all clips to one level, as the built-in features do",
        of_sound=True,
    ),
    Variable(
        "loudness",
        ("loudness_mean", "loudness_max"),
        "bring all clips to one loudness",
        of_sound=True,
    ),
    Variable(
        "bandwidth",
        ("bandwidth_p50", "bandwidth_p90"),
        "low-pass all clips where the dullest recordings end",
        of_sound=True,
    ),
    Variable("DC offset", ("dc_offset",), "take the mean off each clip"),
    Variable(
        "clipping",
        ("clipped_share_mean", "clipped_share_max"),
        "leave clipped recordings out, or clip those of every label",
    ),
    Variable(
        "sample rate",
        ("sr",),
        "bring all clips to the lowest rate, then to the one you want",
    ),
    Variable("channels", ("n_channels",), "mix all clips down to one channel"),
    Variable("codec", ("codec",), "encode the clips of all labels alike, in the coarsest codec"),
    Variable(
        "bit rate",
        ("bit_rate",),
        "encode the clips of all labels alike, at the lowest rate",
        of_sound=True,
    ),
)


def measure_nuisance(
    manifest: Manifest,
    *,
    features: pd.DataFrame | None = None,
    n_jobs: int | None = None,
    cache: str | PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Measure how each clip was recorded: `nuisance-v1`, and what its file's header says.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    features : pd.DataFrame or None
        The features of `nuisance-v1` where they are known already, indexed by `clip_id`; a clip
        without a row counts as unreadable. None means that the sound is read.
    n_jobs : int or None
        Worker processes, as in `features.extraction.extract_to_file`; the numbers don't depend on
        it.
    cache : str, path-like or None
        Folder for finished batches; None keeps none.
    progress : callable or None
        Called with (clips done, clips in all).

    Returns
    -------
    pd.DataFrame of shape (n_samples, n_columns)
        Indexed by `clip_id`, in the manifest's order: the features, `leading_silence_s` and
        `trailing_silence_s`, `dc_offset` (in steps of 0.001), `sr`, `n_channels`, `codec` (text),
        `bit_rate` (of the file, in steps of 8 kbit/s) and `failure` (text; empty for a clip that
        was read).

    Raises
    ------
    ValueError
        If there are no clips.
    """
    if len(manifest) == 0:
        raise ValueError("there are no clips to measure")
    clip_ids = manifest.clips["clip_id"].astype(str)
    failures = pd.Series("", index=pd.Index(clip_ids, name="clip_id"), dtype=object)
    if features is None:
        features, failed = _extract(manifest, n_jobs, cache, progress)
        failures[failed["clip_id"].to_numpy()] = failed["reason"].to_numpy()
    failures[~failures.index.isin(features.index) & (failures == "")] = "no features"
    table = features.reindex(failures.index).astype(np.float64)
    for side in ("leading", "trailing"):
        table[f"{side}_silence_s"] = table[f"level_{side}"] * table["duration_mean"]
    table["dc_offset"] = DC_STEP * (table["dc_offset_mean"] / DC_STEP).round()
    headers = _read_headers([clip.path for clip in manifest.audio_clips()], n_jobs)
    for k, column in enumerate(HEADER_COLUMNS):
        table[column] = [None if isinstance(header, str) else header[k] for header in headers]
    unread = [header if isinstance(header, str) else "" for header in headers]
    table[FAILURE] = failures.where(failures != "", pd.Series(unread, index=failures.index))
    table.loc[table[FAILURE] != "", table.columns != FAILURE] = None
    return table


def nuisance_names() -> list[str]:
    """Name the features that `measure_nuisance` needs.

    Returns
    -------
    list of str
        Those of `nuisance-v1`.
    """
    return list(get_feature_set(FEATURE_SET).feature_names)


def _extract(
    manifest: Manifest,
    n_jobs: int | None,
    cache: str | PathLike[str] | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give features and failures."""
    with TemporaryDirectory(prefix="timbrestack-") as folder:
        out = Path(folder) / "nuisance.parquet"
        # That not one clip can be read is raised after the table of none was written.
        with suppress(ValueError):
            extract_to_file(
                manifest,
                out,
                feature_set=FEATURE_SET,
                n_jobs=n_jobs,
                cache=cache,
                use_cache=cache is not None,
                progress=progress,
            )
        return read_values(out), read_failures(out)


# Sampling rate, channels, codec and bit rate; or why there are none.
Header = tuple[int, int, str, float] | str


def _read_headers(paths: Sequence[str], n_jobs: int | None) -> list[Header]:
    """Give the header of each clip's file, read once however many clips it holds."""
    files = list(dict.fromkeys(paths))
    parts = [files[k : k + HEADERS_AT_ONCE] for k in range(0, len(files), HEADERS_AT_ONCE)]
    # In threads: what takes time is waiting for the disk.
    read = joblib.Parallel(n_jobs=n_jobs or 1, prefer="threads")(
        joblib.delayed(_read_part)(part) for part in parts
    )
    found = dict(zip(files, [header for part in read for header in part], strict=True))
    return [found[path] for path in paths]


def _read_part(paths: Sequence[str]) -> list[Header]:
    return [_read_header(path) for path in paths]


def _read_header(path: str) -> Header:
    try:
        with local_copy(path) as here:
            info = read_info(here)
            size = os.path.getsize(here)
    except AudioDecodeError as exc:
        return exc.reason
    except (OSError, ValueError) as exc:
        return str(exc) or type(exc).__name__
    if info.duration_s <= 0:
        return "no samples"
    bit_rate = BIT_RATE_STEP * round(8e-3 * size / info.duration_s / BIT_RATE_STEP)
    return info.sr, info.n_channels, info.codec, bit_rate


def variable_columns(nuisance: pd.DataFrame, variable: Variable) -> np.ndarray:
    """Give a variable as numbers.

    Parameters
    ----------
    nuisance : pd.DataFrame of shape (n_samples, n_columns)
        Rows of `measure_nuisance` without failures.
    variable : Variable
        One of `VARIABLES`.

    Returns
    -------
    np.ndarray of shape (n_samples, n), float32
        Its columns; for a text one column for each value, 1 where it holds.
    """
    columns = nuisance[list(variable.columns)]
    if variable.name == "codec":
        columns = pd.get_dummies(columns.astype(str))
    return columns.to_numpy(dtype=np.float32)
