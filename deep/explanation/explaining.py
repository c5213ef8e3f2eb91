"""Explaining what a model says of a clip: labels, probabilities, heat and attention as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from deep.backbones.network import AudioNetwork
from deep.classifier import AudioBackboneClassifier
from deep.explanation.attention import compute_attention
from deep.explanation.frame_times import find_band_hz, measure_frames
from deep.explanation.grad_cam import compute_grad_cam
from deep.explanation.networks import ChosenNetworks, mean_logits
from features.audio import Clip, load_clip


@dataclass(frozen=True)
class LabelExplanation:
    """Why a label is, or is not, given to a clip.

    Parameters
    ----------
    label : str
        The label.
    probability : float
        What the networks give it.
    heat : np.ndarray of shape (n_bands, n_frames), float32, or None
        Where they find it, from 0 to 1; None where the backbone has no maps. See
        `compute_grad_cam`.
    attention : np.ndarray of shape (n_weights, n_frames), float32, or None
        How much they attend to each frame for it; None where they weigh no steps. See
        `compute_attention`.
    """

    label: str
    probability: float
    heat: np.ndarray | None
    attention: np.ndarray | None


@dataclass(frozen=True)
class ClipExplanation:
    """What networks say of a clip, and why.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The clip.
    sr : int
        Its sampling rate in Hz, which is that of the networks.
    hop_s, first_s : float
        Seconds between frames, and the middle of the first.
    band_hz : np.ndarray of shape (n_bands,) or None
        Middle of each band in Hz; None where bands are no frequencies.
    networks : str
        Which of them speak, and whether they know the clip.
    labels : list of LabelExplanation
        The most probable first, or in the order that was asked for.
    """

    waveform: np.ndarray
    sr: int
    hop_s: float
    first_s: float
    band_hz: np.ndarray | None
    networks: str
    labels: list[LabelExplanation]


def explain_clip(
    chosen: ChosenNetworks,
    clip: Clip,
    *,
    labels: Sequence[str] | None = None,
    layer: str | None = None,
    n_top: int = 1,
) -> ClipExplanation:
    """Explain what networks say of a clip.

    Parameters
    ----------
    chosen : ChosenNetworks
        Those that speak for it; see `ExplainedModel.choose`.
    clip : Clip
        The sound.
    labels : sequence of str or None
        Which labels; None means the `n_top` most probable ones.
    layer : str or None
        Where Grad-CAM looks; None means the backbone's own ``map_layer``.
    n_top : int
        How many labels where none are named.

    Returns
    -------
    ClipExplanation
        Plain arrays.

    Raises
    ------
    AudioDecodeError
        If the clip cannot be read.
    ValueError
        If a label is none of the model's, there is no such layer, or the network has neither maps
        nor attention.
    """
    first = chosen.classifiers[0]
    classes = [str(name) for name in first.classes_]
    check_labels(labels or (), classes)
    logits = mean_logits(chosen, clip)
    probabilities = _probabilities(first, logits)
    if labels is None:
        labels = [classes[column] for column in np.argsort(-logits, kind="stable")[:n_top]]
    waveform = load_clip(clip, sr=first.find_sr())
    times = measure_frames(first.network_.frontend)
    return ClipExplanation(
        waveform=waveform,
        sr=times.sr,
        hop_s=times.hop_s,
        first_s=times.first_s,
        band_hz=find_band_hz(first.network_.frontend),
        networks=chosen.words,
        labels=[
            _explain_label(
                chosen, waveform, label, float(probabilities[classes.index(label)]), layer
            )
            for label in labels
        ],
    )


def check_labels(labels: Sequence[str], classes: Sequence[str]) -> None:
    """Make sure that a model knows labels.

    Parameters
    ----------
    labels : sequence of str
        Those asked for.
    classes : sequence of str
        Those it knows.

    Raises
    ------
    ValueError
        If it does not know all of them.
    """
    if unknown := [label for label in labels if label not in classes]:
        raise ValueError(f"labels must be of the model's {list(classes)}, got {unknown}")


def _explain_label(
    chosen: ChosenNetworks, waveform: np.ndarray, label: str, probability: float, layer: str | None
) -> LabelExplanation:
    first = chosen.classifiers[0]
    target = [str(name) for name in first.classes_].index(label)
    # What training never saw has a logit that no sound changes.
    networks = [each.network_ for each in chosen.classifiers if not each.absent_[target]]
    max_length = first.find_max_length()
    attention = compute_attention(networks, waveform, target=target, max_length=max_length)
    heat = None
    # Attention alone is an explanation too.
    if attention is None or layer is not None or first.network_.backbone.map_layer is not None:
        heat = _find_heat(first, networks, waveform, target, max_length, layer)
    return LabelExplanation(label, probability, heat, attention)


def _find_heat(
    first: AudioBackboneClassifier,
    networks: Sequence[AudioNetwork],
    waveform: np.ndarray,
    target: int,
    max_length: int,
    layer: str | None,
) -> np.ndarray:
    if networks:
        return compute_grad_cam(
            networks, waveform, target=target, max_length=max_length, layer=layer
        )
    frontend = first.network_.frontend
    n_frames = measure_frames(frontend).count(len(waveform))
    return np.zeros((frontend.n_bands, n_frames), dtype=np.float32)


def _probabilities(classifier: AudioBackboneClassifier, logits: np.ndarray) -> np.ndarray:
    values = torch.from_numpy(logits)
    return (values.sigmoid() if classifier.multi_label_ else values.softmax(dim=0)).numpy()
