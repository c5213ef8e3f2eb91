"""Convolutional backbone: pairs of convolutions, bands kept apart, attention over time.

After the PANNs' networks (Kong et al., 2020): pairs of 3 x 3 convolutions with batch normalisation
and average pooling between them. Unlike theirs, bands are not averaged before steps are pooled:
which bands sound tells a low instrument from a high one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.backbones.backbone import Backbone
from deep.backbones.pooling import create_pooling
from deep.backbones.registry import BackboneConfig, register_backbone
from deep.backbones.silence import silence_end
from deep.frontends.frontend import Frontend
from deep.frontends.padding import valid_mask

# A step stands for 2 frames in the stem, and the pools of the blocks go on from there.
STEM_STRIDE = (1, 2)


class ConvolutionPair(nn.Module):
    """Two convolutions, each normalised and rectified, then average pooling.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    pool : (int, int)
        Along bands and time.
    """

    def __init__(self, n_in: int, n_out: int, pool: tuple[int, int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(first, n_out, 3, padding=1, bias=False) for first in (n_in, n_out)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(n_out) for _ in range(2))
        self.pool = pool

    def forward(self, maps: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve and pool.

        Parameters
        ----------
        maps : Tensor of shape (n_samples, n_in, n_bands, n_steps)
            Zero past each clip's end.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip.

        Returns
        -------
        maps : Tensor of shape (n_samples, n_out, n_bands, n_steps)
            Pooled, zero past each clip's end.
        n_steps : Tensor of shape (n_samples,), int64
            What is left of them.
        """
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps = silence_end(functional.relu(norm(convolution(maps))), n_steps)
        n_steps = n_steps // self.pool[1]
        return silence_end(functional.avg_pool2d(maps, self.pool), n_steps), n_steps


@register_backbone(
    BackboneConfig(
        name="cnn",
        source="after the PANNs' CNNs (Kong et al., IEEE/ACM TASLP 28, 2020)",
        licence="MIT",
        sr=22050,
        embedding_size=256,
        frontend_params={"n_mels": 128},
        head_params={"dropout": 0.2},
    )
)
class ConvolutionalBackbone(Backbone):
    """Pairs of convolutions that keep bands apart, pooled by attention over time.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    channels : sequence of int
        Output channels of the stem, a 5 x 5 convolution, and of each pair.
    embedding_size : int
        Values that the bands and channels of a step are projected to.
    pooling : str
        How steps become one embedding; see `deep.backbones.pooling`.
    dropout : float
        Probability of dropping a value of a step while training.
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        channels: Sequence[int] = (16, 32, 64, 128),
        embedding_size: int = 256,
        pooling: str = "attention",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(
            frontend.n_channels, channels[0], 5, stride=STEM_STRIDE, padding=2, bias=False
        )
        self.norm = nn.BatchNorm2d(channels[0])
        self.pairs = nn.ModuleList(
            ConvolutionPair(n_in, n_out, (2, 2)) for n_in, n_out in pairwise(channels)
        )
        self.map_layer = f"pairs.{len(self.pairs) - 1}" if self.pairs else "stem"
        # channels_last more than doubles the speed of these convolutions on a processor.
        for module in (self.stem, self.pairs):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        n_left = frontend.n_bands // 2 ** len(channels)
        if n_left < 1:
            raise ValueError(
                f"{len(channels) - 1} pairs of convolutions need at least {2 ** len(channels)} "
                f"bands, got {frontend.n_bands}: take fewer channels or more bands"
            )
        self.projection = nn.Linear(channels[-1] * n_left, embedding_size)
        self.dropout = nn.Dropout(dropout)
        self.pooling = create_pooling(pooling, embedding_size)
        self.frame_embedding_size = embedding_size
        self.embedding_size = self.pooling.embedding_size
        self.min_frames = self.frames_per_step = STEM_STRIDE[1] * 2 ** len(self.pairs)

    def forward(self, frames: Tensor, n_frames: Tensor) -> Tensor:
        """Compute one embedding per clip.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
            Zero past each clip's last frame.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip, at least ``min_frames``.

        Returns
        -------
        Tensor of shape (n_samples, embedding_size)
            Pooled over the clip's steps.
        """
        return self.pooling(*self.frame_embeddings(frames, n_frames))

    def frame_embeddings(  # noqa: D102 - see Backbone
        self, frames: Tensor, n_frames: Tensor
    ) -> tuple[Tensor, Tensor]:
        maps = frames.contiguous(memory_format=torch.channels_last)
        n_steps = n_frames // STEM_STRIDE[1]
        # A step more may fit into the padding of a shorter clip beside a longer one.
        maps = self.stem(maps)[..., : int(n_steps.max())]
        maps = functional.max_pool2d(functional.relu(self.norm(maps)), (2, 1))
        maps = silence_end(maps, n_steps)
        for pair in self.pairs:
            maps, n_steps = pair(maps, n_steps)
        steps = maps.permute(0, 3, 1, 2).flatten(start_dim=2).float()
        with torch.autocast(steps.device.type, enabled=False):
            steps = self.dropout(functional.relu(self.projection(steps)))
        return steps * valid_mask(n_steps, steps.shape[1], device=steps.device)[..., None], n_steps
