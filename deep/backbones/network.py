"""The composition that every backbone comes in: frontend, backbone, head."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from deep.frontends.frontend import Frontend


class Backbone(nn.Module):
    """Frames to embeddings, called as ``backbone(frames, n_frames) -> embeddings``.

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
    """

    embedding_size: int
    min_frames: int
    frames_per_step: int
    frame_embedding_size: int

    def frame_embeddings(self, frames: Tensor, n_frames: Tensor) -> tuple[Tensor, Tensor]:
        """Compute embeddings of short stretches of time, as some self-supervised tasks need them.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, n_bands, n_frames)
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


class AudioNetwork(nn.Module):
    """Waveforms to logits and embeddings.

    Parameters
    ----------
    frontend : Frontend
        Waveforms to frames.
    backbone : Backbone
        Frames to embeddings.
    head : nn.Module
        ``head(embeddings) -> logits``.
    """

    def __init__(self, frontend: Frontend, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.frontend, self.backbone, self.head = frontend, backbone, head
        self.embedding_size = backbone.embedding_size
        self.min_timepoints = frontend.min_timepoints(backbone.min_frames)

    def frames(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute what the backbone sees; see `forward`.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints), float32
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each waveform.

        Returns
        -------
        frames : Tensor of shape (n_samples, n_bands, n_frames)
            The frontend's output.
        n_frames : Tensor of shape (n_samples,), int64
            Valid frames of each clip.
        """
        # A clip shorter than the backbone's reach is continued by silence: alone or in a batch
        # the same, because each clip's own length decides.
        missing = self.min_timepoints - waveforms.shape[1]
        if missing > 0:
            waveforms = functional.pad(waveforms, (0, missing))
        return self.frontend(waveforms, lengths.clamp_min(self.min_timepoints))

    def embeddings(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Compute one embedding per clip.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints), float32
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.

        Returns
        -------
        Tensor of shape (n_samples, embedding_size)
            Embeddings.
        """
        return self.backbone(*self.frames(waveforms, lengths))

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Compute logits.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints), float32
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.

        Returns
        -------
        Tensor of shape (n_samples, n_classes)
            Logits.
        """
        return self.head(self.embeddings(waveforms, lengths))
