"""The Audio Spectrogram Transformer, as transformers has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deep.backbones.hubs.hugging_face.filled_images import PADDING, FilledImages
from deep.backbones.hubs.hugging_face.loading import Architecture, create_model, load_model
from deep.backbones.hubs.known_classes import KnownClasses
from deep.backbones.hubs.layer_choice import LAST, LayerChoice
from deep.backbones.image import cut_images
from deep.frontends.frontend import Frontend

MODEL_TYPE = "audio-spectrogram-transformer"


def describe_spectrogram_transformer(
    architecture: Architecture, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Tell what a config says of an AST: its frontend does what its feature extractor does.

    Parameters
    ----------
    architecture : Architecture
        Of the model.
    options : mapping
        None matters.

    Returns
    -------
    dict
        Of arguments of `BackboneConfig`.
    """
    mean, std = _statistics(architecture)
    n_mels = architecture.extractor["num_mel_bins"]
    return {
        "frontend": "kaldi-fbank",
        "frontend_params": {"n_mels": n_mels, "mean": mean, "std": std},
        "head": "audioset",
        "embedding_size": architecture.config.hidden_size,
    }


def _statistics(architecture: Architecture) -> tuple[float, float]:
    """Give mean and standard deviation; frames are divided by twice the latter."""
    extractor = architecture.extractor
    if extractor.get("do_normalize", True):
        return extractor["mean"], extractor["std"]
    return 0.0, 0.5


class SpectrogramTransformer(FilledImages):
    """An Audio Spectrogram Transformer of transformers.

    Its embedding is the mean of the two tokens that stand for the whole, as its classifier has it.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    architecture : Architecture
        Sizes.
    weights : str or None
        Where they come from; None means random ones.
    layer : str or int
        See `LayerChoice`.
    fill : str
        What an image is filled with past the clip's end: ``"padding"``, as the model's feature
        extractor does; or ``"repeat"``, the clip from its start again.

    Attributes
    ----------
    known_classes : KnownClasses or None
        The classifier that came with the weights; None unless ``layer`` is the last.

    Raises
    ------
    ValueError
        If there is no such layer or fill, or the weights lack some.

    References
    ----------
    Y. Gong et al., AST: audio spectrogram transformer, 2021, https://arxiv.org/abs/2104.01778
    """

    def __init__(
        self,
        frontend: Frontend,
        architecture: Architecture,
        *,
        weights: str | None,
        layer: str | int = LAST,
        fill: str = PADDING,
    ) -> None:
        config = architecture.config
        mean, std = _statistics(architecture)
        super().__init__(
            frontend,
            image_frames=config.max_length,
            n_bands=config.num_mel_bins,
            fill=fill,
            padding=-mean / (2 * std),
        )
        choice = LayerChoice(layer, config.num_hidden_layers)
        model, known = _load_ast(config, weights)
        # It stood on what the last layer gives.
        self.known_classes = known if choice.is_last else None
        # After the layers both learn as fast as what is next to the head.
        norm, model.layernorm = model.layernorm, nn.Identity()
        model.layers = model.layers[: choice.n_kept]
        self.transformer, self.norm = model, norm if choice.is_last else nn.Identity()
        self.choice = choice
        self.embedding_size = self.frame_embedding_size = config.hidden_size
        self.frames_per_step = config.time_stride
        self.patch_size = config.patch_size

    def embed_images(self, images: Tensor) -> Tensor:  # noqa: D102 - see ImageBackbone
        tokens = self._tokens(images)
        return (tokens[:, 0] + tokens[:, 1]) / 2

    def frame_embeddings(  # noqa: D102 - see Backbone
        self, frames: Tensor, n_frames: Tensor
    ) -> tuple[Tensor, Tensor]:
        width, size, stride = self.image_frames, self.patch_size, self.frames_per_step
        images, owners, shares = cut_images(frames - self.padding, n_frames, width, self.fill)
        n_places = (width - size) // stride + 1
        # Patches stand band after band, each in the order of time.
        steps = self._tokens(images)[:, 2:].unflatten(1, (-1, n_places)).mean(dim=1)
        shown = (shares * n_frames[owners]).round().long()
        counts = ((shown - size) // stride + 1).clamp(1, n_places)
        n_steps = torch.zeros_like(n_frames).index_add(0, owners, counts)
        longest = int(n_steps.max())
        joined = steps.new_zeros(len(frames), longest, steps.shape[2])
        places, ends = torch.arange(n_places), torch.arange(longest)
        taken = (places < counts[:, None]).to(steps.device)
        joined[(ends < n_steps[:, None]).to(steps.device)] = steps[taken]
        return joined, n_steps

    def _tokens(self, images: Tensor) -> Tensor:
        weighted = self.choice.weighted
        output = self.transformer(self.as_values(images), output_hidden_states=weighted)
        states = output.hidden_states if weighted else [output.last_hidden_state]
        return self.norm(self.choice(states))


def _load_ast(config: Any, weights: str | None) -> tuple[Any, KnownClasses | None]:
    if weights is None:
        return create_model("ASTModel", config), None
    whole: Any
    whole, missing = load_model("ASTForAudioClassification", weights, config)
    model, head = whole.audio_spectrogram_transformer, whole.classifier
    if lacking := [name for name in missing if not name.startswith("classifier.")]:
        raise ValueError(f"{weights!r} must have all weights of an AST, it lacks {lacking[:5]}")
    if missing:
        return model, None
    labels = [config.id2label[number] for number in range(config.num_labels)]
    tensors = (head.dense.weight, head.dense.bias, head.layernorm.weight, head.layernorm.bias)
    return model, KnownClasses(labels, *(tensor.detach().clone() for tensor in tensors))
