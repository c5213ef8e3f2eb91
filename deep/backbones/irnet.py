"""Residual network over learned band-passes, pooled by a dictionary: IRNet.

After the instrument recogniser of Zhong et al. (2023): batch normalisation of the spectrogram, a
thin ResNet34 (a quarter of the usual channels, no pooling in front, so that time and bands are
halved three times only), the mean over bands, and a dictionary over time. What it differs in: clips
are of any length, padding has no say, and what does not fill a step at a clip's end is left out.

References
----------
L. Zhong, E. Cooper, J. Yamagishi and N. Minematsu, Exploring isolated musical notes as pre-training
data for predominant instrument recognition in polyphonic music, 2023, arXiv:2306.08850.
K. He, X. Zhang, S. Ren and J. Sun, Deep residual learning for image recognition, CVPR 2016.
A. Boulch, ShaResNet: reducing residual network parameter number by sharing weights, 2017,
arXiv:1702.08782.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.backbones.backbone import Backbone
from deep.backbones.config import BackboneConfig
from deep.backbones.pooling import create_pooling
from deep.backbones.registry import register_backbone
from deep.backbones.silence import silence_end
from deep.frontends.frontend import Frontend


class ResidualStage(nn.Module):
    """Residual blocks of one width, of which the first may halve bands and time.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    n_blocks : int
        Blocks of two 3 x 3 convolutions each.
    stride : int
        Of the first block's first convolution.
    shared : bool
        Whether all blocks have their second convolution in common; each keeps its normalisation.
    """

    def __init__(self, n_in: int, n_out: int, n_blocks: int, *, stride: int, shared: bool) -> None:
        super().__init__()
        self.firsts = nn.ModuleList(
            _convolve(n_out if block else n_in, n_out, stride=1 if block else stride)
            for block in range(n_blocks)
        )
        self.seconds = nn.ModuleList(
            _convolve(n_out, n_out, stride=1) for _ in range(1 if shared else n_blocks)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(n_out) for _ in range(2 * n_blocks))
        self.stride, self.shortcut = stride, nn.Sequential()
        if n_in != n_out or stride > 1:
            # Takes every other step before it convolves, not while: with a stride and few channels
            # torch 2.11 writes beyond its memory on a processor.
            self.shortcut.extend([nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out)])

    def forward(self, maps: Tensor, n_steps: Tensor) -> Tensor:
        """Convolve.

        Parameters
        ----------
        maps : Tensor of shape (n_samples, n_in, n_bands, n_steps)
            Zero past each clip's end.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Steps of each clip that are valid afterwards.

        Returns
        -------
        Tensor of shape (n_samples, n_out, n_bands, n_steps)
            Zero past each clip's end.
        """
        for block, first in enumerate(self.firsts):
            second = self.seconds[block % len(self.seconds)]
            before = maps if block else self._shorten(maps, n_steps)
            maps = functional.relu(self.norms[2 * block](first(maps)))
            maps = self.norms[2 * block + 1](second(silence_end(maps, n_steps)))
            maps = silence_end(functional.relu(maps + before), n_steps)
        return maps

    def _shorten(self, maps: Tensor, n_steps: Tensor) -> Tensor:
        """Give what the first block's convolutions are added to."""
        maps = maps[..., :: self.stride, :: self.stride]
        return self.shortcut(maps[..., : int(n_steps.max())])


def _convolve(n_in: int, n_out: int, *, stride: int) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)


@register_backbone(
    BackboneConfig(
        name="irnet",
        source="after IRNet (Zhong et al., 2023, arXiv:2306.08850)",
        licence="MIT",
        sr=16000,
        embedding_size=1024,
        frontend="sinc",
        head_params={"dropout": 0.15},
    )
)
class IRNetBackbone(Backbone):
    """A thin residual network over band-passes, pooled over time by a dictionary.

    As published, over 128 learned band-passes and with a linear head for 11 classes, it has 1.35
    million parameters. The light variant, of which its authors report 519 thousand, has two
    blocks a stage with shared convolutions: ``depths=(2, 2, 2, 2), shared=True``.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    depths : sequence of int
        Residual blocks of each stage; from the second one on, a stage halves bands and time.
    widths : sequence of int
        Channels of each stage.
    shared : bool
        Whether the blocks of a stage have their second convolution in common.
    pooling : str
        How steps become one embedding: ``"dictionary"``, 8 words times the last width; or others,
        see `create_pooling`, such as ``"additive"``, which is self-attentive pooling.

    Raises
    ------
    ValueError
        If there are not as many depths as widths, or there is no such pooling.
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        depths: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (16, 32, 64, 128),
        shared: bool = False,
        pooling: str = "dictionary",
    ) -> None:
        super().__init__()
        if len(depths) != len(widths):
            raise ValueError(f"there must be as many depths as widths, got {depths} and {widths}")
        self.frames_norm = nn.BatchNorm2d(frontend.n_channels)
        self.stem = nn.Conv2d(frontend.n_channels, widths[0], 7, padding=3, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        self.strides = [1] + [2] * (len(widths) - 1)
        self.stages = nn.ModuleList(
            ResidualStage(n_in, n_out, n_blocks, stride=stride, shared=shared)
            for (n_in, n_out), n_blocks, stride in zip(
                pairwise((widths[0], *widths)), depths, self.strides, strict=True
            )
        )
        # channels_last more than doubles the speed of these convolutions on a processor.
        for module in (self.stem, self.stages):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.map_layer = f"stages.{len(widths) - 1}"
        self.pooling = create_pooling(pooling, widths[-1])
        self.embedding_size, self.frame_embedding_size = self.pooling.embedding_size, widths[-1]
        self.min_frames = self.frames_per_step = 2 ** (len(widths) - 1)

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
        maps = silence_end(self.frames_norm(frames), n_frames)
        maps = self.stem(maps.contiguous(memory_format=torch.channels_last))
        maps = silence_end(functional.relu(self.stem_norm(maps)), n_frames)
        for stage, stride in zip(self.stages, self.strides, strict=True):
            n_frames = n_frames // stride
            maps = stage(maps, n_frames)
        return maps.mean(dim=2).transpose(1, 2).float(), n_frames
