"""The built-in corpus, and others like it: labelled clips rendered from soundfonts.

By default eleven instruments; training clips hold one of them each, validation and test clips one
to four. Same settings, same bytes; a finished corpus holds the clips and four files:
``manifest.csv``; ``events.csv``, one row a note as it sounds; ``failures.csv``, what could not be
rendered; and ``card.json``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path

import joblib
import soundfile

from features.freed_memory import keep_freed_memory
from features.synthesis.backing import Backing
from features.synthesis.clip import MIN_SOUNDING_S, render_clip
from features.synthesis.instruments import INSTRUMENTS, SPLITS, Instrument
from features.synthesis.midi import list_midi_files
from features.synthesis.orchestra import Soundfonts, digest_of, make_orchestra
from features.synthesis.plan import Plan, check_settings, name_below
from features.synthesis.score import Take
from features.synthesis.soundfont import find_soundfont
from features.synthesis.staged_corpus import StagedCorpus

# A change of anything that changes a byte of the corpus makes a new version.
CORPUS = "general-midi-v2"

# Clips handed to a worker at a time: a quarter of a second's work.
BATCH = 20

# In Hz; below, an instrument is hardly told by its sound.
MIN_SR = 8000

COLUMNS = (
    "path",
    "clip_id",
    "labels",
    "group",
    "split",
    "duration_s",
    "programs",
    "soundfonts",
    "pitches",
    "levels_db",
    "sounding_s",
    "accompaniment",
    "drums",
    "score",
    "codec",
    "rt60_s",
    "snr_db",
    "peak_db",
)
"""Columns of the manifest; programs to sounding times but pitches in the order of the labels."""

EVENT_COLUMNS = (
    "clip_id",
    "label",
    "onset_s",
    "offset_s",
    "pitch",
    "velocity",
    "program",
    "soundfont",
    "role",
)
"""Columns of the events, one row a note: `onset_s` is when its key goes down, `offset_s` when the
last frame of 20 ms ends in which its dry sound is within 40 dB of its loudest frame, both from the
clip's start and not beyond its end. `role` is ``label``, ``accompaniment`` or ``drums``; the latter
two have no label."""

FAILURE_COLUMNS = ("clip_id", "path", "reason")
TABLES = {
    "manifest.csv": COLUMNS,
    "events.csv": EVENT_COLUMNS,
    "failures.csv": FAILURE_COLUMNS,
}


def render_corpus(
    directory: str | PathLike[str],
    *,
    n_train: int = 660,
    n_validation: int = 120,
    n_test: int = 240,
    seconds: float = 3.0,
    sr: int = 22_050,
    seed: int = 0,
    soundfont: str | PathLike[str] | None = None,
    soundfonts: Soundfonts | None = None,
    test_soundfonts: Soundfonts | None = None,
    instruments: Sequence[Instrument] = INSTRUMENTS,
    scores: str | PathLike[str] | None = None,
    train_voices: tuple[int, int] = (1, 1),
    test_voices: tuple[int, int] = (1, 4),
    drums: float = 0.0,
    accompaniment: float = 0.0,
    backing_db: tuple[float, float] = (-18.0, -6.0),
    codec: float = 0.0,
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render a corpus: its tables, and its clips as 16-bit FLAC.

    Parameters
    ----------
    directory : str or path-like
        Where to; made if missing. An earlier rendering with the same settings is kept as it is,
        one with other settings is replaced.
    n_train, n_validation, n_test : int
        Clips of each split, dealt evenly over the labels.
    seconds : float
        Length of every clip, at least 1.
    sr : int
        Sampling rate in Hz, at least 8000.
    seed : int
        Of all that is drawn.
    soundfont : str, path-like or None
        A General MIDI SF2 or SF3 file; None takes the one that comes with `pretty_midi`.
    soundfonts : str, path-like, sequence of them, or None
        Several instead: files, or folders of them. A program that one of them lacks is played by
        the others; one that all lack is left out, which the card says.
    test_soundfonts : str, path-like, sequence of them, or None
        Those of the test split, none of which may be among the others; None: the same ones.
    instruments : sequence of Instrument
        The labels, and their programs: see `list_instruments`.
    scores : str, path-like or None
        A folder of MIDI files to play instead of phrases of our own. Each file is in one split, and
        one group; programs are labels by `instruments`, others and drums are heard only where
        `accompaniment` and `drums` say so. The pitches are those written, in every split.
    train_voices, test_voices : tuple of int
        Fewest and most labels of a clip of the training split, and of the other two.
    drums, accompaniment : float
        Share of clips, from 0 to 1, that have such a part without a label.
    backing_db : tuple of float
        Softest and loudest of these parts, against all labelled ones together.
    codec : float
        Share of clips, from 0 to 1, that went through a lossy codec before they were stored.
    n_jobs : int or None
        Worker processes; None or 1 means this one, -1 all cores. The bytes don't depend on it.
    progress : callable or None
        Called with the number of clips done and of all clips.

    Returns
    -------
    Path
        The ``manifest.csv`` in `directory`; its columns are `COLUMNS`. Beside it are ``events.csv``
        with `EVENT_COLUMNS`, and ``failures.csv``: clips that could not be rendered, MIDI files
        that could not be read, and splits for which these were too few.

    Raises
    ------
    FileExistsError
        If `directory` holds anything that no rendering wrote.
    FileNotFoundError
        If there is no soundfont, or no MIDI file.
    ValueError
        If a setting is out of range, an instrument has no program in the soundfonts, drums or
        accompaniment have none, there are fewer MIDI files than splits, or nothing could be
        rendered.
    """
    counts = dict(zip(SPLITS, (n_train, n_validation, n_test), strict=True))
    voices = {"train": train_voices, "validation": test_voices, "test": test_voices}
    shares = {"drums": drums, "accompaniment": accompaniment, "codec": codec}
    check_settings(
        counts,
        voices,
        shares,
        backing_db,
        least={"seconds": (seconds, 2 * MIN_SOUNDING_S), "sr": (sr, MIN_SR), "seed": (seed, 0)},
        n_labels=len(instruments),
    )
    if soundfont is not None and soundfonts is not None:
        raise ValueError("only one of soundfont and soundfonts may be given, got both")
    given = soundfonts if soundfonts is not None else soundfont
    orchestra = make_orchestra(
        instruments,
        find_soundfont() if given is None else given,
        test_soundfonts=test_soundfonts,
        splits=[split for split in SPLITS if counts[split]],
    )
    files = [] if scores is None else list_midi_files(scores)
    root = Path(scores or ".")
    # More voices than labels there cannot be.
    voices = {split: (few, min(many, len(instruments))) for split, (few, many) in voices.items()}
    plan = Plan(
        orchestra,
        counts=counts,
        voices=voices,
        backing=Backing(drums, accompaniment, backing_db),
        codec=codec,
        seconds=seconds,
        seed=seed,
    )
    settings = {"corpus": CORPUS, "sr": sr, **plan.settings(), "scores": _digests(files, root)}
    corpus = StagedCorpus(Path(directory), maker="render", settings=settings, tables=tuple(TABLES))
    if corpus.is_finished():
        return corpus.manifest
    corpus.check_replaceable()
    takes, failures = plan.excerpts(files, root, n_jobs=n_jobs) if files else (plan.songs(), [])
    with corpus.staging() as folder:
        tables = _render(takes, folder, plan, sr, n_jobs, progress)
        tables["failures.csv"] = [*failures, *tables["failures.csv"]]
        if not tables["manifest.csv"]:
            reasons = [row["reason"] for row in tables["failures.csv"]]
            raise ValueError(f"no clip could be rendered: {reasons[0]}")
        for name, rows in tables.items():
            _write_table(folder / name, rows)
    return corpus.manifest


def _render(
    takes: Sequence[Take],
    folder: Path,
    plan: Plan,
    sr: int,
    n_jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> dict[str, list[dict[str, object]]]:
    """Write the clips; give the rows of the tables."""
    tables: dict[str, list[dict[str, object]]] = {name: [] for name in TABLES}
    batches = [takes[start : start + BATCH] for start in range(0, len(takes), BATCH)]
    done = 0
    for batch in joblib.Parallel(n_jobs=n_jobs or 1, return_as="generator")(
        joblib.delayed(_write_clips)(batch, folder, plan.seconds, sr, plan.seed)
        for batch in batches
    ):
        for written in batch:
            for name, rows in written.items():
                tables[name] += rows
            done += 1
            if progress is not None:
                progress(done, len(takes))
    return tables


def _write_clips(
    takes: Sequence[Take], folder: Path, seconds: float, sr: int, seed: int
) -> list[dict[str, list[dict[str, object]]]]:
    keep_freed_memory()
    return [_write_clip(take, folder, seconds, sr, seed) for take in takes]


def _write_clip(
    take: Take, folder: Path, seconds: float, sr: int, seed: int
) -> dict[str, list[dict[str, object]]]:
    """Write a clip; give its rows of each table."""
    clip: dict[str, object] = {"clip_id": take.clip_id}
    try:
        rendering = render_clip(take, seconds=seconds, sr=sr, seed=seed)
    except ValueError as exc:
        return {"failures.csv": [clip | {"path": take.clip_id, "reason": str(exc)}]}
    path = folder / take.clip_id
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rendering.waveform, sr, format="FLAC", subtype="PCM_16")
    row = clip | {"path": take.clip_id, "duration_s": len(rendering.waveform) / sr} | rendering.row
    return {"manifest.csv": [row], "events.csv": [clip | event for event in rendering.events]}


def _digests(files: Sequence[Path], root: Path) -> dict[str, str]:
    return {name_below(root, file): digest_of(file) for file in files}


def _write_table(path: Path, rows: Iterable[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, TABLES[path.name], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
