"""Clips without labels, from a folder, a manifest or memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from features.audio import Clip, list_audio_files
from features.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class UnlabelledClips:
    """Clips, what they are called, and which of them belong together.

    Parameters
    ----------
    clips : list
        Each a `Clip`, a path or a waveform.
    clip_ids : list of str
        One per clip, as a manifest of theirs has it.
    groups : np.ndarray of shape (n_samples,)
        What a clip must not be separated from, nor told apart from by its sound.
    n_test : int
        How many of them are rows of split=test.
    n_left_out : int
        Rows of split=test that were not taken.

    Raises
    ------
    ValueError
        If there are no clips, the three do not have as many, or names are not unique.
    """

    clips: list[Any]
    clip_ids: list[str]
    groups: np.ndarray
    n_test: int = 0
    n_left_out: int = 0

    def __post_init__(self) -> None:
        sizes = (len(self.clips), len(self.clip_ids), len(self.groups))
        if not self.clips or len(set(sizes)) > 1:
            raise ValueError(
                "there must be at least one clip, and as many clip_ids and groups as clips, got "
                f"{sizes[0]} clips, {sizes[1]} clip_ids and {sizes[2]} groups"
            )
        if len(set(self.clip_ids)) < sizes[0]:
            n_twice = sizes[0] - len(set(self.clip_ids))
            raise ValueError(f"clip_ids must be unique, got {n_twice} that were there before")

    def __len__(self) -> int:
        return len(self.clips)


def find_clips(
    source: Manifest | str | PathLike[str] | Sequence[Any],
    *,
    groups: Sequence[Any] | np.ndarray | None = None,
    with_test: bool = False,
) -> UnlabelledClips:
    """Take the clips of a folder, a manifest or a list; labels are not looked at.

    Parameters
    ----------
    source : Manifest, str, path-like or sequence
        A manifest or the path of one (``.csv``); a folder, of which all sound files are taken; or
        clips (`Clip`, path or waveform), which are called by their paths, waveforms by their
        number.
    groups : sequence of shape (n_samples,) or None
        For a list of clips: which belong together. None means that each file, and each waveform, is
        its own group. A manifest has its own.
    with_test : bool
        Whether rows of split=test are taken too. Scores on them then are not those of unseen sound.

    Returns
    -------
    UnlabelledClips
        In the order of the rows, or of the paths.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or file.
    ValueError
        If there are no clips, or groups do not fit.
    """
    if isinstance(source, str | PathLike):
        path = Path(source)
        source = read_manifest(path) if path.suffix.lower() == ".csv" else path
    if isinstance(source, Manifest | Path) and groups is not None:
        raise ValueError("groups must be None for a folder or a manifest, which has its own")
    if isinstance(source, Manifest):
        return _of_manifest(source, with_test=with_test)
    if isinstance(source, Path):
        return _of_folder(source)
    names = [_name(clip, number) for number, clip in enumerate(source)]
    files = [name.split("#")[0] for name in names]
    return UnlabelledClips(list(source), names, np.asarray(files if groups is None else groups))


def _of_manifest(manifest: Manifest, *, with_test: bool) -> UnlabelledClips:
    is_test = (manifest.clips["split"] == "test").to_numpy()
    if is_test.all() and not with_test:
        raise ValueError(
            f"there must be clips outside split=test, got {len(manifest)} rows, all of it: give "
            "others, or say that test rows may be seen"
        )
    taken = manifest if with_test else manifest.select(~is_test)
    return UnlabelledClips(
        taken.audio_clips(),
        taken.clips["clip_id"].tolist(),
        taken.clips["group"].to_numpy(dtype=str),
        n_test=int(is_test.sum()) if with_test else 0,
        n_left_out=len(manifest) - len(taken),
    )


def _of_folder(folder: Path) -> UnlabelledClips:
    files = list_audio_files(folder)
    if not files:
        raise ValueError(f"{folder} must hold sound files, found none")
    names = [path.relative_to(folder).as_posix() for path in files]
    return UnlabelledClips([Clip(fspath(path)) for path in files], names, np.array(names))


def _name(clip: Any, number: int) -> str:
    if isinstance(clip, Clip):
        part = (clip.start_s, clip.end_s)
        span = "-".join("" if edge is None else f"{edge:g}" for edge in part)
        return clip.path if part == (None, None) else f"{clip.path}#{span}"
    return fspath(clip) if isinstance(clip, str | PathLike) else f"waveform-{number:06d}"
