"""The page of all backbones, frontends and heads, made from their registries."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deep.backbones.config import BackboneConfig
from deep.backbones.creation import create_backbone
from deep.backbones.network import count_parameters
from deep.backbones.registry import find_factory, get_backbone_config, list_backbones, list_families
from deep.frontends.registry import get_frontend_class, list_frontends
from deep.heads.registry import get_head_class, list_heads

# Heads are counted with as many classes as IRMAS has instruments.
N_CLASSES = 11

_INTRODUCTION = f"""\
# Backbones

Made by `python cli.py backbones --markdown`; do not edit.

A network is a **frontend** (waveform to frames), a **backbone** (frames to an embedding) and a
**head** (embedding to a logit for each label), each by its name:

    python cli.py train manifest.csv -o run/ --backbone resnetish --set backbone_params.depth=34
    python cli.py train manifest.csv -o run/ --backbone cnn --frontend mfcc --head attention

```python
AudioBackboneClassifier(
    "cnn", frontend="log-mel", frontend_params={{"n_mels": 64}}, head="linear", head_params={{}}
)
```

A clip's embedding depends neither on the clips beside it nor on padding, and any length from a
single sample on works. Parameters are those of the default options with {N_CLASSES} classes, head
included; `steps` says whether heads can look at each step of time.

"""

_FAMILIES = """
Families, whose models are made elsewhere, such as `hf:MIT/ast-finetuned-audioset-10-10-0.4593`,
`timm:efficientnetv2_s` and `torchaudio:WAV2VEC2_BASE`. Those of `hf:` and `torchaudio:` come with
their weights unless `random_weights=true`, those of `timm:` without unless `pretrained=true`.
Weights are fetched once. Where there is no connection, the error says which files to put where;
with `HF_HUB_OFFLINE=1` in the environment, `hf:` and `timm:` do not try to connect first.
`hf:wav2vec2` or another kind of transformers' models makes a network that nothing has trained,
with `random_weights=true` and, where it is to be smaller, `config={hidden_size: 96}`.

"""


@dataclass(frozen=True, slots=True)
class BackboneFacts:
    """What the list of backbones tells of one.

    Parameters
    ----------
    config : BackboneConfig
        As registered.
    summary : str
        First line of its docstring.
    n_parameters : int
        With default options and head, for `N_CLASSES` classes.
    gives_steps : bool
        Whether heads can look at steps.
    """

    config: BackboneConfig
    summary: str
    n_parameters: int
    gives_steps: bool


def describe_backbones() -> Iterator[BackboneFacts]:
    """Describe all registered backbones but families.

    Yields
    ------
    BackboneFacts
        In the order of their names.
    """
    for name in list_backbones():
        config = get_backbone_config(name)
        network = create_backbone(name, n_classes=N_CLASSES)
        yield BackboneFacts(
            config,
            _summary(find_factory(name)),
            count_parameters(network),
            network.backbone.gives_steps,
        )


def render_backbones_page() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    parts = [
        _INTRODUCTION,
        "| backbone | what it is | frontend | rate | embedding | parameters | steps |\n"
        "|---|---|---|---|---|---|---|\n",
        *(_row(facts) for facts in describe_backbones()),
        _FAMILIES,
        *(f"- `{name}:MODEL`: {_summary(find_factory(f'{name}:x'))}\n" for name in list_families()),
        "\n## Options\n",
        *(_section(name) for name in list_backbones()),
        *(_options(f"{name}:MODEL", find_factory(f"{name}:x")) for name in list_families()),
        "\n## Frontends\n",
        *(_options(name, get_frontend_class(name)) for name in list_frontends()),
        "\n## Heads\n",
        *(_options(name, get_head_class(name)) for name in list_heads()),
    ]
    return "".join(parts)


def _row(facts: BackboneFacts) -> str:
    config, steps = facts.config, "yes" if facts.gives_steps else ""
    return (
        f"| `{config.name}` | {facts.summary} | `{config.frontend}` | {config.sr:,} Hz | "
        f"{config.embedding_size} | {facts.n_parameters:,} | {steps} |\n"
    )


def _section(name: str) -> str:
    config = get_backbone_config(name)
    parts = [
        f"{part} `{name}`" + (f" ({_join(params.items())})" if params else "")
        for part, name, params in (
            ("frontend", config.frontend, config.frontend_params),
            ("head", config.head, config.head_params),
        )
    ]
    origin = f"Source: {config.source}. Licence: {config.licence}."
    return f"{_options(name, find_factory(name))}\nWith {' and '.join(parts)}.\n\n{origin}\n"


def _join(options: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"`{name}={value!r}`" for name, value in options)


def _options(name: str, factory: Callable[..., Any]) -> str:
    """Name a part and its options with their defaults."""
    options = [
        f"`{each.name}={each.default!r}`" if each.default is not each.empty else f"`{each.name}`"
        for each in inspect.signature(factory).parameters.values()
        if each.kind is each.KEYWORD_ONLY and each.name not in ("sr", "n_classes", "model",
                                                                "architecture")
    ]  # fmt: skip
    listed = ", ".join(options) or "none"
    return f"\n### `{name}`\n\n{_summary(factory)}\n\nOptions: {listed}.\n"


def _summary(factory: Callable[..., Any]) -> str:
    return (inspect.getdoc(factory) or "").split("\n", 1)[0]
