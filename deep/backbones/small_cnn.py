"""A small network of four convolutions, the first one to try."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from deep.backbones.config import BackboneConfig
from deep.backbones.halving import halve
from deep.backbones.image import REPEAT, ImageBackbone
from deep.backbones.registry import register_backbone
from deep.frontends.frontend import Frontend

N_CONVOLUTIONS = 4


@register_backbone(
    BackboneConfig(
        name="small-cnn",
        source=(
            "the first network of sound-clf-pytorch (github.com/daisukelab/sound-clf-pytorch), "
            "after PyTorch's MNIST example"
        ),
        licence="MIT",
        sr=44100,
        embedding_size=128,
        frontend_params={"n_fft": 1024, "hop_length": 441, "n_mels": 64, "fmin": 0.0},
        head_params={"dropout": 0.5},
    )
)
class SmallConvolutionalBackbone(ImageBackbone):
    """Two pairs of 3 x 3 convolutions without normalisation, a grid of means, one dense layer.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames; any number of channels.
    width : int
        Channels of the first convolution, which double with each of the three that follow.
    grid : (int, int)
        Places along bands and time that the last maps are pooled to.
    embedding_size : int
        Values per embedding.
    dropout : float
        Probability of dropping a value after each pair while training.
    image_frames : int
        See `ImageBackbone`; 201 are 2 s.
    fill : str
        See `ImageBackbone`.
    """

    map_layer = "convolutions.3"

    def __init__(
        self,
        frontend: Frontend,
        *,
        width: int = 32,
        grid: Sequence[int] = (8, 8),
        embedding_size: int = 128,
        dropout: float = 0.25,
        image_frames: int = 201,
        fill: str = REPEAT,
    ) -> None:
        super().__init__(frontend, image_frames=image_frames, fill=fill)
        self.convolutions, n_in = nn.ModuleList(), self.n_channels
        for number in range(N_CONVOLUTIONS):
            n_out = width * 2**number
            # Padded, so that an image of any size is left of them.
            self.convolutions.append(nn.Conv2d(n_in, n_out, 3, padding=1))
            n_in = n_out
        self.grid, self.dropout = (grid[0], grid[1]), dropout
        self.dense = nn.Linear(n_in * grid[0] * grid[1], embedding_size)
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
        maps = images
        for number, convolution in enumerate(self.convolutions):
            maps = functional.relu(convolution(maps))
            if number % 2:
                maps = halve(maps, functional.max_pool2d)
                maps = functional.dropout(maps, self.dropout, self.training)
        values = functional.adaptive_avg_pool2d(maps, self.grid).flatten(start_dim=1)
        return functional.relu(self.dense(values))
