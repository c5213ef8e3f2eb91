"""The audio tower of CLAP, as transformers has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deep.backbones.hubs.hugging_face.filled_images import FilledImages
from deep.backbones.hubs.hugging_face.loading import Architecture, create_model, load_model
from deep.backbones.image import REPEAT
from deep.frontends.frontend import Frontend

MODEL_TYPE = "clap_audio_model"

# The least power that its feature extractor knows, of silence.
FLOOR, FLOOR_DB = 1e-10, -100.0


def describe_clap(architecture: Architecture, options: Mapping[str, Any]) -> dict[str, Any]:
    """Tell what a config says of CLAP: its frontend does what its feature extractor does.

    Parameters
    ----------
    architecture : Architecture
        Of the audio tower.
    options : mapping
        None matters.

    Returns
    -------
    dict
        Of arguments of `BackboneConfig`.
    """
    extractor = architecture.extractor
    params = {
        "n_fft": extractor["fft_window_size"],
        "hop_length": extractor["hop_length"],
        "n_mels": extractor["feature_size"],
        "fmin": float(extractor["frequency_min"]),
        "fmax": float(extractor["frequency_max"]),
        "floor": FLOOR,
        "scale": "db",
        "normalisation": "none",
        "scale_level": False,
        "pad_mode": "reflect",
    }
    size = _size(architecture.config)
    return {"frontend": "log-mel", "frontend_params": params, "embedding_size": size}


def _size(config: Any) -> int:
    return config.patch_embeds_hidden_size * 2 ** (len(config.depths) - 1)


class ClapAudioTower(FilledImages):
    """The audio tower of CLAP, which is a Swin transformer over spectrograms, without fusion.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    architecture : Architecture
        Sizes.
    weights : str or None
        Where they come from; None means random ones.
    fill : str
        What an image is filled with past the clip's end: ``"repeat"``, the clip from its start
        again; or ``"padding"``, silence.

    Raises
    ------
    ValueError
        If the model fuses several views of a clip, there is no such fill, or the weights lack some.

    References
    ----------
    Y. Wu et al., Large-scale contrastive language-audio pretraining with feature fusion and
    keyword-to-caption augmentation, 2022, https://arxiv.org/abs/2211.06687
    """

    def __init__(
        self,
        frontend: Frontend,
        architecture: Architecture,
        *,
        weights: str | None,
        fill: str = REPEAT,
    ) -> None:
        config, extractor = architecture.config, architecture.extractor
        if config.enable_fusion:
            raise ValueError(
                "CLAP must be one without fusion, such as laion/clap-htsat-unfused: one with it "
                "draws its views of a long clip by chance"
            )
        n_samples = extractor["max_length_s"] * extractor["sampling_rate"]
        # The spectrogram is folded into a square; there is no room for more.
        widest = config.spec_size**2 // config.num_mel_bins
        super().__init__(
            frontend,
            image_frames=min(widest, n_samples // extractor["hop_length"] + 1),
            n_bands=config.num_mel_bins,
            fill=fill,
            padding=FLOOR_DB,
        )
        self.transformer: Any = _load_clap(config, weights)
        self.embedding_size = _size(config)

    def embed_images(self, images: Tensor) -> Tensor:  # noqa: D102 - see ImageBackbone
        values = self.as_values(images)
        # Zero is what augmentation hides things with, as if it were the mean. Here, where frames
        # are in plain decibels, the model's own normalisation knows that.
        means = self.transformer.audio_encoder.batch_norm.running_mean
        values = torch.where(values == 0, means.to(values), values)
        return self.transformer(values[:, None]).pooler_output


def _load_clap(config: Any, weights: str | None) -> nn.Module:
    if weights is None:
        return create_model("ClapAudioModel", config)
    # As a part of the whole, beside what joins it to texts; or saved alone.
    whole: Any
    whole, missing = load_model("ClapAudioModelWithProjection", weights, config)
    if not any(name.startswith("audio_model.") for name in missing):
        return whole.audio_model
    model, missing = load_model("ClapAudioModel", weights, config)
    if missing:
        raise ValueError(f"{weights!r} must have all weights of CLAP's tower: no {missing[:5]}")
    return model
