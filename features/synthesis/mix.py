"""Polyphonic clips from single ones, mixed within blocks, with the truth of when what sounds.

A mixed corpus is ``manifest.csv``, the mixes, ``events.csv`` (when each source sounds),
``failures.csv`` (sources that could not be used) and ``card.json``. Same sources, settings and
seed, same bytes.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from features.manifest import COLUMNS, Manifest, make_manifest, write_manifest
from features.remote import identify, local_path, resolve
from features.synthesis.arrangement import MODES
from features.synthesis.blocks import Block, deal_blocks, gather_blocks, share_mixes
from features.synthesis.matching import MATCHES, get_match
from features.synthesis.mixture import Mixed, Mixing, mix_block
from features.synthesis.staged_corpus import StagedCorpus

# A change of anything that changes a byte of the corpus makes a new version.
CORPUS = "mixes-v1"

MANIFEST, EVENTS, FAILURES = "manifest.csv", "events.csv", "failures.csv"
EVENT_COLUMNS = ("clip_id", "label", "onset_s", "offset_s", "source", "gain_db")
FAILURE_COLUMNS = ("clip_id", "path", "reason")

# Of two voices so far apart in level the softer is buried, and its label not to be heard.
WIDEST_GAIN_DB = 20.0

# Shorter than that nobody hears several voices.
SHORTEST_S = 0.5

# More than half of a voice cannot be cross-faded at both ends.
LONGEST_CROSSFADE = 0.5


def mix_corpus(
    manifest: Manifest,
    directory: str | PathLike[str],
    *,
    n_mixes: int | None = None,
    voices: tuple[int, int] = (2, 3),
    mode: str = "sum",
    overlap: float | None = None,
    seconds: float | None = None,
    match: str = "any",
    loudness_lufs: float = -23.0,
    gain_db: tuple[float, float] = (-6.0, 0.0),
    mixes_only: bool = False,
    n_folds: int = 5,
    n_blocks: int | None = None,
    splits: Sequence[str] | None = None,
    sr: int = 22_050,
    seed: int = 0,
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Mix labelled clips into polyphonic ones, as 16-bit FLAC, with a manifest of both.

    Parameters
    ----------
    manifest : Manifest
        The single clips. Those without labels are in no mix; they stay in the manifest.
    directory : str or path-like
        Where to; made if missing. An earlier mixing of the same clips with the same settings is
        kept as it is, another is replaced.
    n_mixes : int or None
        Mixes in all, shared out to blocks by their clips; None: one for each labelled clip.
    voices : tuple of int
        Fewest and most sources of a mix, each of another class; how many is drawn evenly.
    mode : str
        ``"sum"``: the sources sound together. ``"concat"``: one after another. ``"both"``: in two
        lines that sound together, of which each has its sources one after another.
    overlap : float or None
        Share of a source that overlaps with the next (cross-faded, at most 0.5) in a
        concatenation, and at least with the longest (its beginning is drawn) in a sum; see
        `features.synthesis.arrangement.place_voices`. None: 0 in a concatenation, 1 in a sum.
    seconds : float or None
        Longest mix; of sources that are too long, an excerpt is taken. None: as long as they are.
    match : str
        Which sources may meet: ``"any"``, of the same ``"key"``, of consonant ``"pitch"``, of one
        ``"tempo"`` or twice that; or a column of the manifest, such as ``"genre"``.
    loudness_lufs : float
        Loudness that each source is brought to.
    gain_db : tuple of float
        Least and largest gain that each source gets on top of that, drawn evenly. A mix that would
        pass -1 dBFS is turned down as a whole.
    mixes_only : bool
        Whether to leave the single clips out of the manifest.
    n_folds, n_blocks, splits
        See `features.synthesis.blocks.deal_blocks`; `splits` says which are mixed.
    sr : int
        Sampling rate in Hz of the mixes, at least 8000.
    seed : int
        Of all that is drawn.
    n_jobs : int or None
        Worker processes; None or 1 means this one, -1 all cores. The bytes don't depend on it.
    progress : callable or None
        Called with the number of mixes done and of all mixes, block by block.

    Returns
    -------
    Path
        The ``manifest.csv`` in `directory`. Beside a manifest's own columns it has `sources` (their
        ids), `gains_db` (of each source as decoded) and `loudness_lufs` of a mix, and
        `source_group`, the group that a single clip had before it was dealt into a block.

    Raises
    ------
    FileExistsError
        If `directory` holds anything that no mixing wrote.
    ValueError
        If a setting is out of range, the clips have no labels or lie in `directory`, a block has
        too few labels, or no mix at all could be made.

    Warns
    -----
    UserWarning
        If there are few blocks (see `deal_blocks`), or fewer mixes could be made than wanted.
    """
    agreement = get_match(match, manifest.clips.columns[len(COLUMNS) :].tolist())
    mixing = Mixing(voices, mode, overlap, seconds, agreement, loudness_lufs, gain_db, sr, seed)
    _check_settings(mixing, n_mixes)
    directory = Path(directory).absolute()
    _check_sources(manifest, directory)
    settings = asdict(mixing) | {
        "corpus": CORPUS,
        "match": match,
        "n_mixes": n_mixes,
        "mixes_only": mixes_only,
        "n_folds": n_folds,
        "n_blocks": n_blocks,
        "splits": None if splits is None else list(splits),
        "sources_sha256": _hash_sources(manifest),
    }
    corpus = StagedCorpus(
        directory, maker="mix", settings=settings, tables=(MANIFEST, EVENTS, FAILURES)
    )
    if corpus.is_finished():
        return corpus.manifest
    corpus.check_replaceable()
    dealt = deal_blocks(
        manifest, voices=voices, n_folds=n_folds, n_blocks=n_blocks, splits=splits, seed=seed
    )
    blocks = gather_blocks(dealt, column=None if match in MATCHES else match, splits=splits)
    blocks = share_mixes(blocks, n_mixes)
    with corpus.staging() as folder:
        mixed = _mix_blocks(blocks, mixing, folder, _name_folder(manifest), n_jobs, progress)
        _write_tables(dealt, mixed, folder, mixes_only=mixes_only)
    return corpus.manifest


def _check_settings(mixing: Mixing, n_mixes: int | None) -> None:
    fewest, most = mixing.voices
    low_db, high_db = mixing.gain_db
    longest = 1.0 if mixing.mode == "sum" else LONGEST_CROSSFADE
    problems = [
        problem
        for problem, wrong in (
            (f"n_mixes must be at least 1, got {n_mixes}", n_mixes is not None and n_mixes < 1),
            (f"voices must be 1 <= fewest <= most, got {mixing.voices}", not 1 <= fewest <= most),
            (f"mode must be {', '.join(MODES)}, got {mixing.mode!r}", mixing.mode not in MODES),
            (
                f"overlap must be 0 to {longest} in mode {mixing.mode!r}, got {mixing.overlap}",
                mixing.overlap is not None and not 0.0 <= mixing.overlap <= longest,
            ),
            (
                f"seconds must be at least {SHORTEST_S}, got {mixing.seconds}",
                mixing.seconds is not None and not SHORTEST_S <= mixing.seconds < np.inf,
            ),
            (
                f"loudness_lufs must be -70 to 0, got {mixing.loudness_lufs}",
                not -70.0 <= mixing.loudness_lufs <= 0.0,
            ),
            (
                f"gain_db must be low <= high, at most {WIDEST_GAIN_DB} apart and 40 from 0, got "
                f"{mixing.gain_db}",
                not (-40.0 <= low_db <= high_db <= min(40.0, low_db + WIDEST_GAIN_DB)),
            ),
            (f"sr must be at least 8000, got {mixing.sr}", mixing.sr < 8000),
            (f"seed must be at least 0, got {mixing.seed}", mixing.seed < 0),
        )
        if wrong
    ]
    if problems:
        raise ValueError("; ".join(problems))


def _check_sources(manifest: Manifest, directory: Path) -> None:
    if not manifest.classes:
        raise ValueError(f"the {len(manifest)} clips have no labels; mixing needs to know them")
    for clip in manifest.audio_clips():
        place = local_path(clip.path)
        if place is not None and Path(place).absolute().is_relative_to(directory):
            raise ValueError(
                f"clips must not lie in {directory}, where the mixes go, such as {place} does; "
                "give another directory"
            )


def _hash_sources(manifest: Manifest) -> str:
    """Name what goes in: the clip table, and each file's place, size and time of change."""
    states = identify(clip.path for clip in manifest.audio_clips())
    parts = [manifest.clips.to_csv(index=False), *(f"{k} {v}" for k, v in states.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _name_folder(manifest: Manifest) -> str:
    """Name the folder of the mixes so that no clip has an id of theirs, were it a mix itself."""
    taken = {clip_id.split("/")[0] for clip_id in manifest.clips["clip_id"]}
    names = (f"mixes-{k}" if k else "mixes" for k in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _mix_blocks(
    blocks: list[Block],
    mixing: Mixing,
    directory: Path,
    folder: str,
    n_jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> Mixed:
    """Make all mixes, block by block, in order."""
    whole = Mixed()
    n_done, n_wanted = 0, sum(block.n_mixes for block in blocks)
    short = []
    results = joblib.Parallel(n_jobs=n_jobs or 1, return_as="generator")(
        joblib.delayed(mix_block)(block, mixing, directory, folder) for block in blocks
    )
    for block, mixed in zip(blocks, results, strict=True):
        whole.rows.extend(mixed.rows)
        whole.events.extend(mixed.events)
        whole.failures.extend(mixed.failures)
        if len(mixed.rows) < block.n_mixes:
            short.append(block.name)
        n_done += block.n_mixes
        if progress is not None:
            progress(n_done, n_wanted)
    reason = (
        f"{len(whole.failures)} sources could not be used, of the others too few of different "
        "classes go together"
    )
    if not whole.rows:
        first = f" (the first: {whole.failures[0]['reason']})" if whole.failures else ""
        raise ValueError(f"no mix could be made: {reason}{first}; ask for fewer voices or blocks")
    if short:
        warnings.warn(
            f"{len(whole.rows)} of {n_wanted} mixes were made: {reason} in {len(short)} of "
            f"{len(blocks)} blocks, such as {short[0]}",
            stacklevel=3,
        )
    return whole


def _write_tables(dealt: Manifest, mixed: Mixed, folder: Path, *, mixes_only: bool) -> None:
    rows = pd.DataFrame(mixed.rows)
    if not mixes_only:
        paths = [resolve(dealt.root, path) for path in dealt.clips["path"]]
        # As objects, or whole numbers in columns that mixes lack would turn into fractions.
        singles = dealt.clips.assign(path=paths).astype(object)
        rows = pd.concat([rows.astype(object), singles], ignore_index=True)
    write_manifest(make_manifest(rows, folder), folder / MANIFEST)
    pd.DataFrame(mixed.events, columns=EVENT_COLUMNS).to_csv(folder / EVENTS, index=False)
    pd.DataFrame(mixed.failures, columns=FAILURE_COLUMNS).to_csv(folder / FAILURES, index=False)
