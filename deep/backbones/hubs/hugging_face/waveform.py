"""wav2vec 2.0 and what came after it, as transformers has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from deep.backbones.hubs.hugging_face.loading import Architecture, create_model, load_model
from deep.backbones.hubs.layer_choice import LAST, LayerChoice
from deep.backbones.hubs.waveform_convolutions import WaveformConvolutions
from deep.backbones.hubs.waveform_transformer import (
    CONVOLUTIONS,
    MEAN,
    PARTS,
    TRANSFORMER,
    WaveformTransformer,
)
from deep.frontends.frontend import Frontend
from deep.frontends.padding import valid_mask

# By what transformers calls them: all share one anatomy.
MODELS = {
    "wav2vec2": "Wav2Vec2Model",
    "hubert": "HubertModel",
    "wavlm": "WavLMModel",
    "unispeech": "UniSpeechModel",
    "unispeech-sat": "UniSpeechSatModel",
}

# Its attention mixes masks of two types, which torch is about to give up: clips of equal length are
# computed together instead.
WITHOUT_MASK = ("wavlm",)

# Training would mask steps and skip layers by numpy's own generator, which no seed of ours reaches;
# a skipped layer has no place in a mean of layers. Augmentation is a matter of the training.
WITHOUT_CHANCE = {
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
    "layerdrop": 0.0,
    "add_adapter": False,
}


def describe_waveform_transformer(
    architecture: Architecture, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Tell what a config says of a model: its frontend does what its feature extractor does.

    Parameters
    ----------
    architecture : Architecture
        Of a model in `MODELS`.
    options : mapping
        ``part`` decides on the size.

    Returns
    -------
    dict
        Of arguments of `BackboneConfig`.
    """
    normalise = bool(architecture.extractor.get("do_normalize", True))
    return {
        "frontend": "waveform",
        "frontend_params": {"scale_level": normalise, "remove_mean": normalise},
        "embedding_size": _size(architecture, options.get("part")),
    }


def _size(architecture: Architecture, part: str | None) -> int:
    config = architecture.config
    return config.conv_dim[-1] if part == CONVOLUTIONS else config.hidden_size


class HuggingFaceWaveforms(WaveformTransformer):
    """A wav2vec 2.0, HuBERT, WavLM or UniSpeech of transformers.

    Parameters
    ----------
    frontend : Frontend
        One that gives the waveform itself.
    architecture : Architecture
        Of a model in `MODELS`.
    weights : str or None
        Where they come from; None means random ones.
    part : str
        ``"transformer"``, or ``"convolutions"`` for what those before it say.
    layer : str or int
        See `LayerChoice`.
    pooling : str
        See `WaveformTransformer`.

    Raises
    ------
    ValueError
        If there is no such part, layer or pooling, or the weights lack some.
    """

    def __init__(
        self,
        frontend: Frontend,
        architecture: Architecture,
        *,
        weights: str | None,
        part: str = TRANSFORMER,
        layer: str | int = LAST,
        pooling: str = MEAN,
    ) -> None:
        if part not in PARTS:
            raise ValueError(f"part must be one of {PARTS}, got {part!r}")
        if part == CONVOLUTIONS and layer != LAST:
            raise ValueError(f"layer must be {LAST!r} with part={part!r}, got {layer!r}")
        config, whole = architecture.config, part == TRANSFORMER
        config.update({name: to for name, to in WITHOUT_CHANCE.items() if hasattr(config, name)})
        choice = LayerChoice(layer, config.num_hidden_layers) if whole else None
        model: Any = _load(architecture, weights)
        convolutions = WaveformConvolutions(model.feature_extractor.conv_layers)
        model.feature_extractor = nn.Identity()
        if hasattr(model, "masked_spec_embed"):
            # Stands for masked steps, of which there are none.
            del model.masked_spec_embed
        super().__init__(
            frontend,
            convolutions=convolutions,
            transformer=None if choice is None else _keep_layers(model, choice),
            choice=choice,
            n_values=_size(architecture, part),
            pooling=pooling,
        )
        self.masks = architecture.model_type not in WITHOUT_MASK

    def encode(  # noqa: D102 - see WaveformTransformer
        self, steps: Tensor, n_steps: Tensor, lengths: Tensor
    ) -> Sequence[Tensor]:
        if not (n_steps < steps.shape[1]).any():
            return self._states(steps, None)
        if self.masks:
            # Of samples: the model counts for itself how many steps they make.
            mask = valid_mask(lengths, int(lengths.max()), device=steps.device).long()
            return self._states(steps, mask)
        counts = n_steps.unique().tolist()
        rows = [(n_steps == count).nonzero()[:, 0] for count in counts]
        groups = [
            self._states(steps[some.to(steps.device), :count], None)
            for some, count in zip(rows, counts, strict=True)
        ]
        back = torch.cat(rows).argsort().to(steps.device)
        return [
            pad_sequence([row for state in states for row in state], batch_first=True)[back]
            for states in zip(*groups, strict=True)
        ]

    def _states(self, steps: Tensor, mask: Tensor | None) -> Sequence[Tensor]:
        """Give the hidden states that are wanted."""
        weighted = self.choice is not None and self.choice.weighted
        # Where its convolutions were there is nothing now; they have been run.
        output = self.transformer(
            steps.transpose(1, 2), attention_mask=mask, output_hidden_states=weighted
        )
        return output.hidden_states if weighted else [output.last_hidden_state]


def _load(architecture: Architecture, weights: str | None) -> nn.Module:
    kind = MODELS[architecture.model_type]
    if weights is None:
        return create_model(kind, architecture.config)
    model, missing = load_model(kind, weights, architecture.config)
    if missing:
        raise ValueError(f"{weights!r} must have all weights of a {kind}, it lacks {missing[:5]}")
    return model


def _keep_layers(model: Any, choice: LayerChoice) -> nn.Module:
    """Drop what comes after the layer that is wanted."""
    if choice.is_last:
        return model
    encoder = model.encoder
    encoder.layers = encoder.layers[: choice.n_kept]
    if getattr(model.config, "do_stable_layer_norm", False):
        # It stands behind the last layer, and is no part of what that gives.
        encoder.layer_norm = nn.Identity()
    return model
