"""Fits that are done, kept on disk until the bundle is: a killed run goes on where it stopped.

Conventions: a work folder holds one folder a fit, named by a hash of all that its numbers depend
on: the member's settings, the rows (names, values, labels, groups), which of them were held out,
and the versions of the libraries. A fit appears under its name only when whole. Models are kept in
the formats of a bundle, scores as `.npy`; no pickle is read.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ensemble.fingerprints import UnnamedValueError, hash_fit, hash_rows
from ensemble.members import Member
from ensemble.model_files import UnsavableModelError, hash_file, load_model, save_model
from ensemble.training_rows import TrainingRows

# Text and kind of a warning.
Warned: TypeAlias = tuple[str, type[Warning]]

# What tells a work folder from somebody's own.
MARKER = "timbrestack-work.json"
CARD = "fit.json"
SCHEMA_VERSION = 1

_WARNINGS = {kind.__name__: kind for kind in (UserWarning, RuntimeWarning, ConvergenceWarning)}


class FitResult(NamedTuple):
    """What one fit gave.

    Parameters
    ----------
    model : BaseEstimator or None
        The fitted model, if the ensemble answers with it.
    scores : np.ndarray of shape (n_held_out, n_labels)
        Probabilities of the held-out rows.
    warned : set of (str, type)
        What was warned of.
    """

    model: Any
    scores: np.ndarray
    warned: set[Warned]


def work_folder(bundle: str | PathLike[str]) -> Path:
    """Name the place where the fits of a bundle are kept until it is whole.

    Parameters
    ----------
    bundle : str or path-like
        Where the bundle is to be.

    Returns
    -------
    Path
        Its sibling `<bundle>.work`.
    """
    bundle = Path(bundle).resolve()
    return bundle.with_name(f"{bundle.name}.work")


class FinishedFits:
    """The fits of a work folder.

    Parameters
    ----------
    folder : str or path-like
        Made if it is not there.

    Raises
    ------
    FileExistsError
        If something else is there.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        marker = self.folder / MARKER
        if not marker.is_file() and self.folder.exists() and _holds_something(self.folder):
            raise FileExistsError(
                f"{self.folder} must be a work folder of this toolkit or new, it holds something "
                "else: move it away, or name another"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps({"schema_version": SCHEMA_VERSION}) + "\n", encoding="utf-8")

    def find_places(
        self, fits: Sequence[tuple[Member, tuple[int, ...]]], data: TrainingRows
    ) -> list[Path | None]:
        """Name the folder of each fit.

        Parameters
        ----------
        fits : sequence of (Member, tuple of int)
            Who is fitted, and the folds left out.
        data : TrainingRows
            What on.

        Returns
        -------
        list of Path or None
            None for a member with settings that have no lasting name, such as a random generator:
            its fits are not kept.
        """
        rows: dict[str, str] = {}
        places: list[Path | None] = []
        for member, held_out in fits:
            if member.name not in rows:
                rows[member.name] = hash_rows(member, data)
            try:
                key = hash_fit(member, np.isin(data.folds, held_out), rows[member.name])
            except UnnamedValueError:
                places.append(None)
            else:
                places.append(self.folder / key)
        return places

    @staticmethod
    def read(place: Path) -> FitResult | None:
        """Read a fit that was kept.

        Parameters
        ----------
        place : Path
            Its folder.

        Returns
        -------
        FitResult or None
            None if there is none, or it is damaged: then it is to be fitted again.
        """
        try:
            card = json.loads((place / CARD).read_text(encoding="utf-8"))
            if any(hash_file(place / name) != digest for name, digest in card["parts"].items()):
                return None
            entry = card["model"]
            model = None if entry is None else load_model(entry["format"], place / entry["path"])
            scores = np.load(place / "scores.npy", allow_pickle=False)
            warned = {(text, _WARNINGS.get(kind, UserWarning)) for text, kind in card["warned"]}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return FitResult(model, scores, warned)

    @staticmethod
    def write(result: FitResult, place: Path) -> None:
        """Keep a fit; it appears under its name only when whole.

        Parameters
        ----------
        result : FitResult
            What to keep. One whose model a bundle could not hold is not kept.
        place : Path
            Its folder.
        """
        partial = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
        partial.mkdir()
        try:
            entry = None if result.model is None else save_model(result.model, partial, "model")
            np.save(partial / "scores.npy", result.scores, allow_pickle=False)
            names = [path for path in sorted(partial.rglob("*")) if path.is_file()]
            card = {
                "schema_version": SCHEMA_VERSION,
                "model": entry,
                "warned": sorted((text, kind.__name__) for text, kind in result.warned),
                "parts": {path.relative_to(partial).as_posix(): hash_file(path) for path in names},
            }
            (partial / CARD).write_text(json.dumps(card) + "\n", encoding="utf-8")
            # What stands there is damaged, or the same fit from another process.
            shutil.rmtree(place, ignore_errors=True)
            _move(partial, place)
        except UnsavableModelError:
            # `save_bundle` says so in the end, and out-of-fold scores may be all that is wanted.
            return
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def remove(self) -> None:
        """Remove the folder: the bundle is whole."""
        if (self.folder / MARKER).is_file():
            shutil.rmtree(self.folder)


def _move(partial: Path, place: Path) -> None:
    try:
        partial.rename(place)
    except OSError:
        # Another process has just put the same fit there.
        if not (place / CARD).is_file():
            raise


def _holds_something(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())
