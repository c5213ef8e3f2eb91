"""An AlexNet for spectrograms: few, wide convolutions with large strides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.backbones.config import BackboneConfig
from deep.backbones.image import REPEAT, ImageBackbone
from deep.backbones.registry import register_backbone
from deep.frontends.frontend import Frontend

# Channels of the convolutions as multiples of the first one's, and their sizes.
CHANNELS = ((1, 1), (8, 3), (4, 1), (4, 1), (8, 3))
SIZES = (11, 5, 3, 3, 3)
# Strides along bands and time: of the first two convolutions, and of the poolings.
EARLY_STRIDE = (3, 2)
POOL_STRIDES = {0: (1, 2), 1: (2, 2), 4: (1, 2)}


@register_backbone(
    BackboneConfig(
        name="alexnet",
        source=(
            "Krizhevsky et al., ImageNet classification with deep convolutional neural networks, "
            "NeurIPS 2012; shapes of github.com/daisukelab/ml-sound-classifier"
        ),
        licence="MIT",
        sr=44100,
        embedding_size=256,
        frontend_params={"n_fft": 1024, "hop_length": 441, "n_mels": 64, "fmin": 0.0},
        head_params={"dropout": 0.5},
    )
)
class AlexNetBackbone(ImageBackbone):
    """Five convolutions, three poolings with normalisation, two dense layers.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames; any number of channels.
    width : int
        Channels of the first convolution; the widest have four times as many. A multiple of 3.
    grid : (int, int)
        Places along bands and time that the last maps are pooled to.
    embedding_size : int
        Values per embedding, and of the dense layer before it.
    dropout : float
        Probability of dropping a value between the dense layers while training.
    image_frames : int
        See `ImageBackbone`; 201 are 2 s.
    fill : str
        See `ImageBackbone`.

    Raises
    ------
    ValueError
        If `width` is no multiple of 3.
    """

    map_layer = "convolutions.4"

    def __init__(
        self,
        frontend: Frontend,
        *,
        width: int = 48,
        grid: Sequence[int] = (4, 6),
        embedding_size: int = 256,
        dropout: float = 0.5,
        image_frames: int = 201,
        fill: str = REPEAT,
    ) -> None:
        super().__init__(frontend, image_frames=image_frames, fill=fill)
        if width < 1 or width % 3:
            raise ValueError(f"width of an alexnet must be a multiple of 3, got {width}")
        channels = [width * above // below for above, below in CHANNELS]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n_in, n_out, size, stride=EARLY_STRIDE if size > 3 else 1, padding=size // 2)
            for n_in, n_out, size in zip(
                [self.n_channels, *channels], channels, SIZES, strict=False
            )
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels[number]) for number in POOL_STRIDES)
        # channels_last makes a training step on a processor a tenth faster or more.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.grid, self.dropout = (grid[0], grid[1]), dropout
        self.dense = nn.ModuleList(
            [
                nn.Linear(channels[-1] * grid[0] * grid[1], embedding_size),
                nn.Linear(embedding_size, embedding_size),
            ]
        )
        self.embedding_size = embedding_size

    def embed_images(self, images: Tensor) -> Tensor:
        """Compute one embedding per image.

        Parameters
        ----------
        images : Tensor of shape (n_images, n_channels, n_bands, image_frames)
            Each full of its clip.

        Returns
        -------
        Tensor of shape (n_images, embedding_size)
            Rectified.
        """
        maps = images.contiguous(memory_format=torch.channels_last)
        norms = iter(self.norms)
        for number, convolution in enumerate(self.convolutions):
            maps = functional.relu(convolution(maps))
            if number in POOL_STRIDES:
                maps = functional.max_pool2d(maps, 3, stride=POOL_STRIDES[number], padding=1)
                maps = next(norms)(maps)
        values = functional.adaptive_avg_pool2d(maps, self.grid).flatten(start_dim=1)
        values = functional.relu(self.dense[0](values))
        values = functional.dropout(values, self.dropout, self.training)
        return functional.relu(self.dense[1](values))
