"""How to train: one frozen set of settings, checked as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deep.augmentation.augmentation import Augmentation
from deep.training.schedules import schedule_problems

Scoring = str | Callable[..., float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    epochs : int
        Passes over the training clips; 0 trains nothing.
    batch_size : int
        Clips per step.
    accumulate : int
        Parts that a batch is computed in, one after the other or shared among processes.
    learning_rate : float
        Peak of the schedule.
    schedule : str
        A key of `deep.training.schedules.SCHEDULES`.
    schedule_params : mapping
        Options of the schedule.
    warm_up_epochs : float
        Epochs in which the rate rises geometrically to where the schedule starts.
    head_epochs : int
        Epochs before those in which only the head is trained, at a rate that rises geometrically.
    unfreeze_from : str or None
        The first module, in the network's order, that is trained after that; None means all.
    layer_decay : float
        Each layer's rate is that of the next one, nearer to the head, times this.
    weight_decay : float
        Of AdamW; never of biases and normalisations.
    clip_norm : float or None
        Largest norm of a step's gradient; None means any.
    precision : str
        ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 on CUDA, where it is faster.
    compile : bool
        Whether the backbone is compiled by `torch.compile`.
    ema_decay : float or None
        Share of the old average that an exponential moving average of the weights keeps with each
        step; the average is what is validated and kept. None means no average.
    keep : str
        Weights of which epochs are kept: ``"best"`` or ``"last"``.
    average : int
        How many such epochs are averaged.
    scoring : str, callable or None
        Scikit-learn scorer that tells the best epoch; None means the validation loss.
    patience : int or None
        Epochs without a better one before stopping; None means never.
    augmentation : Augmentation or None
        What is done to training batches.
    max_length : int
        Longest window in samples.
    seed : int
        Of crops, batches, dropout and augmentation.
    n_jobs : int or None
        Threads that score the validation clips.

    Raises
    ------
    ValueError
        If settings cannot work; names all that cannot.
    """

    epochs: int = 25
    batch_size: int = 32
    accumulate: int = 1
    learning_rate: float = 3e-3
    schedule: str = "one-cycle"
    schedule_params: Mapping[str, Any] = field(default_factory=dict)
    warm_up_epochs: float = 0.0
    head_epochs: int = 0
    unfreeze_from: str | None = None
    layer_decay: float = 1.0
    weight_decay: float = 1e-2
    clip_norm: float | None = 2.0
    precision: str = "auto"
    compile: bool = False
    ema_decay: float | None = None
    keep: str = "best"
    average: int = 1
    scoring: Scoring = None
    patience: int | None = None
    augmentation: Augmentation | None = None
    max_length: int = 44100
    seed: int = 0
    n_jobs: int | None = None

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise ValueError("; ".join(problems))

    def _problems(self) -> list[str]:
        rising = self.head_epochs + self.warm_up_epochs
        rules: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
            ("epochs", "at least 0", lambda v: v >= 0),
            ("batch_size", "at least 2", lambda v: v >= 2),
            (
                "accumulate",
                f"1 to batch_size / 2 = {self.batch_size // 2}, so that a part has two clips",
                lambda v: 1 <= v <= max(1, self.batch_size // 2),
            ),
            ("learning_rate", "above 0", lambda v: v > 0),
            ("warm_up_epochs", "at least 0", lambda v: v >= 0),
            ("head_epochs", "at least 0", lambda v: v >= 0),
            (
                "head_epochs",
                f"fewer than epochs = {self.epochs}, warm_up_epochs = {self.warm_up_epochs} "
                "included",
                lambda v: 0 in (rising, self.epochs) or rising < self.epochs,
            ),
            ("layer_decay", "in (0, 1]", lambda v: 0 < v <= 1),
            ("weight_decay", "at least 0", lambda v: v >= 0),
            ("clip_norm", "None or above 0", lambda v: v is None or v > 0),
            (
                "precision",
                "'auto', 'float32' or 'bfloat16'",
                lambda v: v in ("auto", "float32", "bfloat16"),
            ),
            ("ema_decay", "None or in (0, 1)", lambda v: v is None or 0 < v < 1),
            ("keep", "'best' or 'last'", lambda v: v in ("best", "last")),
            ("average", "at least 1", lambda v: v >= 1),
            ("patience", "None or at least 1", lambda v: v is None or v >= 1),
        )
        problems = [
            f"{name} must be {wanted}, got {getattr(self, name)!r}"
            for name, wanted, holds in rules
            if not holds(getattr(self, name))
        ]
        return problems + schedule_problems(self.schedule, self.schedule_params)
