"""The composition that every backbone comes in: frontend, backbone, head."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from deep.backbones.backbone import Backbone
from deep.frontends.frontend import Frontend
from deep.heads.head import Head


class AudioNetwork(nn.Module):
    """Waveforms to logits and embeddings.

    Parameters
    ----------
    frontend : Frontend
        Waveforms to frames.
    backbone : Backbone
        Frames to embeddings.
    head : Head
        Embeddings, or steps, to logits.
    """

    def __init__(self, frontend: Frontend, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.frontend, self.backbone, self.head = frontend, backbone, head
        self.embedding_size = (
            backbone.frame_embedding_size if head.of_steps else backbone.embedding_size
        )
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
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
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

    def classify(self, frames: Tensor, n_frames: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits, and what they are made of.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
            Of `frames`.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip.

        Returns
        -------
        logits : Tensor of shape (n_samples, n_classes)
            Logits.
        embeddings : Tensor of shape (n_samples, embedding_size)
            What the head sees; the mean over a clip's steps where it looks at each of them.
        """
        if not self.head.of_steps:
            embeddings = self.backbone(frames, n_frames)
            return self.head(embeddings), embeddings
        steps, n_steps = self.backbone.frame_embeddings(frames, n_frames)
        means = steps.sum(dim=1) / n_steps.to(steps.device)[:, None]
        return self.head(steps, n_steps), means

    def outputs(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits and embeddings.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints), float32
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.

        Returns
        -------
        logits : Tensor of shape (n_samples, n_classes)
            Logits.
        embeddings : Tensor of shape (n_samples, embedding_size)
            See `classify`.
        """
        return self.classify(*self.frames(waveforms, lengths))

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
        return self.outputs(waveforms, lengths)[1]

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
        return self.outputs(waveforms, lengths)[0]


def count_parameters(module: nn.Module, *, trained_only: bool = False) -> int:
    """Count the numbers that a network learned, or can learn.

    Parameters
    ----------
    module : nn.Module
        A network, or part of one.
    trained_only : bool
        Whether frozen ones are left out.

    Returns
    -------
    int
        Numbers.
    """
    return sum(
        each.numel() for each in module.parameters() if each.requires_grad or not trained_only
    )
