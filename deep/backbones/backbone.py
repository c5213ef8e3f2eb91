"""What every backbone is: frames to embeddings."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Backbone(nn.Module):
    """Frames to embeddings, called as ``backbone(frames, n_frames) -> embeddings``.

    A clip's embedding depends neither on its neighbours in a batch nor on padding.

    Attributes
    ----------
    embedding_size : int
        Values per embedding.
    min_frames : int
        The shortest input that it can take.
    frames_per_step : int
        Frames that one of the steps of `frame_embeddings` stands for.
    frame_embedding_size : int
        Values per step.
    map_layer : str or None
        The module whose maps, of shape (n_samples, n_maps, height, width), tell best where in the
        frames something was found; by its name inside the backbone.
    architecture : dict or None
        JSON-able: all that making the same network anew needs, where it was made after what lies
        outside of the library; a checkpoint's card keeps it.
    """

    embedding_size: int
    min_frames: int
    frames_per_step: int
    frame_embedding_size: int
    map_layer: str | None = None
    architecture: dict[str, Any] | None = None

    def frame_embeddings(self, frames: Tensor, n_frames: Tensor) -> tuple[Tensor, Tensor]:
        """Compute embeddings of short stretches of time, as some heads and tasks need them.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
            Zero past each clip's last frame.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip, at least ``min_frames``.

        Returns
        -------
        embeddings : Tensor of shape (n_samples, n_steps, frame_embedding_size)
            Zero past each clip's last step.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip, ``n_frames // frames_per_step``.

        Raises
        ------
        NotImplementedError
            If a backbone has none.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no embeddings of frames")

    @property
    def gives_steps(self) -> bool:
        """Whether `frame_embeddings` works."""
        return type(self).frame_embeddings is not Backbone.frame_embeddings
