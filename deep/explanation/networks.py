"""Which networks speak for a clip: of a run the one that never saw it, else all of them.

A network tells of a clip that it was trained on what it has learned by heart. So of a run with
folds, a clip in the run's table is explained by the network of its own fold; any other clip by the
mean over the networks of all folds, as it is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from deep.checkpoint import CARD_NAME
from deep.classifier import AudioBackboneClassifier
from deep.inference import resolve_device
from deep.runs.folder import CLIPS, NETWORK, read_card

FOLD = "fold_"


@dataclass(frozen=True)
class ChosenNetworks:
    """Networks that answer together for a clip.

    Parameters
    ----------
    classifiers : sequence of AudioBackboneClassifier
        Fitted.
    words : str
        Which they are, and whether they know the clip.
    """

    classifiers: Sequence[AudioBackboneClassifier]
    words: str


class ExplainedModel:
    """A run, one network of it, or a saved classifier, opened to be explained.

    Parameters
    ----------
    directory : path-like
        What `train` or `AudioBackboneClassifier.save_model` wrote.
    device : str
        See `AudioBackboneClassifier`.
    n_jobs : int or None
        See `AudioBackboneClassifier`.

    Raises
    ------
    FileNotFoundError
        If there is no run and no network.
    """

    def __init__(
        self, directory: str | PathLike[str], *, device: str = "auto", n_jobs: int | None = None
    ) -> None:
        self.directory = Path(directory)
        self._device, self._n_jobs = device, n_jobs
        self.is_run = read_card(self.directory) is not None
        if not self.is_run and not (self.directory / CARD_NAME).is_file():
            raise FileNotFoundError(f"{directory} is neither a run nor a saved network")
        if not self.names:
            raise FileNotFoundError(f"{directory} has no networks: train it again")
        # The folder's networks may be large: each is read when a clip needs it.
        self._load = lru_cache(maxsize=None)(self._read)

    @cached_property
    def names(self) -> list[str]:
        """Folders of the networks; an empty name where the directory is one itself."""
        if not self.is_run:
            return [""]
        if (self.directory / NETWORK).is_dir():
            return [NETWORK]
        folds = [path.name for path in self.directory.glob(f"{FOLD}*") if path.is_dir()]
        return sorted(folds, key=lambda name: int(name.removeprefix(FOLD)))

    @property
    def name(self) -> str:
        """What pages call it: the name of its folder."""
        return self.directory.resolve().name

    @property
    def first(self) -> AudioBackboneClassifier:
        """Any of the networks, for what all of them share."""
        return self._load(self.names[0])

    @property
    def classes(self) -> list[str]:
        """Labels, in the order of the logits."""
        return [str(name) for name in self.first.classes_]

    def choose(self, clip_id: str) -> ChosenNetworks:
        """Choose which networks speak for a clip.

        Parameters
        ----------
        clip_id : str
            Its name as the run has it, or the path of its file, whose end is then looked up.

        Returns
        -------
        ChosenNetworks
            One network, or those of all folds.
        """
        known = self._find(clip_id)
        if self.names in ([""], [NETWORK]):
            return ChosenNetworks([self.first], self._judge_one(known))
        folds = {fold for fold, _ in known}
        if len(folds) == 1 and (name := f"{FOLD}{min(folds)}") in self.names:
            network = self._load(name)
            what = "this clip's labels" if _was_pretrained_on(network, clip_id) else "this clip"
            return ChosenNetworks(
                [network], f"the network of fold {min(folds)}, which never saw {what}"
            )
        all_of_them = f"the mean of {len(self.names)} networks"
        why = (
            "trained without a clip of this name" if not known else "some of which saw parts of it"
        )
        return ChosenNetworks([self._load(name) for name in self.names], f"{all_of_them}, {why}")

    def _judge_one(self, known: set[tuple[int, str]]) -> str:
        """Say whether a network that stands alone knows a clip."""
        if self._table is None:
            return "one network; which clips it was trained on is not known"
        if not known:
            return "one network, trained without a clip of this name"
        own = self.directory.name.removeprefix(FOLD)
        if all(split == "validation" or str(fold) == own for fold, split in known):
            return "one network, which was not trained on this clip"
        return "one network, which was trained on this clip"

    @cached_property
    def _table(self) -> dict[str, set[tuple[int, str]]] | None:
        """Fold and split of each clip of the run; of a file that was cut, those of all pieces."""
        run = self.directory if self.is_run else self.directory.absolute().parent
        if read_card(run) is None or not (run / CLIPS).is_file():
            return None
        clips = pd.read_csv(run / CLIPS, dtype={"clip_id": str}, keep_default_na=False)
        table: dict[str, set[tuple[int, str]]] = {}
        for clip_id, fold, split in clips[["clip_id", "fold", "split"]].itertuples(index=False):
            for name in {clip_id, clip_id.rpartition("#")[0] or clip_id}:
                table.setdefault(name, set()).add((int(fold), str(split)))
        return table

    def _find(self, clip_id: str) -> set[tuple[int, str]]:
        """Give what is known of a clip, by its name or the longest end of it that is one."""
        table = self._table or {}
        return next((table[end] for end in _ends(clip_id) if end in table), set())

    def _read(self, name: str) -> AudioBackboneClassifier:
        classifier = AudioBackboneClassifier.load_model(
            self.directory / name, device=self._device, n_jobs=self._n_jobs
        )
        classifier.network_.to(resolve_device(self._device))
        return classifier


def _ends(clip_id: str) -> list[str]:
    """Give all ends of a path, the longest first."""
    parts = clip_id.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]


def _was_pretrained_on(classifier: AudioBackboneClassifier, clip_id: str) -> bool:
    """Whether a network started from a backbone that had heard a clip, without its labels."""
    heard = set((classifier.pretrained_on_ or {}).get("clip_ids") or ())
    return any(end in heard for end in _ends(clip_id))


def mean_logits(chosen: ChosenNetworks, clip: object) -> np.ndarray:
    """Give what networks say of a clip together.

    Parameters
    ----------
    chosen : ChosenNetworks
        Those that speak for it.
    clip : Clip, path or np.ndarray
        See `AudioBackboneClassifier.fit`.

    Returns
    -------
    np.ndarray of shape (n_classes,), float64
        Mean of their logits.
    """
    found = [classifier.decision_function([clip])[0] for classifier in chosen.classifiers]
    return np.asarray(np.mean(found, axis=0, dtype=np.float64))
