"""Images whose last one is filled up past a clip's end as a model's feature extractor does it."""

from __future__ import annotations

from torch import Tensor

from deep.backbones.image import REPEAT, SILENCE, ImageBackbone
from deep.frontends.frontend import Frontend

# The clip from its start again, or what the model's own feature extractor pads with.
PADDING = "padding"
FILLS = (REPEAT, PADDING)


class FilledImages(ImageBackbone):
    """Images of a fixed width that are filled up as a model's feature extractor does, or as wished.

    Subclasses define `embed_images`, where `as_values` undoes what `forward` does to padding.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    image_frames, n_bands : int
        Size of an image.
    fill : str
        ``"repeat"`` or ``"padding"``.
    padding : float
        The value of the latter.

    Raises
    ------
    ValueError
        If there is no such fill, or the frontend makes other frames.
    """

    def __init__(
        self, frontend: Frontend, *, image_frames: int, n_bands: int, fill: str, padding: float
    ) -> None:
        if fill not in FILLS:
            raise ValueError(f"fill must be one of {FILLS}, got {fill!r}")
        if (frontend.n_channels, frontend.n_bands) != (1, n_bands):
            raise ValueError(
                f"the model's frontend must give 1 channel of {n_bands} bands, got "
                f"{frontend.n_channels} of {frontend.n_bands}"
            )
        kind = REPEAT if fill == REPEAT else SILENCE
        super().__init__(frontend, image_frames=image_frames, fill=kind)
        self.padding = padding

    def forward(self, frames: Tensor, n_frames: Tensor) -> Tensor:
        """Compute one embedding per clip; see `ImageBackbone.forward`.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, 1, n_bands, n_frames)
            Whatever past each clip's last frame.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip, at least one.

        Returns
        -------
        Tensor of shape (n_samples, embedding_size)
            Embeddings.
        """
        # Zeros stand for what the feature extractor pads with, until `as_values`.
        return super().forward(frames - self.padding, n_frames)

    def as_values(self, images: Tensor) -> Tensor:
        """Give images as transformers wants them.

        Parameters
        ----------
        images : Tensor of shape (n_images, 1, n_bands, image_frames)
            As `embed_images` gets them.

        Returns
        -------
        Tensor of shape (n_images, image_frames, n_bands)
            With the padding's own value.
        """
        return images[:, 0].transpose(1, 2) + self.padding
