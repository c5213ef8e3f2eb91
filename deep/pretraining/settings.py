"""How to pre-train: one frozen set of settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deep.augmentation import Augmentation
from deep.training.settings import TrainingSettings

# Recipe of the task itself.
OF_TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingSettings:
    """How to pre-train; with the clips, all that the weights depend on.

    Parameters
    ----------
    task : str
        ``"contrastive"``, ``"masked"`` or ``"patches"``; see `deep.pretraining.tasks`.
    task_params : mapping
        Options of the task.
    backbone : str
        A name from `list_backbones`.
    backbone_params : mapping
        Options of the backbone.
    frontend : str or None
        A name from `list_frontends`; None means the backbone's.
    frontend_params : mapping
        Options of the frontend.
    sr : int
        Sampling rate in Hz that the network works at.
    max_seconds : float
        Longest window; each epoch takes one of each clip, or one a view, at a random place.
    epochs : int
        Passes over the clips.
    minutes : float or None
        Ceiling on the wall clock, decoding included; a run that it ends is not deterministic.
    batch_size : int
        Clips per step; for `contrastive` also the number of clips to tell apart.
    learning_rate : float
        Peak of the one-cycle schedule.
    weight_decay : float
        Of AdamW; never of biases and normalisations.
    validation_fraction : float
        Share of the clips, in whole groups, that are asked about but not learned from. The epoch
        that answers them best is kept; the last one if there are none.
    augment : mapping, str or None
        Recipe of `deep.augmentation`; ``"task"`` means what the task itself needs.
    precision : str
        See `TrainingSettings`.
    seed : int
        Of weights, windows, batches, questions and augmentation.

    Raises
    ------
    ValueError
        If settings cannot work; names all that cannot.
    """

    task: str = "contrastive"
    task_params: Mapping[str, Any] = field(default_factory=dict)
    backbone: str = "crnn"
    backbone_params: Mapping[str, Any] = field(default_factory=dict)
    frontend: str | None = None
    frontend_params: Mapping[str, Any] = field(default_factory=dict)
    sr: int = 22050
    max_seconds: float = 2.0
    epochs: int = 50
    minutes: float | None = None
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    validation_fraction: float = 0.1
    augment: Mapping[str, Any] | str | None = OF_TASK
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        rules = (
            ("sr", "at least 1", self.sr >= 1),
            ("epochs", "at least 1", self.epochs >= 1),
            ("max_seconds", "above 0", self.max_seconds > 0),
            ("minutes", "None or above 0", self.minutes is None or self.minutes > 0),
            ("validation_fraction", "in [0, 1)", 0 <= self.validation_fraction < 1),
            ("seed", "at least 0", self.seed >= 0),
        )
        problems = [
            f"{name} must be {wanted}, got {getattr(self, name)!r}"
            for name, wanted, holds in rules
            if not holds
        ]
        try:
            self.of_training(None)
        except ValueError as exc:
            problems.append(str(exc))
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def max_length(self) -> int:
        """Longest window in samples."""
        return max(1, round(self.max_seconds * self.sr))

    def of_training(self, augmentation: Augmentation | None) -> TrainingSettings:
        """Give what the training engine goes by.

        Parameters
        ----------
        augmentation : Augmentation or None
            Made from the recipe.

        Returns
        -------
        TrainingSettings
            With its defaults for all that is not settled here.
        """
        return TrainingSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            precision=self.precision,
            augmentation=augmentation,
            max_length=self.max_length,
            seed=self.seed,
        )
