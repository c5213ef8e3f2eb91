"""Cnn14 of the PANNs: twelve convolutions, mean plus maximum over time.

Layers are called as in the published checkpoints, and all of theirs but ``fc_audioset``, which here
is the head, fit once the kernels' last two axes have changed places: time comes first there.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from deep.backbones.config import BackboneConfig
from deep.backbones.halving import halve
from deep.backbones.image import REPEAT, ImageBackbone
from deep.backbones.registry import register_backbone
from deep.frontends.frontend import Frontend

N_BLOCKS = 6


class ConvolutionBlock(nn.Module):
    """Two 3 x 3 convolutions, each normalised and rectified.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(n_out), nn.BatchNorm2d(n_out)

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve twice.

        Parameters
        ----------
        maps : Tensor of shape (n_images, n_in, height, width)
            Any size.

        Returns
        -------
        Tensor of shape (n_images, n_out, height, width)
            Rectified.
        """
        maps = functional.relu(self.bn1(self.conv1(maps)))
        return functional.relu(self.bn2(self.conv2(maps)))


@register_backbone(
    BackboneConfig(
        name="cnn14",
        source=(
            "Kong et al., PANNs: large-scale pretrained audio neural networks for audio pattern "
            "recognition, IEEE/ACM TASLP 28, 2020, https://arxiv.org/abs/1912.10211"
        ),
        licence="MIT",
        sr=16000,
        embedding_size=2048,
        frontend_params={
            "n_fft": 512,
            "hop_length": 160,
            "n_mels": 64,
            "fmin": 50.0,
        },
        head_params={"dropout": 0.5},
    )
)
class Cnn14Backbone(ImageBackbone):
    """Six pairs of convolutions, the mean plus the maximum over time, and a dense layer.

    The last maps are averaged over bands before they are pooled over time.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames; any number of channels.
    width : int
        Channels of the first block, which double with each of the five that follow; embeddings have
        as many values as the last one has channels.
    dropout : float
        Probability of dropping a value after each block while training.
    dense_dropout : float
        Probability of dropping a value before the dense layer while training.
    image_frames : int
        See `ImageBackbone`; 201 are 2 s.
    fill : str
        See `ImageBackbone`.
    """

    map_layer = f"conv_block{N_BLOCKS}"

    def __init__(
        self,
        frontend: Frontend,
        *,
        width: int = 64,
        dropout: float = 0.2,
        dense_dropout: float = 0.5,
        image_frames: int = 201,
        fill: str = REPEAT,
    ) -> None:
        super().__init__(frontend, image_frames=image_frames, fill=fill)
        self.dropout, self.dense_dropout = dropout, dense_dropout
        self.bn0 = nn.BatchNorm2d(self.n_bands)
        n_in = self.n_channels
        for number in range(N_BLOCKS):
            n_out = width * 2**number
            self.add_module(f"conv_block{number + 1}", ConvolutionBlock(n_in, n_out))
            n_in = n_out
        self.fc1 = nn.Linear(n_in, n_in)
        self.embedding_size = n_in
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(self.fc1.bias)

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
        maps = self.bn0(images.transpose(1, 2)).transpose(1, 2)
        for number in range(1, N_BLOCKS + 1):
            maps = self.get_submodule(f"conv_block{number}")(maps)
            if number < N_BLOCKS:
                maps = halve(maps, functional.avg_pool2d)
            maps = functional.dropout(maps, self.dropout, self.training)
        steps = maps.mean(dim=2)
        values = steps.mean(dim=2) + steps.amax(dim=2)
        values = functional.dropout(values, self.dense_dropout, self.training)
        return functional.relu(self.fc1(values))
