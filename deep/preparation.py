"""From an estimator's parameters and clips to what the engine trains."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from deep.augmentation.augmentation import Augmentation
from deep.augmentation.registry import create_augmentation
from deep.backbones.network import AudioNetwork
from deep.inference import reproducible_arithmetic, resolve_device
from deep.labelled_clips import LabelledClips
from deep.losses.registry import create_losses
from deep.pretraining.pretrained import PretrainedBackbone
from deep.pretraining.starting import load_pretrained_backbone
from deep.trained_classifier import OF_THE_MOMENT, TrainedClassifier
from deep.training.checkpoints import Checkpoints, open_checkpoints
from deep.training.fingerprint import describe_training, hash_data, hash_files
from deep.training.loop import Losses
from deep.training.processes import agree
from deep.training.settings import TrainingSettings
from deep.training_data import TrainingData


def check_settings(model: Any, work_dir: Any = None) -> None:
    """Make sure that the parameters of an estimator can work.

    Parameters
    ----------
    model : AudioBackboneClassifier
        Whose parameters count.
    work_dir : path-like or None
        Of the fit.

    Raises
    ------
    ValueError
        Naming all that cannot.
    """
    problems = [
        f"{name} must be {wanted}, got {getattr(model, name)!r}"
        for name, wanted, holds in (
            ("max_seconds", "above 0", model.max_seconds > 0),
            ("minutes", "None or at least 0", model.minutes is None or model.minutes >= 0),
            ("validation_fraction", "in [0, 1)", 0 <= model.validation_fraction < 1),
            ("class_weight", "None or 'balanced'", model.class_weight in (None, "balanced")),
            (
                "tensorboard",
                "False where there is no work_dir to write into",
                not (model.tensorboard and work_dir is None),
            ),
        )
        if not holds
    ]
    try:
        # What labels will allow is not known yet.
        engine_settings(model, seed=0, multi_label=True)
    except ValueError as exc:
        problems.append(str(exc))
    if problems:
        raise ValueError("; ".join(problems))


def engine_settings(model: Any, *, seed: int, multi_label: bool) -> TrainingSettings:
    """Give the settings of the engine, most of which bear the parameter's name.

    Parameters
    ----------
    model : AudioBackboneClassifier
        Whose parameters count.
    seed : int
        Of the training.
    multi_label : bool
        Whether labels are decided one by one.

    Returns
    -------
    TrainingSettings
        Checked.
    """
    named = {
        each.name: getattr(model, each.name)
        for each in fields(TrainingSettings)
        if hasattr(model, each.name)
    }
    others = {
        "schedule_params": model.schedule_params or {},
        "augmentation": _make_augmentation(model, multi_label),
        "max_length": model.find_max_length(),
        "seed": seed,
    }
    return TrainingSettings(**named | others)


def _make_augmentation(model: Any, multi_label: bool) -> Augmentation | None:
    if isinstance(model.augment, Augmentation):
        return model.augment
    recipe = "default" if model.augment is True else model.augment or None
    made = create_augmentation(recipe, sr=model.find_sr(), multi_label=multi_label)
    return made if made.steps else None


def create_engine_losses(model: Any, network: AudioNetwork, data: TrainingData) -> Losses:
    """Make what a network is trained and watched by.

    Parameters
    ----------
    model : AudioBackboneClassifier
        Whose parameters count.
    network : AudioNetwork
        On its device.
    data : TrainingData
        Weights of classes are those of its training rows.

    Returns
    -------
    Losses
        Of the network's device.
    """
    targets = torch.from_numpy(data.targets[data.training_rows])
    training, validation = create_losses(
        model.loss,
        targets.to(next(network.parameters()).device),
        multi_label=data.multi_label,
        classes=model.classes_,
        class_weight=model.class_weight,
        label_smoothing=model.label_smoothing,
        **(model.loss_params or {}),
    )
    return Losses(training, validation)


def start_network(model: Any, n_classes: int) -> AudioNetwork:
    """Make the network of a training, from pre-trained weights if there are any.

    Parameters
    ----------
    model : AudioBackboneClassifier
        Whose parameters count; gets ``pretrained_on_``.
    n_classes : int
        Values per row of logits.

    Returns
    -------
    AudioNetwork
        On the CPU.
    """
    network = model.create_network(n_classes)
    network.head.name_classes([str(name) for name in model.classes_])
    model.pretrained_on_ = None
    if model.pretrained is not None:
        card = load_pretrained_backbone(
            network,
            model.pretrained,
            settings=model.get_params(deep=False) | {"sr": model.find_sr()},
        )
        model.pretrained_on_ = card["trained_on"]
    return network


def draw_seed(model: Any) -> int:
    """Draw the seed of a training.

    Parameters
    ----------
    model : AudioBackboneClassifier
        Whose ``random_state`` counts.

    Returns
    -------
    int
        The same in all processes that train together.
    """
    return agree(int(check_random_state(model.random_state).randint(2**31 - 1)))


def open_training(
    stack: ExitStack,
    model: TrainedClassifier,
    work_dir: str | os.PathLike[str] | None,
    given: LabelledClips,
) -> tuple[int, Checkpoints | None]:
    """Give the seed of a training, and its checkpoints if there are to be any.

    Parameters
    ----------
    stack : ExitStack
        Lets go of the folder in the end.
    model : AudioBackboneClassifier
        Whose parameters count.
    work_dir : path-like or None
        The folder.
    given : LabelledClips
        What is learned.

    Returns
    -------
    seed : int
        That of the interrupted training if none is wished for.
    checkpoints : Checkpoints or None
        Of this training only.
    """
    seed = draw_seed(model)
    if work_dir is None:
        return seed, None
    parameters = model.get_params(deep=False)
    lasting = {
        name: value for name, value in parameters.items() if name not in (*OF_THE_MOMENT, "minutes")
    }
    if parameters["pretrained"] is not None:
        start = PretrainedBackbone.load(parameters["pretrained"])
        lasting["pretrained"] = start.card["weights_sha256"]
    lasting["files"] = hash_files(lasting)
    described = describe_training(
        lasting,
        seed=None if parameters["random_state"] is None else seed,
        data=hash_data(
            given.clips,
            given.targets.values,
            given.groups,
            others=(given.validation, given.soft_targets),
        ),
        n_classes=len(given.targets.classes),
    )
    checkpoints = stack.enter_context(open_checkpoints(work_dir, described, seed=seed))
    return checkpoints.seed, checkpoints


@contextmanager
def own_arithmetic(model: Any, seed: int) -> Iterator[torch.device]:
    """Make arithmetic reproducible and randomness a matter of the seed.

    Parameters
    ----------
    model : AudioBackboneClassifier
        Whose ``device`` counts.
    seed : int
        Of weights.

    Yields
    ------
    torch.device
        The device; threads and torch's generators are restored afterwards.
    """
    device = resolve_device(model.device)
    cuda = [device] if device.type == "cuda" else []
    with reproducible_arithmetic(), torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield device


def start_head(
    network: AudioNetwork, data: TrainingData, classes: np.ndarray, *, balanced: bool
) -> None:
    """Start the head at what is known before training.

    That is how frequent labels are, where they are decided one by one, and what the backbone's
    weights know of them.

    Parameters
    ----------
    network : AudioNetwork
        Untrained, or with an untrained head.
    data : TrainingData
        Whose training rows count; a label that is known of none of them is left as it is.
    classes : np.ndarray of shape (n_classes,)
        Their names.
    balanced : bool
        Whether positives weigh as much as negatives: then one half is what to start at.
    """
    if data.multi_label and not balanced:
        _start_at_frequencies(network, data)
    network.head.start_with(network.backbone, [str(each) for each in classes])


def _start_at_frequencies(network: AudioNetwork, data: TrainingData) -> None:
    targets = torch.from_numpy(data.targets[data.training_rows])
    known = targets >= 0
    frequencies = (targets * known).sum(dim=0) / known.sum(dim=0).clamp_min(1)
    frequencies = torch.where(known.any(dim=0), frequencies, 0.5)
    network.head.start_at(frequencies.to(next(network.parameters()).device))


def fit_frontend(network: AudioNetwork, data: TrainingData, settings: TrainingSettings) -> None:
    """Fit the frontend's normalisation on training clips.

    Parameters
    ----------
    network : AudioNetwork
        On its device.
    data : TrainingData
        Clips and which are for training.
    settings : TrainingSettings
        Window, batch size and seed.
    """
    device = next(network.parameters()).device
    batches = data.statistics_batches(
        max_length=settings.max_length,
        batch_size=settings.batch_size,
        rng=np.random.default_rng(settings.seed),
    )
    network.frontend.fit_statistics((batch.to(device), lengths) for batch, lengths in batches)
