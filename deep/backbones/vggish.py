"""VGGish for images of any size: six convolutions, a grid of maxima, three dense layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.backbones.config import BackboneConfig
from deep.backbones.halving import halve
from deep.backbones.image import REPEAT, ImageBackbone
from deep.backbones.registry import register_backbone
from deep.frontends.frontend import Frontend

# Channels of the convolutions as multiples of the first one's; maps are halved after each stage.
STAGES = ((1,), (2,), (4, 4), (8, 8))


@register_backbone(
    BackboneConfig(
        name="vggish",
        source=(
            "Hershey et al., CNN architectures for large-scale audio classification, ICASSP 2017, "
            "https://arxiv.org/abs/1609.09430; any input size as in sound-clf-pytorch "
            "(github.com/daisukelab/sound-clf-pytorch)"
        ),
        licence="MIT",
        sr=44100,
        embedding_size=128,
        frontend_params={"n_fft": 1024, "hop_length": 441, "n_mels": 64, "fmin": 0.0},
        head_params={"dropout": 0.0},
    )
)
class VGGishBackbone(ImageBackbone):
    """Convolutions of 3 x 3 without normalisation; where in the image a maximum is, is kept.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames; any number of channels.
    width : int
        Channels of the first convolution; the last ones have eight times as many.
    grid : (int, int)
        Places along bands and time that the last maps are pooled to.
    hidden_size : int
        Values of each of the two layers between the grid and the embedding.
    embedding_size : int
        Values per embedding.
    image_frames : int
        See `ImageBackbone`; 201 are 2 s.
    fill : str
        See `ImageBackbone`.
    """

    map_layer = "convolutions.5"

    def __init__(
        self,
        frontend: Frontend,
        *,
        width: int = 64,
        grid: Sequence[int] = (4, 6),
        hidden_size: int = 4096,
        embedding_size: int = 128,
        image_frames: int = 201,
        fill: str = REPEAT,
    ) -> None:
        super().__init__(frontend, image_frames=image_frames, fill=fill)
        self.convolutions, n_in = nn.ModuleList(), self.n_channels
        for multiple in (multiple for stage in STAGES for multiple in stage):
            self.convolutions.append(nn.Conv2d(n_in, multiple * width, 3, padding=1))
            n_in = multiple * width
        # channels_last makes a training step on a processor a tenth faster or more.
        self.convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.grid = (grid[0], grid[1])
        self.dense = nn.ModuleList(
            [
                nn.Linear(n_in * grid[0] * grid[1], hidden_size),
                nn.Linear(hidden_size, hidden_size),
                nn.Linear(hidden_size, embedding_size),
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
        convolutions = iter(self.convolutions)
        for number, stage in enumerate(STAGES):
            if number:
                maps = halve(maps, functional.max_pool2d)
            for _ in stage:
                maps = functional.relu(next(convolutions)(maps))
        values = functional.adaptive_max_pool2d(maps, self.grid).flatten(start_dim=1)
        for layer in self.dense:
            values = functional.relu(layer(values))
        return values
