"""What every pretext task promises."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deep.augmentation.draws import Draws
from deep.backbones.backbone import Backbone


@dataclass(frozen=True, slots=True)
class Views:
    """A batch as a pretext task sees it: one or more views of each clip.

    Parameters
    ----------
    frames : Tensor of shape (n_views * n_clips, n_channels, n_bands, n_frames)
        The first view of all clips, then the second of all. Zero past each view's last frame.
    n_frames : Tensor of shape (n_views * n_clips,), int64, on the CPU
        Valid frames of each.
    groups : Tensor of shape (n_clips,), int64
        Number of each clip's group.
    """

    frames: Tensor
    n_frames: Tensor
    groups: Tensor


@dataclass(frozen=True, slots=True)
class Outcome:
    """How well a batch was answered.

    Parameters
    ----------
    loss : Tensor, scalar
        What is learned by.
    tallies : Tensor of shape (n_tallies,), float64
        Sums that `PretextTask.judge` makes a score of, once they are added up over batches;
        without gradient.
    """

    loss: Tensor
    tallies: Tensor


class PretextTask(nn.Module):
    """A question about sound that the sound answers, and the decoder that answers it.

    Attributes
    ----------
    n_views : int
        Windows that are cut of each clip.
    min_share : float
        Shortest window, as a share of what the clip and the longest window allow; evenly drawn up
        to all of it.
    score_name : str
        What `judge` measures, for people.
    augment : str, mapping or None
        The recipe that it needs, see `deep.augmentation`; None means none.
    """

    n_views: int = 1
    min_share: float = 1.0
    score_name: str
    augment: dict[str, dict[str, float | str]] | None = None

    def forward(self, backbone: Backbone, views: Views, draws: Draws) -> Outcome:
        """Ask and answer.

        Parameters
        ----------
        backbone : Backbone
            What is to learn.
        views : Views
            A batch.
        draws : Draws
            What is asked of each view depends on its own numbers.

        Returns
        -------
        Outcome
            How well it was answered.

        Raises
        ------
        NotImplementedError
            If a task does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def judge(self, tallies: Tensor) -> tuple[float, float]:
        """Make a score of what was counted.

        Parameters
        ----------
        tallies : Tensor of shape (n_tallies,), float64
            Added up over batches.

        Returns
        -------
        score : float
            At most 1; higher is better.
        chance : float
            The score of one who has learned nothing; NaN, as the score, if nothing was asked.

        Raises
        ------
        NotImplementedError
            If a task does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define judge")


def check_steps(steps: Tensor, frames: Tensor, frames_per_step: int) -> None:
    """Make sure that a backbone's steps stand for stretches of time, one after the other.

    Parameters
    ----------
    steps : Tensor of shape (n_samples, n_steps, frame_embedding_size)
        Its embeddings of frames.
    frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
        What it saw.
    frames_per_step : int
        How many a step stands for.

    Raises
    ------
    ValueError
        If there are other steps than that, as of patches that overlap.
    """
    expected = frames.shape[-1] // frames_per_step
    if steps.shape[1] != expected:
        raise ValueError(
            f"a backbone's steps must not overlap for this task: {frames.shape[-1]} frames must "
            f"give {expected} steps, got {steps.shape[1]}; take 'contrastive', or another backbone"
        )


def tally(*sums: Tensor | int) -> Tensor:
    """Put sums side by side.

    Parameters
    ----------
    *sums : scalar Tensor or int
        What was counted.

    Returns
    -------
    Tensor of shape (n_tallies,), float64
        Where the first one is; no gradient goes through.
    """
    device = next((each.device for each in sums if isinstance(each, Tensor)), None)
    numbers = [torch.as_tensor(each, dtype=torch.float64, device=device) for each in sums]
    return torch.stack([number.detach() for number in numbers])
