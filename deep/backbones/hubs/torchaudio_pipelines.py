"""Self-supervised speech models of torchaudio, by its own names: ``torchaudio:WAV2VEC2_BASE``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn

from deep.backbones.config import BackboneConfig
from deep.backbones.hubs.layer_choice import LAST, LayerChoice
from deep.backbones.hubs.waveform_convolutions import WaveformConvolutions
from deep.backbones.hubs.waveform_transformer import (
    CONVOLUTIONS,
    MEAN,
    PARTS,
    TRANSFORMER,
    WaveformTransformer,
)
from deep.backbones.registry import register_family
from deep.fixed_weights import fix_weights
from deep.frontends.frontend import Frontend
from deep.frontends.padding import valid_mask

PREFIX = "torchaudio"
SOURCE = "https://docs.pytorch.org/audio/stable/pipelines.html"

# By what torchaudio calls the kind of network of a pipeline.
FACTORIES = {"Wav2Vec2": "wav2vec2_model", "WavLM": "wavlm_model"}

# A score that leaves nothing of a step in a softmax, without the NaN of minus infinity.
NOTHING = -1e4


def list_pipelines() -> list[str]:
    """List the pipelines of torchaudio that give embeddings.

    Returns
    -------
    list of str
        Sorted names.

    Examples
    --------
    >>> "HUBERT_BASE" in list_pipelines()
    True
    """
    from torchaudio import pipelines

    return sorted(
        name
        for name, bundle in vars(pipelines).items()
        if isinstance(bundle, pipelines.Wav2Vec2Bundle)
    )


def find_pipeline(
    model: str, architecture: Mapping[str, Any] | None, params: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Find what a pipeline's network is made of, without its weights.

    Parameters
    ----------
    model : str
        A name from `list_pipelines`.
    architecture : mapping or None
        From a checkpoint's card.
    params : mapping or None
        Values in place of the pipeline's own.

    Returns
    -------
    dict
        JSON-able: ``kind``, ``params`` of torchaudio's factory, ``sr`` in Hz, ``normalise``.

    Raises
    ------
    ValueError
        If there is no such pipeline.
    """
    if architecture is not None:
        return dict(architecture)
    if model not in list_pipelines():
        raise ValueError(f"torchaudio's pipeline must be one of {list_pipelines()}, got {model!r}")
    from torchaudio import pipelines

    bundle = getattr(pipelines, model)
    own = dict(bundle._params)
    # Its network without the layer that spells words, and without layers skipped by chance: one
    # that is skipped has no place in a mean of layers.
    own |= {"aux_num_out": None, "encoder_layer_drop": 0.0}
    shapes = [list(shape) for shape in own["extractor_conv_layer_config"]]
    own = {**own, "extractor_conv_layer_config": shapes, **(params or {})}
    return {
        "kind": bundle._model_type,
        "params": own,
        "sr": int(bundle.sample_rate),
        "normalise": bundle._normalize_waveform,
    }


def describe_pipeline(
    model: str, architecture: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> BackboneConfig:
    """Describe a pipeline: its rate, its size, and the frontend that its weights expect.

    Parameters
    ----------
    model : str
        A name from `list_pipelines`.
    architecture : mapping or None
        From a checkpoint's card.
    options : mapping
        Of `TorchaudioPipeline`.

    Returns
    -------
    BackboneConfig
        Its description.

    Raises
    ------
    ValueError
        If there is no such pipeline.
    """
    found = find_pipeline(model, architecture, options.get("params"))
    return BackboneConfig(
        name=f"{PREFIX}:{model}",
        source=f"torchaudio.pipelines.{model}, {SOURCE}",
        licence="that of the weights, see the pipeline's documentation",
        sr=found["sr"],
        embedding_size=_size(found, options.get("part", TRANSFORMER)),
        pretrained=not options.get("random_weights", False),
        frontend="waveform",
        frontend_params={"scale_level": found["normalise"], "remove_mean": found["normalise"]},
    )


def _size(found: Mapping[str, Any], part: str) -> int:
    params = found["params"]
    if part == CONVOLUTIONS:
        return params["extractor_conv_layer_config"][-1][0]
    return params["encoder_embed_dim"]


@register_family(PREFIX, describe_pipeline)
class TorchaudioPipeline(WaveformTransformer):
    """A wav2vec 2.0, HuBERT or WavLM of torchaudio.

    Parameters
    ----------
    frontend : Frontend
        One that gives the waveform itself.
    model : str
        A name from `list_pipelines`.
    architecture : dict or None
        From a checkpoint's card: nothing is fetched, since the checkpoint has the weights.
    random_weights : bool
        Whether to make the same network anew instead of fetching its weights.
    params : mapping or None
        Values of torchaudio's factory, in place of the pipeline's own.
    part : str
        ``"transformer"``, or ``"convolutions"`` for what those before it say.
    layer : str or int
        See `LayerChoice`.
    pooling : str
        See `WaveformTransformer`.
    frozen : bool
        Whether its weights stay as they are, without dropout.

    Raises
    ------
    OSError
        If weights can neither be found nor fetched; says what to fetch and where to put it.
    ValueError
        If there is no such pipeline, part, layer or pooling, or the sampling rate is not that of
        the weights.

    References
    ----------
    Y.-Y. Yang et al., TorchAudio: building blocks for audio and speech processing, 2021,
    https://arxiv.org/abs/2110.15018
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        model: str,
        architecture: dict[str, Any] | None = None,
        random_weights: bool = False,
        params: Mapping[str, Any] | None = None,
        part: str = TRANSFORMER,
        layer: str | int = LAST,
        pooling: str = MEAN,
        frozen: bool = False,
    ) -> None:
        found = find_pipeline(model, architecture, params)
        if part not in PARTS:
            raise ValueError(f"part must be one of {PARTS}, got {part!r}")
        if part == CONVOLUTIONS and layer != LAST:
            raise ValueError(f"layer must be {LAST!r} with part={part!r}, got {layer!r}")
        if frontend.sr != found["sr"] and not random_weights:
            raise ValueError(
                f"sr must be {found['sr']} for the weights of {model!r}, got {frontend.sr}"
            )
        if frozen:
            dropouts = {name: 0.0 for name in found["params"] if name.endswith("dropout")}
            found = {**found, "params": {**found["params"], **dropouts}}
        choice = None
        if part == TRANSFORMER:
            choice = LayerChoice(layer, found["params"]["encoder_num_layers"])
        network = _create(found)
        if not random_weights and architecture is None:
            _load_weights(network, model)
        convolutions = WaveformConvolutions(network.feature_extractor.conv_layers)
        encoder: Any = None
        if choice is not None:
            encoder = network.encoder
            layers = encoder.transformer
            layers.layers = layers.layers[: choice.n_kept]
            if not choice.is_last and not layers.layer_norm_first:
                # It stands behind the last layer, and is no part of what that gives.
                layers.layer_norm = nn.Identity()
        if frozen:
            for module in filter(None, (convolutions, encoder)):
                fix_weights(module)
        super().__init__(
            frontend,
            convolutions=convolutions,
            transformer=encoder,
            choice=choice,
            n_values=_size(found, part),
            pooling=pooling,
        )
        self.architecture, self.by_keys = found, found["kind"] == "WavLM"

    def encode(  # noqa: D102 - see WaveformTransformer
        self, steps: Tensor, n_steps: Tensor, lengths: Tensor
    ) -> Sequence[Tensor]:
        transformer = self.transformer.transformer
        weighted = self.choice is not None and self.choice.weighted
        padded = ~valid_mask(n_steps, steps.shape[1], device=steps.device)
        state = self.transformer.feature_projection(steps).masked_fill(padded[..., None], 0.0)
        state = state + transformer.pos_conv_embed(state)
        if transformer.layer_norm_first:
            state = transformer.layer_norm(state)
        state, bias, states = transformer.dropout(state), None, []
        masks = self._masks(padded, state)
        for layer in transformer.layers:
            states.append(state)
            state, bias = layer(state, position_bias=bias, **masks)
        if not transformer.layer_norm_first and not weighted:
            state = transformer.layer_norm(state)
        return [*states, state] if weighted else [state]

    def _masks(self, padded: Tensor, state: Tensor) -> dict[str, Tensor]:
        """Give what keeps a layer from attending to padding, as its kind wants to be told."""
        if not padded.any():
            return {}
        scores = torch.zeros_like(padded, dtype=state.dtype).masked_fill(padded, NOTHING)
        if self.by_keys:
            return {"key_padding_mask": scores}
        size = padded.shape[1]
        return {"attention_mask": scores[:, None, None, :].expand(-1, 1, size, size)}


def _create(found: Mapping[str, Any]) -> Any:
    from torchaudio import models

    shapes = [tuple(shape) for shape in found["params"]["extractor_conv_layer_config"]]
    params = {**found["params"], "extractor_conv_layer_config": shapes}
    return getattr(models, FACTORIES[found["kind"]])(**params)


def _load_weights(network: nn.Module, model: str) -> None:
    """Load what torchaudio fetches, or finds where it has fetched it before."""
    from torchaudio import pipelines

    bundle = getattr(pipelines, model)
    try:
        fetched: Any = bundle.get_model(dl_kwargs={"weights_only": True, "map_location": "cpu"})
    except (URLError, OSError) as error:
        path = bundle._path
        url = (
            path
            if path.startswith("https")
            else f"https://download.pytorch.org/torchaudio/models/{path}"
        )
        raise OSError(
            f"the weights of {model} are not here and cannot be fetched: fetch {url} where there "
            f"is a connection, and put it into {torch.hub.get_dir()}/checkpoints. It was: {error}"
        ) from error
    weights = getattr(fetched, "model", fetched).state_dict()
    network.load_state_dict({name: w for name, w in weights.items() if not name.startswith("aux.")})
