"""Backbones that see a clip as images of a fixed width, one after the other.

A network made for images cannot be told where a clip ends: its convolutions and normalisations see
whatever stands there. Images of a fixed width, the last one filled up from the clip itself, make a
clip's embedding independent of the clips beside it, and any length possible.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deep.backbones.backbone import Backbone
from deep.frontends.frontend import Frontend

REPEAT, SILENCE = "repeat", "silence"


class ImageBackbone(Backbone):
    """The mean of the embeddings of a clip's images, weighted by how much of the clip each shows.

    Subclasses set ``embedding_size`` and define `embed_images`.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    image_frames : int
        Width of an image.
    fill : str
        What the last image is filled with past the clip's end: ``"repeat"``, the clip from its
        start again; or ``"silence"``, zeros, which are the training mean.

    Raises
    ------
    ValueError
        If `image_frames` is below one, or there is no such `fill`.
    """

    min_frames = 1

    def __init__(self, frontend: Frontend, *, image_frames: int, fill: str = REPEAT) -> None:
        super().__init__()
        if image_frames < 1:
            raise ValueError(f"image_frames must be at least 1, got {image_frames}")
        if fill not in (REPEAT, SILENCE):
            raise ValueError(f"fill must be one of {(REPEAT, SILENCE)}, got {fill!r}")
        self.n_channels, self.n_bands = frontend.n_channels, frontend.n_bands
        self.image_frames, self.fill = image_frames, fill

    def embed_images(self, images: Tensor) -> Tensor:
        """Compute one embedding per image.

        Parameters
        ----------
        images : Tensor of shape (n_images, n_channels, n_bands, image_frames)
            Each full of its clip.

        Returns
        -------
        Tensor of shape (n_images, embedding_size)
            Embeddings.

        Raises
        ------
        NotImplementedError
            If a backbone does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define embed_images")

    def forward(self, frames: Tensor, n_frames: Tensor) -> Tensor:
        """Compute one embedding per clip.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
            Whatever past each clip's last frame.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip, at least one.

        Returns
        -------
        Tensor of shape (n_samples, embedding_size)
            Embeddings.
        """
        images, owners, shares = cut_images(frames, n_frames, self.image_frames, self.fill)
        embeddings = self.embed_images(images)
        if len(images) == len(frames):
            return embeddings
        means = embeddings.new_zeros(len(frames), embeddings.shape[1])
        weighted = embeddings * shares.to(embeddings)[:, None]
        return means.index_add(0, owners.to(frames.device), weighted)


def cut_images(
    frames: Tensor, n_frames: Tensor, width: int, fill: str = REPEAT
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut frames into images, none of which holds anything but its own clip.

    Parameters
    ----------
    frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
        Whatever past each clip's last frame.
    n_frames : Tensor of shape (n_samples,), int64, on the CPU
        Valid frames of each clip, at least one.
    width : int
        Frames of an image.
    fill : str
        See `ImageBackbone`.

    Returns
    -------
    images : Tensor of shape (n_images, n_channels, n_bands, width)
        Those of the first clip, then those of the second.
    owners : Tensor of shape (n_images,), int64, on the CPU
        Which clip.
    shares : Tensor of shape (n_images,), float32, on the CPU
        Share of the clip's frames that are in the image.
    """
    n_images = -(-n_frames // width)
    owners = torch.arange(len(n_frames)).repeat_interleave(n_images)
    firsts = n_images.cumsum(0) - n_images
    starts = (torch.arange(len(owners)) - firsts[owners]) * width
    places = starts[:, None] + torch.arange(width)
    sizes = n_frames[owners][:, None]
    # From the clip's start again, however often it takes.
    wrapped = torch.where(places < sizes, places, (places - sizes) % sizes)
    rows = frames.permute(0, 3, 1, 2)
    where = owners.to(frames.device, non_blocking=True)[:, None]
    images = rows[where, wrapped.to(frames.device, non_blocking=True)].permute(0, 2, 3, 1)
    inside = places < sizes
    if fill == SILENCE:
        images = images * inside.to(images)[:, None, None, :]
    return images, owners, inside.sum(dim=1) / n_frames[owners]
