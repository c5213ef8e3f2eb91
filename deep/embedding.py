"""Embeddings of a trained network as a scikit-learn transformer."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from deep.classifier import AudioBackboneClassifier


class EmbeddingExtractor(TransformerMixin, BaseEstimator):
    """Give the embeddings of a frozen network; fitting trains nothing.

    Embeddings of a network that was trained on some of the clips know their labels: use them only
    for clips that it never saw.

    Parameters
    ----------
    model : AudioBackboneClassifier, path-like or None
        A fitted classifier, or the folder of a saved one.
    device : str
        Torch device for a saved model; see `AudioBackboneClassifier`.
    n_jobs : int or None
        CPU threads for a saved model; see `AudioBackboneClassifier`.

    Attributes
    ----------
    model_ : AudioBackboneClassifier
        The fitted classifier.
    """

    def __init__(
        self,
        model: AudioBackboneClassifier | str | os.PathLike[str] | None = None,
        *,
        device: str = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.model = model
        self.device = device
        self.n_jobs = n_jobs

    def fit(self, X: Any = None, y: Any = None) -> EmbeddingExtractor:
        """Take or load the network.

        Parameters
        ----------
        X : ignored
            Here for scikit-learn's pipelines.
        y : ignored
            Here for scikit-learn's pipelines.

        Returns
        -------
        EmbeddingExtractor
            Itself.

        Raises
        ------
        ValueError
            If there is no model, or it is not fitted or cannot be read.
        """
        if self.model is None:
            raise ValueError("model must be a fitted classifier or a saved one's folder, got None")
        if isinstance(self.model, AudioBackboneClassifier):
            check_is_fitted(self.model)
            self.model_ = self.model
        else:
            self.model_ = AudioBackboneClassifier.load_model(
                self.model, device=self.device, n_jobs=self.n_jobs
            )
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Compute embeddings.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips; see `AudioBackboneClassifier.fit`.

        Returns
        -------
        np.ndarray of shape (n_samples, embedding_size), float32
            One row per clip.

        Raises
        ------
        AudioDecodeError
            If a clip cannot be decoded.
        """
        check_is_fitted(self)
        return self.model_.embed(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns.

        Parameters
        ----------
        input_features : ignored
            Here for scikit-learn's pipelines.

        Returns
        -------
        np.ndarray of shape (embedding_size,), object
            ``crnn_emb_000`` and so on.
        """
        check_is_fitted(self)
        size, backbone = self.model_.network_.embedding_size, self.model_.backbone
        return np.array([f"{backbone}_emb_{i:03d}" for i in range(size)], dtype=object)

    def __sklearn_clone__(self) -> EmbeddingExtractor:
        # The default would clone the model, too, and so forget its training.
        return type(self)(self.model, device=self.device, n_jobs=self.n_jobs)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.requires_fit = True
        return tags
