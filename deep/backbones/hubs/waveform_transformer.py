"""Transformers over the waveform: convolutions, a transformer over their steps, pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from deep.backbones.backbone import Backbone
from deep.backbones.hubs.layer_choice import LayerChoice
from deep.backbones.hubs.waveform_convolutions import WaveformConvolutions
from deep.backbones.pooling import POOLINGS, create_pooling
from deep.frontends.frontend import Frontend
from deep.frontends.padding import valid_mask

MEAN = "mean"

# What a waveform transformer may be asked for: all of it, or what its convolutions alone say.
TRANSFORMER, CONVOLUTIONS = "transformer", "convolutions"
PARTS = (TRANSFORMER, CONVOLUTIONS)


class WaveformTransformer(Backbone):
    """Waveforms to embeddings; each clip alone decides what it is, not what it is padded to.

    Means and variances are those of the valid samples and steps, and no step attends to padding:
    a clip in a batch has the steps that it has alone.

    Subclasses define `encode`.

    Parameters
    ----------
    frontend : Frontend
        One that gives the waveform itself.
    convolutions : WaveformConvolutions
        What turns it into steps.
    transformer : nn.Module or None
        What looks at them; None for `part` convolutions.
    choice : LayerChoice or None
        What is taken of the hidden states; None takes what the convolutions say.
    n_values : int
        Values per step.
    pooling : str
        ``"mean"`` over a clip's steps, or one of `deep.backbones.pooling`.

    Raises
    ------
    ValueError
        If there is no such pooling, or the frontend gives more than the waveform.
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        convolutions: WaveformConvolutions,
        transformer: nn.Module | None,
        choice: LayerChoice | None,
        n_values: int,
        pooling: str = MEAN,
    ) -> None:
        super().__init__()
        if pooling not in (MEAN, *POOLINGS):
            raise ValueError(f"pooling must be one of {(MEAN, *POOLINGS)}, got {pooling!r}")
        if (frontend.n_channels, frontend.n_bands) != (1, 1):
            raise ValueError(
                "a waveform transformer must be given one channel and one band, got "
                f"{frontend.n_channels} and {frontend.n_bands}: take the frontend 'waveform'"
            )
        # In the order in which they are run, by which rates decay and stages begin.
        self.convolutions = convolutions
        self.transformer: Any = transformer
        self.choice = choice
        self.pooling = None if pooling == MEAN else create_pooling(pooling, n_values)
        self.frame_embedding_size = n_values
        self.embedding_size = n_values if self.pooling is None else self.pooling.embedding_size
        self.min_frames, self.frames_per_step = convolutions.min_timepoints, convolutions.hop_length

    def encode(self, steps: Tensor, n_steps: Tensor, lengths: Tensor) -> Sequence[Tensor]:
        """Run the transformer over what the convolutions gave.

        Parameters
        ----------
        steps : Tensor of shape (n_samples, n_steps, n_convolved)
            Any values past each clip's last step.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Samples that they were made of.

        Returns
        -------
        sequence of Tensor of shape (n_samples, n_steps, n_values)
            What the choice of layers wants.

        Raises
        ------
        NotImplementedError
            If a backbone does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define encode")

    def forward(self, frames: Tensor, n_frames: Tensor) -> Tensor:
        """Compute one embedding per clip.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, 1, 1, n_timepoints)
            Waveforms, zero past each clip's end.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each clip, at least ``min_frames``.

        Returns
        -------
        Tensor of shape (n_samples, embedding_size)
            Pooled over the clip's steps.
        """
        steps, n_steps = self.frame_embeddings(frames, n_frames)
        if self.pooling is not None:
            return self.pooling(steps, n_steps)
        return steps.sum(dim=1) / n_steps.to(steps.device)[:, None]

    def frame_embeddings(  # noqa: D102 - see Backbone
        self, frames: Tensor, n_frames: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps, n_steps = self.convolutions(frames[:, 0, 0], n_frames)
        if self.choice is not None:
            steps = self.choice(self.encode(steps, n_steps, n_frames))
        valid = valid_mask(n_steps, steps.shape[1], device=steps.device)[..., None]
        return steps.masked_fill(~valid, 0.0), n_steps
