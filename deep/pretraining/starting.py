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
    settings: Mapping[str, Any],
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
    settings : mapping
        What the network was made by: ``backbone``, ``backbone_params``, ``frontend``,
        ``frontend_params`` and ``sr``; others do not matter.

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
    wanted, found = _describe(settings), _describe(pretrained.card)
    different = [
        f"{name[1] or name[0]} is {found.get(name, 'the default')!r} there and "
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
    return pretrained.card


def _describe(settings: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Name what a backbone's weights depend on, by setting and option."""
    named = {(key, ""): settings.get(key) for key in ("backbone", "frontend", "sr")}
    options = {
        (key, name): value
        for key in ("backbone_params", "frontend_params")
        for name, value in _lasting(settings.get(key)).items()
    }
    return {name: value for name, value in named.items() if value is not None} | options


def _lasting(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Leave out what changes no weight, and make sequences equal after a way through JSON."""
    return {
        name: _as_lists(value)
        for name, value in (options or {}).items()
        if not name.endswith("dropout")
    }


def _as_lists(value: Any) -> Any:
    return [_as_lists(each) for each in value] if isinstance(value, list | tuple) else value
