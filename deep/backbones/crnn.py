"""Convolutional-recurrent backbone: three convolution blocks, then an LSTM over time.

The layout follows the UrbanSound8K CRNN (convolution, batch normalisation, ELU, max-pooling and
dropout three times; two LSTM layers of 64; the last valid step), made cheaper for training on a
processor: frames are 46 ms apart at 22,050 Hz, and pooling comes before normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from deep.backbones.backbone import Backbone
from deep.backbones.pooling import POOLINGS, create_pooling
from deep.backbones.recurrence import read_sequences
from deep.backbones.registry import BackboneConfig, register_backbone
from deep.backbones.silence import silence_end
from deep.frontends.frontend import Frontend

# Pooling by the recurrence itself.
LAST = "last"


@register_backbone(
    BackboneConfig(
        name="crnn",
        source="after the UrbanSound8K CRNN (github.com/ksanjeevan/crnn-audio-classification)",
        licence="MIT",
        sr=22050,
        embedding_size=128,
        frontend_params={"hop_length": 1024},
    )
)
class ConvRecurrentBackbone(Backbone):
    """Blocks of convolution and pooling, then a recurrent network over time.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    channels : sequence of int
        Output channels of each convolution block.
    pools : sequence of (int, int)
        Max-pooling of each block along bands and time.
    hidden_size : int
        Units of the LSTM in each direction.
    n_layers : int
        Layers of the LSTM.
    bidirectional : bool
        Whether the LSTM also reads backwards; the embedding then joins both directions.
    pooling : str
        What an embedding is: ``"last"``, the state after the last step, read backwards after the
        first; or what `create_pooling` makes of all states, in which a sound counts wherever in the
        clip it is.
    dropout : float
        Probability of dropping a value after each block.
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        channels: Sequence[int] = (32, 64, 64),
        pools: Sequence[tuple[int, int]] = ((2, 2), (2, 2), (4, 1)),
        hidden_size: int = 64,
        n_layers: int = 2,
        bidirectional: bool = True,
        pooling: str = "last",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        blocks, self.min_frames = [], 1
        n_in, n_bands = frontend.n_channels, frontend.n_bands
        for n_out, pool in zip(channels, pools, strict=True):
            blocks.append(
                nn.Sequential(
                    nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
                    # Before the normalisation: four times fewer values to normalise and activate.
                    nn.MaxPool2d(tuple(pool)),
                    nn.BatchNorm2d(n_out),
                    nn.ELU(),
                    nn.Dropout(dropout),
                )
            )
            n_in, n_bands = n_out, n_bands // pool[0]
            self.min_frames *= pool[1]
        self.map_layer = f"blocks.{len(blocks) - 1}"
        if n_bands < 1:
            raise ValueError(
                f"pools must leave a band of the frontend's {frontend.n_bands}, got {pools}: take "
                "fewer or smaller ones, or more bands"
            )
        # channels_last more than doubles the speed of these convolutions on a processor.
        self.blocks = nn.ModuleList(blocks).to(  # type: ignore[call-overload]
            memory_format=torch.channels_last
        )
        self.time_pools = [pool[1] for pool in pools]
        self.lstm = nn.LSTM(
            n_in * n_bands,
            hidden_size,
            n_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.embedding_size = hidden_size * (2 if bidirectional else 1)
        self.frames_per_step, self.frame_embedding_size = self.min_frames, self.embedding_size
        self.pooling = None
        if pooling != LAST:
            if pooling not in POOLINGS:
                raise ValueError(f"pooling must be one of {(LAST, *POOLINGS)}, got {pooling!r}")
            self.pooling = create_pooling(pooling, self.embedding_size)
            self.embedding_size = self.pooling.embedding_size

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
            Of the LSTM's states at valid steps; see ``pooling``.
        """
        states, final, n_steps = self._read(frames, n_frames)
        return final if self.pooling is None else self.pooling(states, n_steps)

    def frame_embeddings(  # noqa: D102 - see Backbone
        self, frames: Tensor, n_frames: Tensor
    ) -> tuple[Tensor, Tensor]:
        states, _, n_steps = self._read(frames, n_frames)
        return states, n_steps

    def _read(self, frames: Tensor, n_frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the LSTM's states after all steps and after the last, and the number of steps."""
        maps = frames.contiguous(memory_format=torch.channels_last)
        for block, time_pool in zip(self.blocks, self.time_pools, strict=True):
            maps = block(maps)
            n_frames = n_frames // time_pool
            maps = silence_end(maps, n_frames)
        steps = maps.permute(0, 3, 1, 2).flatten(start_dim=2).float()
        with torch.autocast(steps.device.type, enabled=False):
            states, final = read_sequences(self.lstm, steps, n_frames)
        return states, final, n_frames
