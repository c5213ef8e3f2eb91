"""Audio models of the Hugging Face hub, by their names there or by a folder: ``hf:MODEL``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deep.backbones.backbone import Backbone
from deep.backbones.config import BackboneConfig
from deep.backbones.hubs.hugging_face.adapters import add_adapters, is_adapter
from deep.backbones.hubs.hugging_face.clap import MODEL_TYPE as CLAP
from deep.backbones.hubs.hugging_face.clap import ClapAudioTower, describe_clap
from deep.backbones.hubs.hugging_face.loading import (
    Architecture,
    default_architecture,
    read_architecture,
)
from deep.backbones.hubs.hugging_face.spectrogram_transformer import MODEL_TYPE as AST
from deep.backbones.hubs.hugging_face.spectrogram_transformer import (
    SpectrogramTransformer,
    describe_spectrogram_transformer,
)
from deep.backbones.hubs.hugging_face.waveform import (
    MODELS,
    HuggingFaceWaveforms,
    describe_waveform_transformer,
)
from deep.backbones.registry import register_family
from deep.fixed_weights import fix_weights
from deep.frontends.frontend import Frontend

PREFIX = "hf"
HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class _Kind:
    """How models of a kind are made: by what, and with which of the options that not all have."""

    backbone: Callable[..., Backbone]
    describe: Callable[[Architecture, Mapping[str, Any]], dict[str, Any]]
    # A class of transformers, whose defaults stand in where a model has random weights.
    extractor: str
    options: frozenset[str]


_KINDS = {
    AST: _Kind(
        SpectrogramTransformer,
        describe_spectrogram_transformer,
        "ASTFeatureExtractor",
        frozenset({"layer", "fill"}),
    ),
    CLAP: _Kind(ClapAudioTower, describe_clap, "ClapFeatureExtractor", frozenset({"fill"})),
    **dict.fromkeys(
        MODELS,
        _Kind(
            HuggingFaceWaveforms,
            describe_waveform_transformer,
            "Wav2Vec2FeatureExtractor",
            frozenset({"layer", "part", "pooling"}),
        ),
    ),
}


def describe_hugging_face(
    model: str, architecture: dict[str, Any] | None, options: Mapping[str, Any]
) -> BackboneConfig:
    """Describe a model: its rate, its size, and the frontend that its weights expect.

    Parameters
    ----------
    model : str
        A name on the hub, a folder, or with random weights what transformers calls its kind.
    architecture : dict or None
        From a checkpoint's card.
    options : mapping
        Of `create_hugging_face`.

    Returns
    -------
    BackboneConfig
        Its description.

    Raises
    ------
    ImportError
        If transformers is not installed.
    OSError
        If the model cannot be reached; says what to fetch and where to put it.
    ValueError
        If it is none of the models that are known here.
    """
    found = find_architecture(model, architecture, options)
    return BackboneConfig(
        name=f"{PREFIX}:{model}",
        source=f"{model}, a model of the kind {found.model_type} of transformers, {HUB}",
        licence="see the model's page on the hub",
        sr=found.extractor["sampling_rate"],
        pretrained=not options.get("random_weights", False),
        **_KINDS[found.model_type].describe(found, options),
    )


def find_architecture(
    model: str, architecture: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> Architecture:
    """Find what a model is made of, without its weights.

    Parameters
    ----------
    model : str
        See `describe_hugging_face`.
    architecture : mapping or None
        From a checkpoint's card; nothing is read or fetched then.
    options : mapping
        Of `create_hugging_face`.

    Returns
    -------
    Architecture
        With the changes that ``config`` asks for.

    Raises
    ------
    ValueError
        If it is none of the models that are known here.
    """
    if architecture is not None:
        return Architecture.from_json(architecture)
    if options.get("random_weights") and model in _KINDS:
        found = default_architecture(model, _KINDS[model].extractor, options.get("config") or {})
    else:
        found = read_architecture(model)
        found.config.update(options.get("config") or {})
    if found.model_type not in _KINDS:
        raise ValueError(
            f"{model!r} must be one of {sorted(_KINDS)}, or clap, got a {found.model_type!r}"
        )
    return found


@register_family(PREFIX, describe_hugging_face)
def create_hugging_face(
    frontend: Frontend,
    *,
    model: str,
    architecture: dict[str, Any] | None = None,
    random_weights: bool = False,
    config: Mapping[str, Any] | None = None,
    part: str | None = None,
    layer: str | int | None = None,
    pooling: str | None = None,
    fill: str | None = None,
    frozen: bool = False,
    adapters: Mapping[str, Any] | None = None,
) -> Backbone:
    """Make a backbone of an audio model of transformers.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    model : str
        See `describe_hugging_face`.
    architecture : dict or None
        From a checkpoint's card: nothing is read or fetched, since the checkpoint has the weights.
    random_weights : bool
        Whether to make the same network anew instead of loading it. `model` may then be what
        transformers calls its kind, such as ``"wav2vec2"``, and nothing is read or fetched.
    config : mapping or None
        Values of the model's configuration, in place of its own.
    part : str or None
        Of a waveform transformer: ``"transformer"``, or ``"convolutions"`` for what those before
        it say.
    layer : str, int or None
        Of all but CLAP, ``"last"``, a number of layers, or ``"weighted"``; see `LayerChoice`.
    pooling : str or None
        Of a waveform transformer; see `WaveformTransformer`.
    fill : str or None
        Of a spectrogram transformer, ``"padding"`` or ``"repeat"``; see `SpectrogramTransformer`.
    frozen : bool
        Whether its weights stay as they are, without dropout.
    adapters : mapping or None
        Low-rank adapters, the only weights of it that are trained then; see `add_adapters`.

    Returns
    -------
    Backbone
        Its ``architecture`` makes it anew.

    Raises
    ------
    ImportError
        If transformers, or peft for adapters, is not installed.
    OSError
        If the model cannot be reached; says what to fetch and where to put it.
    ValueError
        If options do not fit the model, or the sampling rate is not that of its weights.
    """
    if frozen and adapters is not None:
        raise ValueError("adapters already leave all other weights as they are: drop frozen")
    found = find_architecture(
        model, architecture, {"random_weights": random_weights, "config": config}
    )
    rate = found.extractor["sampling_rate"]
    if frontend.sr != rate and not random_weights:
        raise ValueError(f"sr must be {rate} for the weights of {model!r}, got {frontend.sr}")
    if frozen:
        _drop_nothing(found.config)
    kind = _KINDS[found.model_type]
    given = {"part": part, "layer": layer, "pooling": pooling, "fill": fill}
    wished = {name: value for name, value in given.items() if value is not None}
    if wrong := sorted(wished.keys() - kind.options):
        raise ValueError(f"a {found.model_type} must be without the options {wrong}")
    weights = None if random_weights or architecture is not None else model
    made = kind.backbone(frontend, found, weights=weights, **wished)
    _keep_from_training(made, found.model_type, frozen=frozen, adapters=adapters)
    made.architecture = found.as_json()
    return made


def _keep_from_training(
    backbone: Any, model_type: str, *, frozen: bool, adapters: Mapping[str, Any] | None
) -> None:
    """Keep the model's weights as they are, but not what is learned of layers and of pooling."""
    if adapters is not None:
        if backbone.transformer is None:
            raise ValueError("adapters must have a transformer, got part='convolutions'")
        add_adapters(backbone.transformer, adapters, model_type=model_type)
    if frozen or adapters is not None:
        own = [getattr(backbone, name, None) for name in ("convolutions", "transformer", "norm")]
        for part in filter(None, own):
            fix_weights(part, but=is_adapter)


def _drop_nothing(config: Any) -> None:
    """Take all dropout out of a configuration."""
    for name, value in config.to_dict().items():
        if "drop" in name and isinstance(value, int | float) and not isinstance(value, bool):
            setattr(config, name, 0.0)
