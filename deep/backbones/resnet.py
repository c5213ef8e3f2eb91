"""Residual networks of 18, 34 or 50 layers over images of frames, with dropout in each block.

Layers are called as in torchvision, whose weights of the same depth fit (``load_state_dict``, less
the last layer, which here is the head).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.backbones.config import BackboneConfig
from deep.backbones.image import REPEAT, ImageBackbone
from deep.backbones.registry import register_backbone
from deep.frontends.frontend import Frontend

# Blocks of each stage, and how many times wider than within a block the maps between blocks are.
DEPTHS: dict[int, tuple[tuple[int, int, int, int], int]] = {
    18: ((2, 2, 2, 2), 1),
    34: ((3, 4, 6, 3), 1),
    50: ((3, 4, 6, 3), 4),
}


class ResidualBlock(nn.Module):
    """Convolutions that learn what is to be added to what they are given.

    Two of 3 x 3; or, where maps are wider between blocks than within, one of 3 x 3 between two of
    1 x 1. Values are dropped after each of 3 x 3 and before its normalisation.

    Parameters
    ----------
    n_in : int
        Channels given.
    width : int
        Channels within.
    widening : int
        Channels out, as a multiple of `width`.
    stride : int
        Along bands and time, of the first 3 x 3 convolution.
    dropout : float
        Probability of dropping a value while training.
    """

    sizes: tuple[int, ...]
    downsample: nn.Module | None

    def __init__(
        self, n_in: int, width: int, *, widening: int, stride: int, dropout: float
    ) -> None:
        super().__init__()
        n_out = width * widening
        self.sizes = (3, 3) if widening == 1 else (1, 3, 1)
        self.dropout = dropout
        channels = (n_in, *[width] * (len(self.sizes) - 1), n_out)
        for number, size in enumerate(self.sizes):
            convolution = nn.Conv2d(
                channels[number],
                channels[number + 1],
                size,
                stride=stride if number == self.sizes.index(3) else 1,
                padding=size // 2,
                bias=False,
            )
            self.add_module(f"conv{number + 1}", convolution)
            self.add_module(f"bn{number + 1}", nn.BatchNorm2d(channels[number + 1]))
        self.downsample = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, maps: Tensor) -> Tensor:
        """Add what the convolutions make of the maps to the maps.

        Parameters
        ----------
        maps : Tensor of shape (n_images, n_in, height, width)
            Given.

        Returns
        -------
        Tensor of shape (n_images, n_out, height / stride, width / stride)
            Rectified.
        """
        added = maps
        for number, size in enumerate(self.sizes, start=1):
            if number > 1:
                added = functional.relu(added)
            added = self.get_submodule(f"conv{number}")(added)
            if size == 3:
                added = functional.dropout(added, self.dropout, self.training)
            added = self.get_submodule(f"bn{number}")(added)
        kept = maps if self.downsample is None else self.downsample(maps)
        return functional.relu(added + kept)


@register_backbone(
    BackboneConfig(
        name="resnet",
        source=(
            "He et al., Deep residual learning for image recognition, 2015, "
            "https://arxiv.org/abs/1512.03385; dropout as in Ada-STFT "
            "(github.com/Rotem-and-Noam/Ada-STFT)"
        ),
        licence="MIT",
        sr=22050,
        embedding_size=512,
        head_params={"dropout": 0.2},
    )
)
class ResNetBackbone(ImageBackbone):
    """A residual network over images of frames.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames; any number of channels.
    depth : int
        Layers: 18, 34 or 50.
    width : int
        Channels of the first stage, which double with each of the three that follow.
    dropout : float
        Probability of dropping a value after each 3 x 3 convolution while training.
    image_frames : int
        See `ImageBackbone`.
    fill : str
        See `ImageBackbone`.

    Raises
    ------
    ValueError
        If there is no network of that depth.
    """

    map_layer = "layer4"

    def __init__(
        self,
        frontend: Frontend,
        *,
        depth: int = 18,
        width: int = 64,
        dropout: float = 0.2,
        image_frames: int = 128,
        fill: str = REPEAT,
    ) -> None:
        super().__init__(frontend, image_frames=image_frames, fill=fill)
        if depth not in DEPTHS:
            raise ValueError(f"depth of a resnet must be one of {sorted(DEPTHS)}, got {depth!r}")
        n_blocks, widening = DEPTHS[depth]
        self.conv1 = nn.Conv2d(self.n_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        n_in = width
        for number, count in enumerate(n_blocks):
            blocks = []
            for place in range(count):
                stride = 2 if number > 0 and place == 0 else 1
                within = width * 2**number
                blocks.append(
                    ResidualBlock(n_in, within, widening=widening, stride=stride, dropout=dropout)
                )
                n_in = within * widening
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.embedding_size = n_in
        _start_weights(self)
        # channels_last more than doubles the speed of these convolutions on a processor.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed_images(self, images: Tensor) -> Tensor:
        """Compute one embedding per image: the mean over bands and time of the last stage's maps.

        Parameters
        ----------
        images : Tensor of shape (n_images, n_channels, n_bands, image_frames)
            Each full of its clip.

        Returns
        -------
        Tensor of shape (n_images, embedding_size)
            Embeddings.
        """
        maps = images.contiguous(memory_format=torch.channels_last)
        maps = functional.relu(self.bn1(self.conv1(maps)))
        maps = functional.max_pool2d(maps, 3, stride=2, padding=1)
        for number in range(4):
            maps = self.get_submodule(f"layer{number + 1}")(maps)
        return maps.float().mean(dim=(2, 3))


def _start_weights(network: nn.Module) -> None:
    """Let signals keep their size on the way back (He et al., https://arxiv.org/abs/1502.01852)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
