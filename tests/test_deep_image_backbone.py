"""Images of a fixed width show their own clip and nothing else."""

import pytest
import torch

from deep.backbones.image import ImageBackbone, cut_images
from deep.frontends.log_mel import LogMelFrontend


def frames_of(*sizes: int) -> tuple[torch.Tensor, torch.Tensor]:
    frames = torch.full((len(sizes), 1, 2, max(sizes)), 1e9)
    for row, size in enumerate(sizes):
        frames[row, :, :, :size] = torch.arange(size) + 100 * row
    return frames, torch.tensor(sizes)


class Means(ImageBackbone):
    """Each image's mean over bands and frames."""

    embedding_size = 1

    def embed_images(self, images):
        return images.mean(dim=(1, 2, 3))[:, None]


def test_a_clip_is_cut_into_images_of_its_own_frames():
    images, owners, shares = cut_images(*frames_of(7, 3), 3)
    assert owners.tolist() == [0, 0, 0, 1]
    assert images[:, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 0, 1], [100, 101, 102]]
    assert shares.tolist() == pytest.approx([3 / 7, 3 / 7, 1 / 7, 1])


def test_the_last_image_is_filled_by_the_clip_itself_or_by_silence():
    repeated = cut_images(*frames_of(2), 5, "repeat")[0]
    assert repeated[0, 0, 0].tolist() == [0, 1, 0, 1, 0]
    silent = cut_images(*frames_of(2), 5, "silence")[0]
    assert silent[0, 0, 0].tolist() == [0, 1, 0, 0, 0]


def test_embeddings_are_weighted_by_what_images_show_of_the_clip():
    backbone = Means(LogMelFrontend(), image_frames=4, fill="silence")
    embeddings = backbone(*frames_of(6, 4))
    # Frames 0 to 3, then 4 and 5 beside two of silence.
    assert embeddings[0].item() == pytest.approx((4 * 1.5 + 2 * 9 / 4) / 6)
    assert embeddings[1].item() == pytest.approx(101.5)


@pytest.mark.parametrize("size", [1, 3, 4, 5, 11])
def test_a_clip_is_the_same_alone_and_beside_others(size):
    backbone = Means(LogMelFrontend(), image_frames=4)
    frames, n_frames = frames_of(size, 13)
    together = backbone(frames, n_frames)[0]
    alone = backbone(frames[:1, :, :, :size], n_frames[:1])[0]
    torch.testing.assert_close(together, alone, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_frames": 0}, "image_frames must be at least 1, got 0"),
        ({"image_frames": 4, "fill": "noise"}, "fill must be one of .*, got 'noise'"),
    ],
    ids=["width", "fill"],
)
def test_impossible_images_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Means(LogMelFrontend(), **options)
