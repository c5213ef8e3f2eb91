"""Starting a training from a pre-trained backbone."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from deep.backbones.network import AudioNetwork
from deep.pretraining.pretrained import PretrainedBackbone


def load_pretrained_backbone(
    network: AudioNetwork,
    path: str | PathLike[str],
    *,
    backbone: str,
    backbone_params: Mapping[str, Any] | None,
    sr: int,
) -> dict[str, Any]:
    """Put pre-trained weights into a network that is about to be trained.

    The backbone's weights are copied, those of its batch normalisations included, and what the
    frontend has learned. The frontend's statistics are not: they are taken from the training rows
    of each fold. Those of pre-training were taken from whatever clips it saw, the fold's held-out
    ones perhaps among them; and where it saw another corpus, bands standardised within this one are
    what the backbone knows.

    Parameters
    ----------
    network : AudioNetwork
        Changed in place; its head stays as it is.
    path : path-like
        What `PretrainedBackbone.save` wrote.
    backbone : str
        The network's backbone.
    backbone_params : mapping or None
        Its options; None means the defaults.
    sr : int
        Its sampling rate in Hz.

    Returns
    -------
    dict
        The card of the pre-trained backbone, whose ``trained_on`` the training's own card should
        repeat.

    Raises
    ------
    ValueError
        If the pre-trained backbone cannot be read, or is another one, at another rate or with other
        options; all differences at once.
    """
    pretrained = PretrainedBackbone.load(path)
    wanted = {"backbone": backbone, "sr": sr, **_lasting(backbone_params)}
    card = pretrained.card
    found = {"backbone": card["backbone"], "sr": card["sr"], **_lasting(card["backbone_params"])}
    different = [
        f"{name} is {found.get(name, 'the default')!r} there and "
        f"{wanted.get(name, 'the default')!r} here"
        for name in {**found, **wanted}
        if found.get(name) != wanted.get(name)
    ]
    if different:
        raise ValueError(
            f"a network must be of the kind that {path} was pre-trained as: {'; '.join(different)}"
        )
    network.backbone.load_state_dict(pretrained.network.backbone.state_dict())
    learned = dict(pretrained.network.frontend.named_parameters())
    network.frontend.load_state_dict({k: v.detach() for k, v in learned.items()}, strict=False)
    return card


def _lasting(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Leave out what changes no weight, and make sequences equal after a way through JSON."""
    return {
        name: _as_lists(value)
        for name, value in (options or {}).items()
        if not name.endswith("dropout")
    }


def _as_lists(value: Any) -> Any:
    return [_as_lists(each) for each in value] if isinstance(value, list | tuple) else value
