"""Convolutional-recurrent backbone with attention: where the recurrence ends does not decide.

After the ConvLSTM of one of the systems of the Lumen Data Science 2023 competition: three 5 x 5
convolutions, the later ones with normalisation and activation before them; the mean over bands; an
LSTM of two layers; additive attention over its states. What it differs in from the original: clips
are of any length and padding has no say, and pooling by attention is over valid steps.
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
from deep.backbones.recurrence import read_sequences
from deep.backbones.registry import register_backbone
from deep.backbones.silence import silence_end
from deep.frontends.frontend import Frontend

# Max-pooling after each convolution, along bands and time: the strongest of 2 x 2, every 4 bands.
POOL = (2, 2)
STRIDE = (4, 2)


@register_backbone(
    BackboneConfig(
        name="convlstm",
        source="after Lumen's ConvLSTM (github.com/ciglenecki/lumen-audio)",
        licence="MIT",
        sr=16000,
        embedding_size=64,
        # The original's windows of 400 samples leave some of 128 mel bands without any bin.
        frontend_params={"n_fft": 1024, "hop_length": 160, "n_mels": 128},
        head_params={"dropout": 0.0},
    )
)
class ConvLSTMBackbone(Backbone):
    """Convolutions, the mean over bands, a recurrent network, attention over time.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    channels : sequence of int
        Output channels of each convolution.
    hidden_size : int
        Units of the LSTM in each direction.
    n_layers : int
        Layers of the LSTM.
    bidirectional : bool
        Whether the LSTM also reads backwards; a step then joins both directions.
    pooling : str
        How the LSTM's states become one embedding; see `create_pooling`.
    dropout : float
        Probability of dropping a value after each convolution and between layers of the LSTM.

    Raises
    ------
    ValueError
        If there are too few bands for so many convolutions, or there is no such pooling.
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        channels: Sequence[int] = (32, 64, 128),
        hidden_size: int = 64,
        n_layers: int = 2,
        bidirectional: bool = False,
        pooling: str = "additive",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _check_bands(frontend.n_bands, len(channels))
        sizes = list(pairwise((frontend.n_channels, *channels)))
        # channels_last more than doubles the speed of these convolutions on a processor.
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n_in, n_out, 5, padding=2, bias=False) for n_in, n_out in sizes
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # The first one follows its convolution, as it would see the bare frames before it.
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(n_in if position else n_out)
            for position, (n_in, n_out) in enumerate(sizes)
        )
        self.dropout = nn.Dropout(dropout)
        self.map_layer = f"convolutions.{len(sizes) - 1}"
        self.lstm = nn.LSTM(
            sizes[-1][1],
            hidden_size,
            n_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.frame_embedding_size = hidden_size * (2 if bidirectional else 1)
        self.pooling = create_pooling(pooling, self.frame_embedding_size)
        self.embedding_size = self.pooling.embedding_size
        self.min_frames = self.frames_per_step = STRIDE[1] ** len(sizes)

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
            Pooled over the LSTM's states at valid steps.
        """
        return self.pooling(*self.frame_embeddings(frames, n_frames))

    def frame_embeddings(  # noqa: D102 - see Backbone
        self, frames: Tensor, n_frames: Tensor
    ) -> tuple[Tensor, Tensor]:
        maps = frames.contiguous(memory_format=torch.channels_last)
        for position, (convolution, norm) in enumerate(
            zip(self.convolutions, self.norms, strict=True)
        ):
            if position == 0:
                maps = functional.leaky_relu(norm(convolution(maps)))
            else:
                maps = convolution(silence_end(functional.leaky_relu(norm(maps)), n_frames))
            maps = self.dropout(functional.max_pool2d(maps, POOL, STRIDE))
            n_frames = n_frames // STRIDE[1]
        steps = maps.mean(dim=2).transpose(1, 2).float()
        with torch.autocast(steps.device.type, enabled=False):
            states, _ = read_sequences(self.lstm, steps, n_frames)
        return states, n_frames


def _check_bands(n_bands: int, n_convolutions: int) -> None:
    """Make sure that pooling leaves a band."""
    needed = 1
    for _ in range(n_convolutions):
        needed = (needed - 1) * STRIDE[0] + POOL[0]
    if n_bands < needed:
        raise ValueError(
            f"{n_convolutions} convolutions need at least {needed} bands, got {n_bands}: take "
            "fewer channels or more bands"
        )
