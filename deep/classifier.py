"""The scikit-learn face of a deep backbone."""

from __future__ import annotations

import copy
import os
import tempfile
import warnings
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from deep.augmentation import Augmentation
from deep.backbones.network import AudioNetwork
from deep.backbones.registry import create_backbone
from deep.checkpoint import read_checkpoint, write_checkpoint
from deep.clips import WaveformStore, check_clips
from deep.holdout import hold_out
from deep.inference import forward_clips, reproducible_arithmetic, resolve_device
from deep.losses import make_losses
from deep.progress import epoch_reporter
from deep.schedule import Clock
from deep.targets import Targets, encode_labels
from deep.training import Report, TrainingRecord, TrainingSettings, train_network
from deep.training_data import TrainingData

# Logit of a class that training never saw: a probability of one in a thousand.
ABSENT_LOGIT = float(np.log(0.001 / 0.999))


class AudioBackboneClassifier(ClassifierMixin, BaseEstimator):
    """Train a deep backbone on clips and predict class probabilities.

    Parameters
    ----------
    backbone : str
        A name from `list_backbones`.
    backbone_params : dict or None
        Options of the backbone; None means its defaults.
    sr : int
        Sampling rate in Hz that the network works at.
    source_sr : int or None
        Sampling rate in Hz of clips given as arrays; None means `sr`.
    max_seconds : float
        Longest window. Training takes a random window of a longer clip in each epoch; prediction
        covers it by windows with 50 % overlap and averages logits or embeddings.
    epochs : int
        Passes over the training clips.
    minutes : float or None
        Ceiling on the wall clock of `fit`, decoding included; None means none. The learning rate
        is annealed to its end by the ceiling, and ``stopped_by_`` then is ``"time"``. Runs that
        the clock ends are not deterministic.
    patience : int or None
        Epochs without a better validation loss before stopping; None means never.
    batch_size : int
        Clips per step.
    learning_rate : float
        Peak of the one-cycle schedule.
    weight_decay : float
        Of AdamW.
    label_smoothing : float
        Share of each target that is spread over the other classes.
    validation_fraction : float
        Share of the clips, in whole groups, held out for early stopping; 0 trains on all and
        keeps the last weights.
    augment : bool or Augmentation
        Whether training batches are augmented, and how.
    class_weight : None or "balanced"
        Weight classes in the loss by their rarity.
    cache_dir : str, path-like or None
        Where decoded clips are kept between fits; None decodes once per fit into a temporary
        folder.
    device : str
        A torch device, or ``"auto"``: CUDA if there is any, else the CPU.
    n_jobs : int or None
        Threads that decode clips and compute batches without gradients; None means 1 and -1 all.
        No number depends on it, which is why training steps keep to one thread: train folds
        side by side instead.
    random_state : int, RandomState or None
        Seed of weights, crops, batches, dropout and augmentation.
    verbose : bool
        Whether each epoch is shown: a progress bar on a terminal, lines in a pipe.

    Attributes
    ----------
    classes_ : np.ndarray of shape (n_classes,)
        Class of each column of the outputs.
    multi_label_ : bool
        Whether labels are decided one by one.
    network_ : AudioNetwork
        The trained network.
    history_ : list of dict
        Learning curves; see `TrainingRecord`.
    stopped_by_ : str
        ``"epochs"``, ``"patience"`` or ``"time"``.
    best_epoch_ : int
        The epoch whose weights were kept.
    validation_rows_ : np.ndarray, int64
        Rows of `X` that were held out to choose that epoch; not kept in a saved model.
    absent_ : np.ndarray of shape (n_classes,), bool
        Labels without a positive in the training rows.
    average_folds : bool
        Tells a stacking ensemble to keep the networks of its folds and to average their logits,
        instead of training another one on all rows: an average of networks is better than one,
        and its test scores come from what ships.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> t = np.arange(4000) / 8000
    >>> clips = [np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in [400, 1500] * 8]
    >>> classifier = AudioBackboneClassifier(sr=8000, epochs=8, random_state=0)
    >>> classifier.fit(clips, ["low", "high"] * 8).predict(clips[:2]).tolist()
    ['low', 'high']
    """

    average_folds = True
    # Groups are asked for wherever scikit-learn routes metadata: without them takes of one note
    # would sit on both sides of the validation split.
    __metadata_request__fit = {"groups": True, "on_epoch": False}

    def __init__(
        self,
        backbone: str = "crnn",
        *,
        backbone_params: dict[str, Any] | None = None,
        sr: int = 22050,
        source_sr: int | None = None,
        max_seconds: float = 2.0,
        epochs: int = 25,
        minutes: float | None = None,
        patience: int | None = 10,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-2,
        label_smoothing: float = 0.05,
        validation_fraction: float = 0.15,
        augment: bool | Augmentation = True,
        class_weight: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        device: str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.backbone = backbone
        self.backbone_params = backbone_params
        self.sr = sr
        self.source_sr = source_sr
        self.max_seconds = max_seconds
        self.epochs = epochs
        self.minutes = minutes
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.validation_fraction = validation_fraction
        self.augment = augment
        self.class_weight = class_weight
        self.cache_dir = cache_dir
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any, groups: Any = None, *, on_epoch: Report | None = None
    ) -> AudioBackboneClassifier:
        """Train.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips: `Clip`, paths or waveforms; see `check_clips`.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class names or numbers; or an indicator of 1, 0 and -1 = never annotated.
        groups : array-like of shape (n_samples,) or None
            Clips of one group stay on one side of the validation split; None means that each
            clip is its own.
        on_epoch : callable or None
            Called with each entry of ``history_``.

        Returns
        -------
        AudioBackboneClassifier
            Itself.

        Raises
        ------
        AudioDecodeError
            If a clip cannot be decoded.
        ValueError
            If settings, labels or groups do not fit.
        """
        self._check_settings()
        clock = Clock(None if self.minutes is None else 60 * self.minutes)
        clips = check_clips(X)
        targets = encode_labels(y, n_samples=len(clips))
        groups = _check_groups(groups, len(clips))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        device = resolve_device(self.device)
        self.classes_, self.multi_label_ = targets.classes, targets.multi_label
        with ExitStack() as stack:
            stack.enter_context(reproducible_arithmetic())
            cuda = [device] if device.type == "cuda" else []
            stack.enter_context(torch.random.fork_rng(devices=cuda))
            torch.manual_seed(seed)
            network = self._create_network(len(self.classes_)).to(device)
            directory = self.cache_dir or stack.enter_context(
                tempfile.TemporaryDirectory(prefix="timbrestack-")
            )
            store = WaveformStore(clips, sr=self.sr, source_sr=self.source_sr, directory=directory)
            data = self._split(store, targets, groups, np.random.default_rng(seed))
            show = stack.enter_context(epoch_reporter(self.epochs, verbose=self.verbose))
            record = self._train(network, data, seed, clock, _all_of(show, on_epoch))
        self.network_ = network
        self.history_, self.stopped_by_ = record.history, record.stopped_by
        self.best_epoch_, self.validation_rows_ = record.best_epoch, data.validation_rows
        return self

    def _check_settings(self) -> None:
        """Raise if settings cannot work, naming all that cannot."""
        wrong = [
            f"{name} must be {wanted}, got {getattr(self, name)!r}"
            for name, wanted, holds in (
                ("epochs", "at least 1", self.epochs >= 1),
                ("batch_size", "at least 2", self.batch_size >= 2),
                ("max_seconds", "above 0", self.max_seconds > 0),
                ("validation_fraction", "in [0, 1)", 0 <= self.validation_fraction < 1),
                ("class_weight", "None or 'balanced'", self.class_weight in (None, "balanced")),
            )
            if not holds
        ]
        if wrong:
            raise ValueError("; ".join(wrong))

    def _create_network(self, n_classes: int) -> AudioNetwork:
        return create_backbone(
            self.backbone, n_classes=n_classes, sr=self.sr, **(self.backbone_params or {})
        )

    def _max_length(self) -> int:
        return max(1, round(self.max_seconds * self.sr))

    def _split(
        self,
        store: WaveformStore,
        targets: Targets,
        groups: np.ndarray,
        rng: np.random.Generator,
    ) -> TrainingData:
        """Decode all clips and hold out the validation part."""
        held = hold_out(targets.values, groups, fraction=self.validation_fraction, rng=rng)
        training_rows, validation_rows = np.flatnonzero(~held), np.flatnonzero(held)
        self.absent_ = ~(targets.values[training_rows] == 1).any(axis=0)
        if self.absent_.any():
            warnings.warn(
                f"no training clip has {targets.classes[self.absent_].tolist()}: their "
                "probability will be 0.001 for every clip",
                stacklevel=3,
            )
        return TrainingData(
            store,
            store.lengths(n_jobs=self.n_jobs),
            targets.values,
            training_rows,
            validation_rows,
            targets.multi_label,
        )

    def _train(
        self, network: AudioNetwork, data: TrainingData, seed: int, clock: Clock, on_epoch: Report
    ) -> TrainingRecord:
        device, max_length = next(network.parameters()).device, self._max_length()
        batches = data.statistics_batches(
            max_length=max_length, batch_size=self.batch_size, rng=np.random.default_rng(seed)
        )
        network.frontend.fit_statistics((batch.to(device), lengths) for batch, lengths in batches)
        loss, validation_loss = make_losses(
            torch.from_numpy(data.targets[data.training_rows]).to(device),
            multi_label=data.multi_label,
            balanced=self.class_weight == "balanced",
            label_smoothing=self.label_smoothing,
        )
        settings = TrainingSettings(
            loss=loss,
            validation_loss=validation_loss,
            epochs=self.epochs,
            budget_s=clock.remaining(),
            patience=self.patience,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            max_length=max_length,
            augmentation=Augmentation() if self.augment is True else self.augment or None,
            seed=seed,
            n_jobs=self.n_jobs,
        )
        return train_network(network, data, settings=settings, on_epoch=on_epoch)

    def _forward(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Give logits and embeddings of clips."""
        check_is_fitted(self)
        clips = check_clips(X)
        network = self.network_.to(resolve_device(self.device))
        store = WaveformStore(clips, sr=self.sr, source_sr=self.source_sr, directory=self.cache_dir)
        with reproducible_arithmetic():
            return forward_clips(
                network,
                store,
                np.arange(len(clips)),
                max_length=self._max_length(),
                batch_size=self.batch_size,
                n_jobs=self.n_jobs,
            )

    def decision_function(self, X: Any) -> np.ndarray:
        """Compute logits.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips; see `fit`.

        Returns
        -------
        np.ndarray of shape (n_samples, n_classes), float32
            In the order of ``classes_``, two columns for two classes too.

        Raises
        ------
        AudioDecodeError
            If a clip cannot be decoded.
        """
        logits, _ = self._forward(X)
        logits[:, self.absent_] = ABSENT_LOGIT
        return logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute probabilities: softmax of the logits, or a sigmoid each for multi-label.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips; see `fit`.

        Returns
        -------
        np.ndarray of shape (n_samples, n_classes), float32
            In the order of ``classes_``.
        """
        logits = torch.from_numpy(self.decision_function(X))
        return (logits.sigmoid() if self.multi_label_ else logits.softmax(dim=1)).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Decide: the most probable class, or every label of at least one half.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips; see `fit`.

        Returns
        -------
        np.ndarray of shape (n_samples,) or (n_samples, n_classes)
            Class names; or int8 of 1 and 0 for multi-label.
        """
        logits = self.decision_function(X)
        if self.multi_label_:
            return (logits >= 0).astype(np.int8)
        return self.classes_[logits.argmax(axis=1)]

    def embed(self, X: Any) -> np.ndarray:
        """Compute embeddings.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips; see `fit`.

        Returns
        -------
        np.ndarray of shape (n_samples, embedding_size), float32
            What the head sees.
        """
        return self._forward(X)[1]

    def save_model(self, directory: str | os.PathLike[str]) -> None:
        """Write ``model.safetensors`` and ``card.json``.

        Parameters
        ----------
        directory : path-like
            Made if it is not there.
        """
        check_is_fitted(self)
        parameters = {name: getattr(self, name) for name in sorted(self.get_params(deep=False))}
        # Paths, devices and generators belong to the machine and the moment of the training.
        for name in ("cache_dir", "device", "n_jobs", "verbose", "random_state"):
            del parameters[name]
        if isinstance(self.augment, Augmentation):
            parameters["augment"] = asdict(self.augment)
        card = {
            "parameters": parameters,
            "classes": self.classes_.tolist(),
            "task": "multi-label" if self.multi_label_ else "single-label",
            "absent": self.absent_.tolist(),
            "embedding_size": self.network_.embedding_size,
            "history": self.history_,
            "stopped_by": self.stopped_by_,
            "best_epoch": self.best_epoch_,
        }
        write_checkpoint(directory, self.network_, card)

    @classmethod
    def load_model(
        cls, directory: str | os.PathLike[str], *, device: str = "auto", n_jobs: int | None = None
    ) -> AudioBackboneClassifier:
        """Read what `save_model` wrote; no pickle is involved.

        Parameters
        ----------
        directory : path-like
            A checkpoint.
        device : str
            See the class.
        n_jobs : int or None
            See the class.

        Returns
        -------
        AudioBackboneClassifier
            Fitted.

        Raises
        ------
        ValueError
            If the checkpoint is incomplete, damaged, or from another version.
        """
        card, weights = read_checkpoint(directory)
        parameters = dict(card["parameters"])
        try:
            if isinstance(parameters["augment"], dict):
                parameters["augment"] = Augmentation(**parameters["augment"])
            model = cls(**parameters, device=device, n_jobs=n_jobs)
            network = model._create_network(len(card["classes"]))
            network.load_state_dict(weights)
        except (KeyError, TypeError, RuntimeError) as exc:
            raise ValueError(f"{directory} does not fit this version: {exc}") from exc
        model.classes_ = np.array(card["classes"])
        model.multi_label_ = card["task"] == "multi-label"
        model.absent_ = np.array(card["absent"], dtype=bool)
        model.history_, model.stopped_by_ = card["history"], card["stopped_by"]
        model.best_epoch_ = card["best_epoch"]
        model.network_ = network.eval()
        return model

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "network_" in state:
            # A worker that receives this may have no such device.
            state["network_"] = copy.deepcopy(state["network_"]).cpu()
        return state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.two_d_labels = True
        tags.classifier_tags.multi_label = True
        tags.non_deterministic = self.minutes is not None
        return tags


def _all_of(*reports: Report | None) -> Report:
    """Join callbacks into one."""

    def report_to_all(entry: dict[str, float]) -> None:
        for report in filter(None, reports):
            report(entry)

    return report_to_all


def _check_groups(groups: Any, n_samples: int) -> np.ndarray:
    if groups is None:
        return np.arange(n_samples)
    groups = np.asarray(groups)
    if groups.shape != (n_samples,):
        raise ValueError(f"groups must have shape ({n_samples},), got {groups.shape}")
    return groups
