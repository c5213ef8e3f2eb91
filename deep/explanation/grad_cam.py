"""Grad-CAM: where in the frames a network finds a label.

The maps of a layer, each weighed by how much a label's logit grows with it on average, summed,
what speaks against the label cut off:

    weight[k] = mean over i, j of d logit / d map[k, i, j]
    heat[i, j] = max(0, sum over k of weight[k] * map[k, i, j])

Conventions: heat is of the frames of a whole clip, (n_bands, n_frames); what the maps' coarse grid
leaves open is interpolated linearly between the middles of its cells.

References
----------
R. R. Selvaraju et al., Grad-CAM: visual explanations from deep networks via gradient-based
localization, ICCV 2017, equations 1 and 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from deep.backbones.backbone import Backbone
from deep.backbones.image import ImageBackbone
from deep.backbones.network import AudioNetwork
from deep.explanation.windows import explain_windows

# Layers named where one asked for is not there: the last ones are those worth looking at.
MAX_LAYERS_NAMED = 8


def compute_grad_cam(
    networks: Sequence[AudioNetwork],
    waveform: np.ndarray,
    *,
    target: int,
    max_length: int,
    layer: str | None = None,
) -> np.ndarray:
    """Find where in a clip networks find a label.

    Windows and networks are averaged before the scale is set, as their logits are for a
    prediction. Of a backbone that sees images, each valid frame has the heat of the image that it
    lies in: an image that is filled up from the clip's start counts for less, by its share of the
    clip, and the filling is left out.

    Parameters
    ----------
    networks : sequence of AudioNetwork
        Of the same architecture; put into evaluation mode.
    waveform : np.ndarray of shape (n_timepoints,), float32
        The clip at their sampling rate.
    target : int
        Which logit.
    max_length : int
        Longest window in samples; see `deep.windows.covering_windows`.
    layer : str or None
        A module inside the backbone whose maps have the shape (n, n_maps, height, width); None
        means the backbone's ``map_layer``.

    Returns
    -------
    np.ndarray of shape (n_bands, n_frames), float32
        From 0 to 1, which is the largest of the clip; all 0 where nothing speaks for the label.

    Raises
    ------
    ValueError
        If there is no network or no such layer, or its output is no maps that can be laid over the
        frames.
    """
    if not networks:
        raise ValueError("Grad-CAM needs at least one network, got none")
    raw = [_explain(network, waveform, target, max_length, layer) for network in networks]
    heat = np.mean(raw, axis=0)
    largest = heat.max()
    return (heat / largest if largest > 0 else heat).astype(np.float32)


def _explain(
    network: AudioNetwork, waveform: np.ndarray, target: int, max_length: int, layer: str | None
) -> np.ndarray:
    name, module = find_layer(network.backbone, layer)

    def explain(frames: Tensor, n_frames: Tensor) -> np.ndarray:
        with _listening(module) as seen:
            logits, _ = network.classify(frames, n_frames)
        maps, gradients = _read(name, seen, logits[0, target])
        heat = (gradients.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).clamp_min(0)
        return _lay_over(name, network.backbone, heat.cpu().numpy(), frames.shape[2:])

    return explain_windows(network, waveform, explain, max_length=max_length)


def find_layer(backbone: Backbone, layer: str | None) -> tuple[str, nn.Module]:
    """Find the module whose maps are looked at.

    Parameters
    ----------
    backbone : Backbone
        Where to look.
    layer : str or None
        Its name; None means the backbone's ``map_layer``.

    Returns
    -------
    name : str
        Its name.
    module : nn.Module
        The module.

    Raises
    ------
    ValueError
        If there is none of that name, or none was named and the backbone has no ``map_layer``.
    """
    name = backbone.map_layer if layer is None else layer
    modules = dict(backbone.named_modules())
    if name in modules and name:
        return name, modules[name]
    what = type(backbone).__name__
    there = [key for key, module in modules.items() if isinstance(module, nn.Conv2d)]
    hint = f"; of its convolutions the last are {', '.join(there[-MAX_LAYERS_NAMED:])}"
    if name is None:
        raise ValueError(
            f"{what} has no layer of maps of its own choice for Grad-CAM"
            + (f": choose one by layer{hint}" if there else ", and no convolutions over two axes")
        )
    raise ValueError(
        f"layer must be a module of {what}, got {name!r}"
        f"{hint if there else '; it has no convolutions over two axes'}"
    )


@contextmanager
def _listening(module: nn.Module) -> Iterator[list[Tensor]]:
    """Keep what a module gives, call by call."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: object) -> object:
        first = output[0] if isinstance(output, tuple) else output
        if not isinstance(first, Tensor):
            return output
        seen.append(first)
        # A copy goes on: what follows may write into it.
        onward = first.clone()
        return (onward, *output[1:]) if isinstance(output, tuple) else onward

    handle = module.register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def _read(name: str, seen: list[Tensor], logit: Tensor) -> tuple[Tensor, Tensor]:
    """Give all maps of a layer and the gradient of a logit with respect to them."""
    if not seen or any(maps.ndim != 4 for maps in seen):
        shapes = sorted({tuple(maps.shape) for maps in seen})
        raise ValueError(
            f"layer {name!r} must give maps of shape (n, n_maps, height, width), got "
            f"{shapes or 'nothing'}: name another layer"
        )
    # A layer whose output the logit does not depend on has no gradient at all.
    connected = [maps for maps in seen if maps.requires_grad]
    if len(connected) < len(seen):
        raise ValueError(f"layer {name!r} passes no gradients on to the frames: name another layer")
    found = torch.autograd.grad(logit, connected, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise ValueError(f"layer {name!r} has no part in the logits: name another layer")
    gradients = [
        torch.zeros_like(maps) if gradient is None else gradient
        for maps, gradient in zip(seen, found, strict=True)
    ]
    return torch.cat([maps.detach() for maps in seen]).float(), torch.cat(gradients).float()


def _lay_over(name: str, backbone: Backbone, heat: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Stretch heat of shape (n_maps, height, width) over the bands and frames of one clip."""
    n_bands, n_frames = shape
    if isinstance(backbone, ImageBackbone):
        n_images = -(-n_frames // backbone.image_frames)
        if len(heat) == n_images:
            width = backbone.image_frames
            images = [stretch(image, n_bands, width) for image in heat]
            return np.concatenate(images, axis=1)[:, :n_frames]
        expected = f"{n_images}, one for each image"
    elif len(heat) == 1:
        covered = _covered(backbone, heat.shape[2], n_frames)
        return stretch(heat[0], n_bands, n_frames, covered=covered)
    else:
        expected = "1"
    raise ValueError(
        f"layer {name!r} must give as many maps as a clip has images, got {len(heat)} for a clip "
        f"that needs {expected}: name another layer"
    )


def _covered(backbone: Backbone, width: int, n_frames: int) -> int:
    """Give how many frames the cells of a map stand for: what is left at the end may be none's."""
    step = getattr(backbone, "frames_per_step", None)
    return width * step if step and n_frames // step == width else n_frames


def stretch(heat: np.ndarray, height: int, width: int, *, covered: int | None = None) -> np.ndarray:
    """Interpolate a map linearly between the middles of its cells; beyond the outer ones it stays.

    Parameters
    ----------
    heat : np.ndarray of shape (n_rows, n_columns)
        The map.
    height, width : int
        Shape of the result.
    covered : int or None
        Columns of the result that the map's columns stand for, from the first; None means all.

    Returns
    -------
    np.ndarray of shape (height, width)
        The stretched map.

    Examples
    --------
    >>> stretch(np.array([[0.0, 1.0]]), 1, 4).tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    """
    rows = _spread(heat.shape[0], height, height)
    columns = _spread(heat.shape[1], width, covered or width)
    return rows @ heat @ columns.T


def _spread(n_cells: int, size: int, covered: int) -> np.ndarray:
    """Give what share each of `n_cells` has in each of `size` places: (size, n_cells)."""
    places = (np.arange(size) + 0.5) * n_cells / covered - 0.5
    places = np.clip(places, 0, n_cells - 1)[:, None]
    return np.clip(1 - np.abs(places - np.arange(n_cells)), 0, None)
