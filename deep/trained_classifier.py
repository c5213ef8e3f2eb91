"""What a classifier does once it is trained: predict, embed, and travel to disk and back."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from deep.augmentation.augmentation import Augmentation
from deep.backbones.creation import create_backbone
from deep.backbones.earlier import name_parts
from deep.backbones.network import AudioNetwork, count_parameters
from deep.backbones.registry import get_backbone_config
from deep.checkpoint import read_checkpoint, write_checkpoint
from deep.clips import WaveformStore, check_clips
from deep.heads.cosine import COSINE_SCALE
from deep.inference import forward_clips, reproducible_arithmetic, resolve_device

# The loss whose logits must be cosines.
COSINE_LOSS = "arcface"

# Logit of a class that training never saw: a probability of one in a thousand.
ABSENT_LOGIT = float(np.log(0.001 / 0.999))

# Paths, devices, generators and what is shown belong to the machine and the moment of a training.
OF_THE_MOMENT = (
    "cache_dir",
    "device",
    "n_jobs",
    "verbose",
    "random_state",
    "tensorboard",
    "pretrained",
)


class TrainedClassifier(ClassifierMixin, BaseEstimator):
    """The part of `AudioBackboneClassifier` that needs no training data.

    Attributes
    ----------
    backbone, backbone_params, sr, source_sr, max_seconds, batch_size, cache_dir, device, n_jobs
        See `AudioBackboneClassifier`, as for what is learned.
    """

    backbone: str
    backbone_params: dict[str, Any] | None
    frontend: str | None
    frontend_params: dict[str, Any] | None
    head: str | None
    head_params: dict[str, Any] | None
    sr: int | None
    source_sr: int | None
    loss: str
    loss_params: dict[str, Any] | None
    max_seconds: float
    batch_size: int
    cache_dir: str | os.PathLike[str] | None
    device: str
    n_jobs: int | None

    classes_: np.ndarray
    multi_label_: bool
    absent_: np.ndarray
    network_: AudioNetwork
    history_: list[dict[str, float]]
    stopped_by_: str
    best_epoch_: int
    kept_epochs_: list[int]
    pretrained_on_: dict[str, Any] | None

    def create_network(
        self, n_classes: int, *, architecture: dict[str, Any] | None = None
    ) -> AudioNetwork:
        """Make an untrained network.

        Parameters
        ----------
        n_classes : int
            Values per row of logits.
        architecture : dict or None
            From a checkpoint's card; see `create_backbone`.

        Returns
        -------
        AudioNetwork
            From torch's generator.

        Raises
        ------
        ValueError
            If there is no such backbone, frontend, head or option of one, or the loss wants another
            head.
        """
        head, head_params = self.head, self.head_params or {}
        if self.loss == COSINE_LOSS:
            # Its margin is one of angles, which no other head's logits tell of.
            if head not in (None, "cosine"):
                raise ValueError(f"loss {COSINE_LOSS!r} must have head 'cosine', got {head!r}")
            scale = (self.loss_params or {}).get("scale", COSINE_SCALE)
            head, head_params = "cosine", {"scale": scale, **head_params}
        try:
            return create_backbone(
                self.backbone,
                n_classes=n_classes,
                sr=self.sr,
                frontend=self.frontend,
                frontend_params=self.frontend_params,
                head=head,
                head_params=head_params,
                architecture=architecture,
                **(self.backbone_params or {}),
            )
        except TypeError as error:
            raise ValueError(
                f"options of backbone, frontend and head must be of the kinds that they ask for, "
                f"got {self.backbone_params}, {self.frontend_params} and {head_params}: {error}"
            ) from error

    def find_sr(self) -> int:
        """Tell at which rate the network works, or will.

        Returns
        -------
        int
            In Hz: ``sr``, or the backbone's own if that is None.
        """
        if hasattr(self, "network_"):
            return self.network_.frontend.sr
        if self.sr is not None:
            return self.sr
        return get_backbone_config(self.backbone, options=self.backbone_params).sr

    def find_max_length(self) -> int:
        """Tell how long the longest window is.

        Returns
        -------
        int
            In samples.
        """
        return max(1, round(self.max_seconds * self.find_sr()))

    def _forward(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Give logits and embeddings of clips."""
        check_is_fitted(self)
        clips = check_clips(X)
        network = self.network_.to(resolve_device(self.device))
        store = WaveformStore(
            clips, sr=self.find_sr(), source_sr=self.source_sr, directory=self.cache_dir
        )
        with reproducible_arithmetic():
            return forward_clips(
                network,
                store,
                np.arange(len(clips)),
                max_length=self.find_max_length(),
                batch_size=self.batch_size,
                n_jobs=self.n_jobs,
            )

    def decision_function(self, X: Any) -> np.ndarray:
        """Compute logits.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips; see `AudioBackboneClassifier.fit`.

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
            Clips; see `AudioBackboneClassifier.fit`.

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
            Clips; see `AudioBackboneClassifier.fit`.

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
            Clips; see `AudioBackboneClassifier.fit`.

        Returns
        -------
        np.ndarray of shape (n_samples, embedding_size), float32
            What the head sees.
        """
        return self._forward(X)[1]

    def save_model(
        self,
        directory: str | os.PathLike[str],
        *,
        clip_ids: Sequence[str] | None = None,
    ) -> None:
        """Write ``model.safetensors`` and ``card.json``.

        Parameters
        ----------
        directory : path-like
            Made if it is not there.
        clip_ids : sequence of str or None
            Names of the clips whose labels it learned, so that nobody starts from it who is to be
            judged by them; None means that they are not known.
        """
        check_is_fitted(self)
        card = {
            "parameters": self._saved_parameters(),
            "classes": self.classes_.tolist(),
            "task": "multi-label" if self.multi_label_ else "single-label",
            "absent": self.absent_.tolist(),
            "architecture": self.network_.backbone.architecture,
            "embedding_size": self.network_.embedding_size,
            "n_parameters": count_parameters(self.network_),
            "history": self.history_,
            "stopped_by": self.stopped_by_,
            "best_epoch": self.best_epoch_,
            "kept_epochs": self.kept_epochs_,
            "pretrained_on": self.pretrained_on_,
            "clip_ids": None if clip_ids is None else list(clip_ids),
        }
        write_checkpoint(directory, self.network_, card)

    def _saved_parameters(self) -> dict[str, Any]:
        """Give settings as JSON has them."""
        parameters = {
            name: value
            for name, value in sorted(self.get_params(deep=False).items())
            if name not in OF_THE_MOMENT
        }
        parameters["sr"] = self.find_sr()
        if isinstance(parameters["augment"], Augmentation):
            parameters["augment"] = parameters["augment"].recipe
        # A function cannot be saved, and is for training only.
        if callable(parameters["scoring"]):
            del parameters["scoring"]
        return parameters

    @classmethod
    def load_model(
        cls, directory: str | os.PathLike[str], *, device: str = "auto", n_jobs: int | None = None
    ) -> Self:
        """Read what `save_model` wrote; no pickle is involved.

        Parameters
        ----------
        directory : path-like
            A checkpoint.
        device : str
            See `AudioBackboneClassifier`.
        n_jobs : int or None
            See `AudioBackboneClassifier`.

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
        parameters = name_parts(card["parameters"])
        try:
            model = cls(**parameters, device=device, n_jobs=n_jobs)
            network = model.create_network(
                len(card["classes"]), architecture=card.get("architecture")
            )
            network.head.name_classes([str(name) for name in card["classes"]])
            network.load_state_dict(weights)
        except (KeyError, TypeError, RuntimeError) as exc:
            raise ValueError(f"{directory} does not fit this version: {exc}") from exc
        model.classes_ = np.array(card["classes"])
        model.multi_label_ = card["task"] == "multi-label"
        model.absent_ = np.array(card["absent"], dtype=bool)
        model.history_, model.stopped_by_ = card["history"], card["stopped_by"]
        model.best_epoch_ = card["best_epoch"]
        model.kept_epochs_ = card.get("kept_epochs", [card["best_epoch"]])
        model.pretrained_on_ = card.get("pretrained_on")
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
        return tags
