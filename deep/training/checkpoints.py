"""A training on disk: after each epoch all that is needed to go on, bit for bit.

The folder of a training holds

- ``training.json``: what it is (`deep.training.fingerprint`) and its seed;
- ``epoch_<k>.safetensors`` and ``epoch_<k>.json`` of the newest epoch and the one before: weights,
  optimiser and moving average; and the rest, with the digests of all of it;
- ``kept_<k>.safetensors``: weights of the epochs worth keeping, such as the best;
- ``history.csv``: the learning curves, for people.

Each file appears whole, ``epoch_<k>.json`` last, so that a process may be killed at any moment.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from deep.training.averaging import Weights
from deep.training.clock import Clock
from deep.training.fingerprint import name_differences
from deep.training.logs import HISTORY_NAME, write_history
from deep.training.processes import agree, process_number
from deep.training.state import TrainingState
from features.holding import holding
from features.replacing import replacing

SCHEMA = "timbrestack.training"
SCHEMA_VERSION = 1
DESCRIPTION = "training.json"

# The newest checkpoint, and one to fall back to.
N_CHECKPOINTS = 2

_OURS = re.compile(r"(epoch|kept)_(\d+)\.(json|safetensors)")


@contextmanager
def open_checkpoints(
    directory: str | PathLike[str], described: Mapping[str, Any], *, seed: int
) -> Iterator[Checkpoints]:
    """Open the folder of a training, made if it is not there; held until the end of the block.

    Parameters
    ----------
    directory : path-like
        The folder.
    described : mapping
        From `describe_training`.
    seed : int
        Of a new training; one that goes on has its own.

    Yields
    ------
    Checkpoints
        For this training only.

    Raises
    ------
    ValueError
        If the folder belongs to another training, or cannot be read.
    """
    directory = Path(directory)
    path = directory / DESCRIPTION
    with ExitStack() as stack:
        if process_number() == 0:
            directory.mkdir(parents=True, exist_ok=True)
            stack.enter_context(holding(path, tell=warnings.warn))
            # Nobody else is writing here: what is left was left by a process that was killed.
            for partial in directory.glob(".*.part"):
                partial.unlink()
            if not path.exists():
                content = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION}
                _write(path, json.dumps({**content, "seed": seed, "training": described}).encode())
        agree("written")
        yield Checkpoints(directory, _check_description(path, described))


def _check_description(path: Path, described: Mapping[str, Any]) -> int:
    """Give the training's seed."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        found = (card["schema"], card["schema_version"])
        before, seed = card["training"], int(card["seed"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ValueError(
            f"{path} cannot be read ({exc}): remove {path.parent} to train from the beginning"
        ) from exc
    if found != (SCHEMA, SCHEMA_VERSION):
        raise ValueError(f"{path} must be {SCHEMA} version {SCHEMA_VERSION}, got {found}")
    if differences := name_differences(before, described):
        raise ValueError(
            f"{path.parent} holds another training: {'; '.join(differences)}; name another "
            "work_dir, or remove it to train from the beginning"
        )
    return seed


def hash_values(values: Mapping[str, Any]) -> str:
    """Name plain values by their content.

    Parameters
    ----------
    values : mapping
        JSON-able.

    Returns
    -------
    str
        SHA-256 in hexadecimal, the same after a way through JSON.
    """
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _write(path: Path, content: bytes) -> str:
    """Write a file whole or not at all, and give its digest."""
    with replacing(path) as partial:
        partial.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _read(path: Path, digest: str) -> Weights:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path.name} is not the file that was written")
    return load_tensors(content)


class Checkpoints:
    """The checkpoints of one training; see `open_checkpoints`.

    Parameters
    ----------
    directory : Path
        Their folder.
    seed : int
        Of the training.
    """

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory, self.seed = directory, seed
        self._kept: dict[int, str] = {}

    def _files(self) -> list[tuple[str, int, str, Path]]:
        """List kind, epoch, suffix and path of what is there."""
        found = ((_OURS.fullmatch(path.name), path) for path in self.directory.iterdir())
        return [(m[1], int(m[2]), m[3], path) for m, path in found if m]

    def _path(self, kind: str, epoch: int, suffix: str) -> Path:
        return self.directory / f"{kind}_{epoch:05d}.{suffix}"

    def write(self, state: TrainingState, clock: Clock) -> None:
        """Write the state after an epoch, and remove what is no longer needed.

        Parameters
        ----------
        state : TrainingState
            All of it.
        clock : Clock
            Time spent.
        """
        if process_number() != 0:
            return
        epoch = len(state.record.history)
        # Kept weights never change, so they are written once.
        self._kept = {
            each: self._kept.get(each)
            or _write(self._path("kept", each, "safetensors"), save_tensors(_dense(weights)))
            for each, weights in state.kept.items()
        }
        content = save_tensors(_dense(state.tensors()))
        rest = {
            "sha256": _write(self._path("epoch", epoch, "safetensors"), content),
            "kept": {str(each): digest for each, digest in self._kept.items()},
            "clock": {"spent_s": clock.elapsed(), "begun_s": clock.begun_s},
            **state.values(),
        }
        sealed = json.dumps({**rest, "digest": hash_values(rest)}).encode()
        _write(self._path("epoch", epoch, "json"), sealed)
        write_history(self.directory / HISTORY_NAME, state.record.history)
        self._prune()

    def _prune(self) -> None:
        epochs = sorted({e for kind, e, _, _ in self._files() if kind == "epoch"})[-N_CHECKPOINTS:]
        needed: set[int] = set()
        for epoch in epochs:
            try:
                rest = json.loads(self._path("epoch", epoch, "json").read_bytes())
                needed |= {int(each) for each in rest["kept"]}
            except (OSError, ValueError, KeyError):
                continue
        for kind, epoch, _, path in self._files():
            if epoch not in (epochs if kind == "epoch" else needed):
                path.unlink()

    def restore(self, state: TrainingState, clock: Clock) -> bool:
        """Put a training into the state after the last epoch that can be read.

        A checkpoint that cannot be read gives a warning and way to the one before.

        Parameters
        ----------
        state : TrainingState
            Becomes that state.
        clock : Clock
            Gets the time spent.

        Returns
        -------
        bool
            Whether there was one.
        """
        epochs = {epoch for kind, epoch, _, _ in self._files() if kind == "epoch"}
        for epoch in sorted(epochs, reverse=True):
            if not self._path("epoch", epoch, "json").exists():
                # Killed while this epoch was written.
                continue
            try:
                tensors, rest, kept = self._load(epoch)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as exc:
                warnings.warn(
                    f"the checkpoint of epoch {epoch} in {self.directory} is damaged ({exc}): "
                    "going on from an earlier one",
                    stacklevel=2,
                )
                continue
            state.load(tensors, rest, kept)
            clock.resume(**rest["clock"])
            self._kept = {int(each): digest for each, digest in rest["kept"].items()}
            return True
        return False

    def _load(self, epoch: int) -> tuple[Weights, dict[str, Any], dict[int, Weights]]:
        path = self._path("epoch", epoch, "json")
        rest = json.loads(path.read_bytes())
        if rest.pop("digest") != hash_values(rest):
            raise ValueError(f"{path.name} is not the file that was written")
        tensors = _read(self._path("epoch", epoch, "safetensors"), rest["sha256"])
        kept = {
            int(each): _read(self._path("kept", int(each), "safetensors"), digest)
            for each, digest in rest["kept"].items()
        }
        return tensors, rest, kept


def _dense(weights: Weights) -> Weights:
    """Give tensors as safetensors wants them: in order, none sharing memory."""
    return {name: tensor.contiguous() for name, tensor in weights.items()}
