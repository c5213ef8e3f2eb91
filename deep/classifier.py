"""The scikit-learn face of a deep backbone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Tags

from deep.augmentation.augmentation import Augmentation
from deep.clips import check_clips
from deep.labelled_clips import (
    LabelledClips,
    check_labelled_clips,
    find_absent,
    load_data,
    open_store,
    split_rows,
)
from deep.partial_fitting import encode_known, train_one_epoch_more
from deep.preparation import (
    check_settings,
    create_engine_losses,
    draw_seed,
    engine_settings,
    fit_frontend,
    open_training,
    own_arithmetic,
    start_head,
    start_network,
)
from deep.progress import epoch_reporter
from deep.trained_classifier import TrainedClassifier
from deep.training.averaging import Weights
from deep.training.clock import Clock
from deep.training.logs import event_log
from deep.training.loop import train_network
from deep.training.processes import joined_processes, process_number
from deep.training.record import Report, TrainingRecord
from deep.training.settings import Scoring


class AudioBackboneClassifier(TrainedClassifier):
    """Train a deep backbone on clips and predict class probabilities.

    Parameters
    ----------
    backbone : str
        A name from `list_backbones`, or of a family such as ``timm:resnet18``.
    backbone_params : dict or None
        Options of the backbone; None means its defaults.
    frontend : str or None
        What the backbone sees, a name from `list_frontends`; None means what suits it.
    frontend_params : dict or None
        Options of the frontend, such as ``{"n_mels": 64}``; None means its defaults.
    head : str or None
        What stands on the backbone, a name from `list_heads`; None means what suits it.
    head_params : dict or None
        Options of the head, such as ``{"dropout": 0.5}``; None means its defaults.
    pretrained : str, path-like or None
        Folder of a pre-trained backbone to start from, which must be of the same kind; None
        starts from random weights.
    sr : int or None
        Sampling rate in Hz that the network works at; None means the backbone's own.
    source_sr : int or None
        Sampling rate in Hz of clips given as arrays; None means the network's.
    max_seconds : float
        Longest window. Prediction covers a longer clip by windows with 50 % overlap and averages
        logits or embeddings.
    windows : str
        What training sees of a longer clip in an epoch: ``"random"``, ``"loudest"`` or ``"all"``;
        see `deep.windows`.
    sampling : str
        Which clips an epoch takes: ``"all"`` once each, or ``"balanced"``; see `deep.sampling`.
    epochs : int
        Passes over the training clips; 0 trains nothing, for a network whose head knows the classes
        already.
    minutes : float or None
        Ceiling on the wall clock of `fit`, decoding and what an interrupted run had spent
        included; None means none. The learning rate is annealed to its end by the ceiling, and
        ``stopped_by_`` then is ``"time"``. Runs that the clock ends are not deterministic.
    patience : int or None
        Epochs without a better one before stopping; None means never.
    scoring : str, callable or None
        What tells a better epoch: a scikit-learn scorer, of whole validation clips, by name or as
        ``scorer(estimator, X, y)``; None means the validation loss. See `score_clips` for labels
        that were never annotated.
    keep : str
        Weights of which epochs are kept: ``"best"`` or ``"last"``.
    average : int
        How many such epochs are averaged, if their average is no worse than the best.
    ema_decay : float or None
        Share that an exponential moving average of the weights keeps with each step, such as
        0.999; the average is what is validated and kept. None means no average.
    batch_size : int
        Clips per step.
    accumulate : int
        Parts that a batch is computed in, for less memory, or for that many processes.
    learning_rate : float
        Peak of the schedule.
    schedule : str
        ``"one-cycle"``, ``"cosine-restarts"``, ``"step"``, ``"exponential"``, ``"plateau"`` or
        ``"constant"``; see `deep.training.schedules`.
    schedule_params : dict or None
        Options of the schedule; None means its defaults.
    warm_up_epochs : float
        Epochs in which the rate first rises geometrically to where the schedule starts.
    head_epochs : int
        Epochs before those in which only the head is trained and the rest is frozen, at a rate
        that rises geometrically to the peak; for backbones that come with weights.
    unfreeze_from : str or None
        Name of the first module, in the network's order, that is trained at all besides, such as
        ``"backbone.lstm"``; None means the whole network.
    layer_decay : float
        Each layer learns at the rate of the next one, nearer to the head, times this.
    weight_decay : float
        Of AdamW; never of biases and normalisations.
    clip_norm : float or None
        Largest norm of a step's gradient; None means any.
    precision : str
        ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 on CUDA.
    compile : bool
        Whether the backbone is compiled by `torch.compile` for training.
    loss : str
        A name from `list_losses`; ``"auto"`` is the cross-entropy of the task.
    loss_params : dict or None
        Options of the loss; None means its defaults.
    label_smoothing : float
        Share of each target that is spread over the other classes.
    class_weight : None or "balanced"
        Weight classes in the loss by their rarity.
    validation_fraction : float
        Share of the clips, in whole groups, held out for early stopping; 0 trains on all and
        keeps the last weights.
    augment : bool, str, dict or Augmentation
        How training batches are augmented: a recipe or its name, see `create_augmentation`; True
        means ``"default"``, False not at all.
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
    tensorboard : bool
        Whether learning curves are also written as TensorBoard's event files into `work_dir`.
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
        The best epoch.
    kept_epochs_ : list of int
        The epochs whose weights, averaged if there are several, were kept.
    pretrained_on_ : dict or None
        What the weights that it started from were trained on.
    validation_rows_ : np.ndarray, int64
        Rows of `X` that were held out to choose them; not kept in a saved model.
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
    __metadata_request__fit = {
        "groups": True,
        "validation": False,
        "soft_targets": False,
        "on_epoch": False,
        "work_dir": False,
    }

    def __init__(
        self,
        backbone: str = "crnn",
        *,
        backbone_params: dict[str, Any] | None = None,
        frontend: str | None = None,
        frontend_params: dict[str, Any] | None = None,
        head: str | None = None,
        head_params: dict[str, Any] | None = None,
        pretrained: str | os.PathLike[str] | None = None,
        sr: int | None = None,
        source_sr: int | None = None,
        max_seconds: float = 2.0,
        windows: str = "random",
        sampling: str = "all",
        epochs: int = 25,
        minutes: float | None = None,
        patience: int | None = 10,
        scoring: Scoring = None,
        keep: str = "best",
        average: int = 1,
        ema_decay: float | None = None,
        batch_size: int = 32,
        accumulate: int = 1,
        learning_rate: float = 3e-3,
        schedule: str = "one-cycle",
        schedule_params: dict[str, Any] | None = None,
        warm_up_epochs: float = 0.0,
        head_epochs: int = 0,
        unfreeze_from: str | None = None,
        layer_decay: float = 1.0,
        weight_decay: float = 1e-2,
        clip_norm: float | None = 2.0,
        precision: str = "auto",
        compile: bool = False,
        loss: str = "auto",
        loss_params: dict[str, Any] | None = None,
        label_smoothing: float = 0.05,
        class_weight: str | None = None,
        validation_fraction: float = 0.15,
        augment: bool | str | dict[str, Any] | Augmentation = True,
        cache_dir: str | os.PathLike[str] | None = None,
        device: str = "auto",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        tensorboard: bool = False,
        verbose: bool = False,
    ) -> None:
        self.backbone = backbone
        self.backbone_params = backbone_params
        self.frontend = frontend
        self.frontend_params = frontend_params
        self.head = head
        self.head_params = head_params
        self.pretrained = pretrained
        self.sr = sr
        self.source_sr = source_sr
        self.max_seconds = max_seconds
        self.windows = windows
        self.sampling = sampling
        self.epochs = epochs
        self.minutes = minutes
        self.patience = patience
        self.scoring = scoring
        self.keep = keep
        self.average = average
        self.ema_decay = ema_decay
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.schedule_params = schedule_params
        self.warm_up_epochs = warm_up_epochs
        self.head_epochs = head_epochs
        self.unfreeze_from = unfreeze_from
        self.layer_decay = layer_decay
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.precision = precision
        self.compile = compile
        self.loss = loss
        self.loss_params = loss_params
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.augment = augment
        self.cache_dir = cache_dir
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.tensorboard = tensorboard
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        groups: Any = None,
        *,
        validation: Any = None,
        soft_targets: Any = None,
        on_epoch: Report | None = None,
        work_dir: str | os.PathLike[str] | None = None,
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
        validation : array-like of shape (n_samples,), bool, or None
            Clips that are held out as they are told, whatever ``validation_fraction``; None deals
            whole groups.
        soft_targets : array-like of shape (n_samples, n_classes) or None
            What is learned in place of the labels, such as the probabilities of a teacher that
            never saw what this network will be judged by; a column for each class, sorted, or as
            in an indicator. Validation, balance and which labels are absent go by `y`.
        on_epoch : callable or None
            Called with each new entry of ``history_``.
        work_dir : path-like or None
            A folder of this training alone, for its checkpoints and logs. After an interruption
            the same call goes on from the last finished epoch, and on a CPU ends with the same
            weights, bit for bit, as without one. None keeps nothing.

        Returns
        -------
        AudioBackboneClassifier
            Itself.

        Raises
        ------
        AudioDecodeError
            If a clip cannot be decoded.
        ImportError
            If TensorBoard is wanted and not installed.
        ValueError
            If settings, labels or groups do not fit, `work_dir` holds another training, or the
            loss does not stay finite.
        """
        check_settings(self, work_dir)
        clock = Clock(None if self.minutes is None else 60 * self.minutes)
        given = check_labelled_clips(
            X, y, groups=groups, validation=validation, soft_targets=soft_targets
        )
        self.classes_, self.multi_label_ = given.targets.classes, given.targets.multi_label
        with ExitStack() as stack:
            stack.enter_context(joined_processes())
            rows, record = self._train(stack, given, clock, on_epoch, work_dir)
        self._optimizer_tensors: Weights = {}
        self.history_, self.stopped_by_ = record.history, record.stopped_by
        self.best_epoch_, self.kept_epochs_ = record.best_epoch, record.kept_epochs
        self.validation_rows_, self.absent_ = rows[1], find_absent(given.targets, rows[0])
        return self

    def _train(
        self,
        stack: ExitStack,
        given: LabelledClips,
        clock: Clock,
        on_epoch: Report | None,
        work_dir: str | os.PathLike[str] | None,
    ) -> tuple[tuple[np.ndarray, np.ndarray], TrainingRecord]:
        """Make and train the network; give training and validation rows, and how it went."""
        self._seed, checkpoints = open_training(stack, self, work_dir, given)
        settings = engine_settings(self, seed=self._seed, multi_label=self.multi_label_)
        device = stack.enter_context(own_arithmetic(self, self._seed))
        network = start_network(self, len(self.classes_)).to(device)
        rows = split_rows(given, fraction=self.validation_fraction, seed=self._seed)
        data = load_data(self, open_store(stack, self, given.clips), given, *rows)
        fit_frontend(network, data, settings)
        start_head(network, data, self.classes_, balanced=self.class_weight == "balanced")
        first = process_number() == 0
        shown = epoch_reporter(self.epochs, verbose=self.verbose and first, budget_s=clock.budget_s)
        reporter = stack.enter_context(shown)
        reports = [reporter.on_epoch, *filter(None, [on_epoch])]
        if self.tensorboard and work_dir is not None and first:
            reports.append(stack.enter_context(event_log(Path(work_dir))))
        record = train_network(
            network,
            data,
            settings=settings,
            losses=create_engine_losses(self, network, data),
            classes=self.classes_,
            clock=clock,
            checkpoints=checkpoints,
            on_epoch=_all_of(reports),
            on_step=reporter.on_step,
        )
        self.network_ = network
        return rows, record

    def partial_fit(self, X: Any, y: Any, *, classes: Any = None) -> AudioBackboneClassifier:
        """Train one more epoch, on these clips alone, at the peak learning rate.

        Nothing is held out, averaged or frozen for a time, since no end is known; the optimiser
        goes on from call to call, but not through a saved model. The frontend's normalisation is
        that of the first clips.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips; see `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their labels; see `fit`.
        classes : array-like of shape (n_classes,) or None
            All classes there will ever be; needed by the first call unless `y` is an indicator.

        Returns
        -------
        AudioBackboneClassifier
            Itself.

        Raises
        ------
        AudioDecodeError
            If a clip cannot be decoded.
        ValueError
            If settings or labels do not fit, there are new classes, or the loss does not stay
            finite.
        """
        check_settings(self)
        clips = check_clips(X)
        begun = hasattr(self, "network_")
        if not begun and classes is None and np.ndim(y) == 1:
            raise ValueError("the first partial_fit must be given classes, got None")
        targets = encode_known(y, self.classes_ if begun else classes, n_samples=len(clips))
        if not begun:
            self.classes_, self.multi_label_ = targets.classes, targets.multi_label
            self.absent_ = np.ones(len(targets.classes), dtype=bool)
            self.history_ = []
        if not hasattr(self, "_seed"):
            self._seed = draw_seed(self)
            self._optimizer_tensors = {}
        entry, self._optimizer_tensors = train_one_epoch_more(
            self,
            clips,
            targets,
            seed=self._seed,
            tensors=self._optimizer_tensors,
            epoch=len(self.history_) + 1,
        )
        self.absent_ = self.absent_ & find_absent(targets, np.arange(len(clips)))
        self.history_ = [*self.history_, entry]
        self.stopped_by_, self.best_epoch_ = "epochs", len(self.history_)
        self.kept_epochs_, self.validation_rows_ = [self.best_epoch_], np.arange(0)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.minutes is not None
        return tags


def _all_of(reports: Iterable[Report]) -> Report:
    """Join callbacks into one."""

    def report_to_all(entry: dict[str, float]) -> None:
        for report in reports:
            report(entry)

    return report_to_all
