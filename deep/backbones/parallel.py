"""Small backbones side by side over one frontend, one for each label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deep.backbones.backbone import Backbone
from deep.backbones.config import BackboneConfig
from deep.backbones.creation import make_backbone
from deep.backbones.registry import register_backbone
from deep.frontends.frontend import Frontend

# There are as many of them as labels, so that each must be small.
SMALL_CNN = {"channels": [8, 16, 32], "embedding_size": 32}


@register_backbone(
    BackboneConfig(
        name="parallel",
        source="after the parallel MobileNets of https://github.com/ciglenecki/lumen-audio",
        licence="MIT",
        sr=22050,
        embedding_size=32,
        frontend_params={"n_mels": 128},
        head="per-label",
        head_params={"of": "linear", "slices": True},
    )
)
class ParallelBackbones(Backbone):
    """The embeddings of one backbone per label, in the order of the labels.

    With a head ``per-label`` of ``slices`` nothing is shared between labels but the frontend.
    ``embedding_size`` is that of the backbones together.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames, once for all of them.
    n_classes : int
        Number of labels, and of backbones.
    backbone : str
        What each is: a name from `list_backbones`, or of a family.
    backbone_params : dict or None
        Its options; None means a small network for ``"cnn"``, and its defaults for others.
    architecture : dict or None
        From a checkpoint's card.

    Raises
    ------
    ValueError
        If there is no such backbone, or it has no such option.

    References
    ----------
    Lumen 2023's second entry trained one MobileNetV3 for each of 11 instruments.
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        n_classes: int,
        backbone: str = "cnn",
        backbone_params: Mapping[str, Any] | None = None,
        architecture: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if backbone_params is None:
            backbone_params = SMALL_CNN if backbone == "cnn" else {}
        each = [
            make_backbone(
                backbone, frontend, n_classes=1, architecture=architecture, options=backbone_params
            )
            for _ in range(n_classes)
        ]
        self.backbones = nn.ModuleList(each)
        self.architecture = each[0].architecture
        self.embedding_size = sum(backbone.embedding_size for backbone in each)
        self.min_frames = max(backbone.min_frames for backbone in each)
        self._gives_steps = each[0].gives_steps
        if self._gives_steps:
            self.frames_per_step = each[0].frames_per_step
            self.frame_embedding_size = sum(backbone.frame_embedding_size for backbone in each)

    @property
    def gives_steps(self) -> bool:
        """Whether `frame_embeddings` works: whether it does for each backbone."""
        return self._gives_steps

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
            The first label's backbone's, then the second's.
        """
        return torch.cat([backbone(frames, n_frames) for backbone in self.backbones], dim=1)

    def frame_embeddings(  # noqa: D102 - see Backbone
        self, frames: Tensor, n_frames: Tensor
    ) -> tuple[Tensor, Tensor]:
        given = [
            backbone.frame_embeddings(frames, n_frames)
            for backbone in self.backbones
            if isinstance(backbone, Backbone)
        ]
        return torch.cat([steps for steps, _ in given], dim=2), given[0][1]
