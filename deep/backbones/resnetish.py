"""Residual networks for spectrograms: a stem that takes every frame, and a grid of means."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from deep.backbones.config import BackboneConfig
from deep.backbones.image import REPEAT
from deep.backbones.registry import register_backbone
from deep.backbones.resnet import ResNetBackbone
from deep.frontends.frontend import Frontend

# Of the stem, along bands and time; 2 in networks for photographs, which have more pixels.
STEM_STRIDE = (1, 1)


@register_backbone(
    BackboneConfig(
        name="resnetish",
        source=(
            "Hershey et al., CNN architectures for large-scale audio classification, ICASSP 2017, "
            "https://arxiv.org/abs/1609.09430; depths and shapes of sound-clf-pytorch "
            "(github.com/daisukelab/sound-clf-pytorch)"
        ),
        licence="MIT",
        sr=44100,
        embedding_size=12288,
        frontend_params={"n_fft": 1024, "hop_length": 441, "n_mels": 64, "fmin": 0.0},
        head_params={"dropout": 0.0},
    )
)
class ResNetishBackbone(ResNetBackbone):
    """A residual network whose embedding tells where in the image something is.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames; any number of channels.
    depth : int
        Layers: 18, 34 or 50.
    width : int
        Channels of the first stage, which double with each of the three that follow.
    grid : (int, int)
        Places along bands and time that the last maps are pooled to.
    dropout : float
        Probability of dropping a value after each 3 x 3 convolution while training.
    image_frames : int
        See `ImageBackbone`; 201 are 2 s.
    fill : str
        See `ImageBackbone`.

    Raises
    ------
    ValueError
        If there is no network of that depth.
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        depth: int = 18,
        width: int = 64,
        grid: Sequence[int] = (4, 6),
        dropout: float = 0.0,
        image_frames: int = 201,
        fill: str = REPEAT,
    ) -> None:
        super().__init__(
            frontend,
            depth=depth,
            width=width,
            dropout=dropout,
            image_frames=image_frames,
            fill=fill,
        )
        self.conv1.stride = STEM_STRIDE
        self.grid = (grid[0], grid[1])
        self.embedding_size *= grid[0] * grid[1]

    def embed_images(self, images: Tensor) -> Tensor:
        """Compute one embedding per image.

        Parameters
        ----------
        images : Tensor of shape (n_images, n_channels, n_bands, image_frames)
            Each full of its clip.

        Returns
        -------
        Tensor of shape (n_images, embedding_size)
            Means over each place of the grid, channel after channel.
        """
        maps = images.contiguous(memory_format=torch.channels_last)
        maps = functional.relu(self.bn1(self.conv1(maps)))
        maps = functional.max_pool2d(maps, 3, stride=2, padding=1)
        for number in range(4):
            maps = self.get_submodule(f"layer{number + 1}")(maps)
        return functional.adaptive_avg_pool2d(maps, self.grid).flatten(start_dim=1)
