"""docs/features.md, made from the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from features.catalogue import CATALOGUE, FUNCTIONAL_FAMILIES
from features.descriptions import describe_descriptor, describe_feature_set
from features.docstrings import read_docstring
from features.functionals import (
    envelope_shape,
    moments,
    percentiles,
    points,
    pulse,
    silences,
)
from features.named_sets import get_feature_set, list_feature_sets
from features.naming import abbreviate
from features.opensmile_sets import OpenSmileSet

COMMAND = "python cli.py features --markdown > docs/features.md"

_HEAD = f"""\
# Features

What every column of a feature table means. `python cli.py features` and `python cli.py features
describe NAME` say the same in a terminal. This page is made from the code, and a test holds it to
that: `{COMMAND}`

A descriptor gives contours: one value per frame or per segment of a clip. A functional makes one
number of a contour. A feature is named by descriptor, contour and functional, as in
`mfcc_03_mean`. Clips are mixed down to one channel, resampled to the set's rate and brought to an
RMS of 1 first, so that a clip at a tenth of the gain gives the same row. Two kinds of features are
not so: openSMILE's, and those of the group `nuisance`, which say more of the recording than of the
sound. `fit-ensemble` leaves nuisance out unless told `--with-nuisance`.
"""

_SETS = """\
A set never changes under its name; other parts or settings make another version. Names joined by
`+` are the sets one after the other, as in `--feature-set standard-v1+other-v1`, if they analyse
clips alike.
"""

_RECIPES = """\
A recipe is a YAML file, given as `--feature-set mine.yaml`:

```yaml
name: mine            # left out: the file's name
sr: 22050             # and n_fft, hop_length, n_mels, segment_s, where they differ from standard-v1
parts:
  - spectral_moments  # as in the catalogue below
  - part: mfcc
    contours: 13      # the first so many, or a list of names
    functionals: [mean, std]
  - part: mfcc
    delta: 1          # first derivative (2: second); columns begin with mfcc_delta
    contours: 13
  - part: spectral_rolloff
    settings: {fractions: [0.25, 0.75]}
    column: rolloff   # what the columns begin with instead
```

`features.compose_feature_set` does the same in Python. A mistake is answered with all that is wrong
at once. A table's `X.parquet` or `X.parquet.card.json`, or a bundle's `card.json`, given as
`--feature-set` reproduces the set that it was made with, or says why this version cannot.
"""


# The functions behind the functionals' names.
FUNCTIONALS = (moments, percentiles, points, envelope_shape, silences, pulse)


def render_page() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    descriptors = [describe_descriptor(name) for name in CATALOGUE]
    blocks = [
        _HEAD,
        "## Sets\n",
        _table(("set", "features", "rate", "for"), map(_set_row, list_feature_sets())),
        _SETS,
        "### openSMILE\n",
        read_docstring(OpenSmileSet).notes + "\n",
        "## Sets of one's own\n",
        _RECIPES,
        "## Functionals\n",
        "\n".join(map(_functionals, FUNCTIONALS)) + "\n",
        "Recipes may name these families of them:\n",
        _table(
            ("family", "functionals"),
            ((f"`{name}`", abbreviate(names)) for name, names in FUNCTIONAL_FAMILIES.items()),
        ),
        "## Descriptors\n",
    ]
    for group in dict.fromkeys(described["group"] for described in descriptors):
        blocks.append(f"### Group {group}\n")
        blocks += [_descriptor(each) for each in descriptors if each["group"] == group]
    blocks += [
        "## What the numbers were checked against\n",
        "Each test compares the descriptor with the reference, or with the answer for a sound of "
        "which it is known, within the tolerance.\n",
        _table(("descriptor", "reference", "tolerance", "test"), _check_rows(descriptors)),
    ]
    return "\n".join(blocks)


def _functionals(function: Callable[..., Any]) -> str:
    doc = read_docstring(function)
    return f"- {doc.summary} {_in_one_line(doc.gives[1])} {_in_one_line(doc.notes)}".rstrip()


def _set_row(name: str) -> Sequence[str]:
    described = describe_feature_set(get_feature_set(name))
    groups = ", ".join(f"{group} {n}" for group, n in described["groups"].items())
    return (
        f"`{name}`",
        f"{described['n_features']}: {groups}",
        f"{described['sr']} Hz",
        described["summary"],
    )


def _descriptor(described: Mapping[str, Any]) -> str:
    facts = [
        f"**Gives** {described['shape']}. {_in_one_line(described['values'])}",
        f"**Columns** {described['n_features']}: `{described['columns']}`",
        f"**In** {', '.join(described['sets']) or 'no set; for recipes'}",
    ]
    facts += [
        f"**Setting** `{setting['name']}` = {setting['default']!r}, "
        f"{_in_one_line(setting['meaning'])}"
        for setting in described["settings"]
    ]
    if described["references"]:
        facts.append(f"**Source** {_in_one_line(described['references'])}")
    paragraphs = [
        f"#### {described['name']}",
        described["summary"],
        described["details"],
        described["notes"],
        "\n".join(f"- {fact}" for fact in facts),
    ]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _check_rows(descriptors: Iterable[Mapping[str, Any]]) -> Iterable[Sequence[str]]:
    for described in descriptors:
        for check in described["checks"]:
            yield (
                f"`{described['name']}`",
                check["reference"],
                check["tolerance"],
                f"`{check['test'].removeprefix('tests/')}`",
            )


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    # A bar would end the cell.
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *lines, ""])
