"""docs/corpora.md, made from the readers and the list of downloads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from features.corpora.downloading import list_downloads
from features.corpora.layout import Layout
from features.corpora.layouts import list_layouts
from features.docstrings import read_docstring
from features.manifest import SPLITS

COMMAND = "python cli.py layouts --markdown > docs/corpora.md"

_HEAD = f"""\
# Corpora

How a corpus as it lies on disk becomes a manifest: `python cli.py manifest ROOT -o m.csv`. The
layout is told from what lies there, in the order below, unless `--layout NAME` names it. This page
is made from the code, and a test holds it to that:

    {COMMAND}

A group is what must not be separated from each other: takes of one note, slices of one recording,
clips of one speaker. Groups never straddle splits or folds; where a publisher's own folds tear one
apart, the reader says so and keeps it whole.
"""

_DOWNLOADS = """\
`python cli.py download NAME` fetches these from their publishers. Every archive must have the
checksum below; one with another is set aside. A download that was cut off, interrupted or killed
goes on where it was. Look at the licence above first: it is the publisher's, and binds you. Sizes
are given where a source gives them to the byte.

Not among them are FSDKaggle2018, FSDKaggle2019 and Philharmonia, for whose archives no source gives
a checksum; GTZAN, whose address no longer answers; and AudioSet, whose sounds are other people's.
"""

_INDEXES = """\
## From mirdata and soundata

Both packages check a corpus against an index and load its annotations. Two lines make a manifest
of what they load; `path` is the only column that must be there. A multi-label corpus joins its
labels by `;`.

mirdata, here IRMAS's training data (`audio_path`, `instrument`, `track_id` and `train` are
mirdata's names):

```python
{mirdata}```

soundata, here UrbanSound8K (`audio_path`, `class_label`, `freesound_id`), without its ten folds,
since they tear recordings apart, which a manifest does not allow:

```python
{soundata}```

What the readers above know of a corpus beyond its annotations (torn folds, labels nobody listened
for) is then yours to take care of: `python cli.py check m.csv` finds the leaks that can be found.
"""

MIRDATA = """\
import mirdata
import pandas as pd
from features.manifest import make_manifest, write_manifest

tracks = [t for t in mirdata.initialize("irmas").load_tracks().values() if t.train]
table = pd.DataFrame(
    {"path": t.audio_path, "labels": ";".join(t.instrument), "group": t.track_id.split("__")[0]}
    for t in tracks
)
write_manifest(make_manifest(table, "."), "m.csv")
"""

SOUNDATA = """\
import pandas as pd
import soundata
from features.manifest import make_manifest, write_manifest

clips = soundata.initialize("urbansound8k").load_clips().values()
table = pd.DataFrame(
    {"path": c.audio_path, "labels": c.class_label, "group": c.freesound_id} for c in clips
)
write_manifest(make_manifest(table, "."), "m.csv")
"""

# A footnote's mark; the notes themselves stay in the code.
FOOTNOTE = re.compile(r"\s*\[\d+\]_")


def render_corpora_page() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    layouts = list_layouts()
    blocks = [
        _HEAD,
        "## Layouts\n",
        _table(
            ("layout", "what lies there", "release"),
            ((f"`{each.name}`", _escape(each.summary), _count(each)) for each in layouts),
        ),
        *map(_section, layouts),
        "## Downloads\n",
        _DOWNLOADS,
        _table(("corpus", "archive", "size", "checksum"), _download_rows()),
        _INDEXES.format(mirdata=MIRDATA, soundata=SOUNDATA),
    ]
    return "\n".join(blocks)


def _count(layout: Layout) -> str:
    """Tell what the release holds, as in "6,705 clips, 11 labels, 2,261 groups"."""
    return ", ".join(
        f"{count:,} {'in ' if what in SPLITS else ''}{what}"
        for what, count in layout.expected.items()
    )


def _section(layout: Layout) -> str:
    doc = read_docstring(layout.read)
    paragraphs = [
        f"### {layout.name}",
        *(_in_one_line(text) for text in (doc.summary, doc.gives[1])),
    ]
    if doc.notes:
        paragraphs.append(_in_one_line(doc.notes))
    facts = {"Source": layout.source, "Licence": layout.licence, "Cite": layout.citation}
    told = "\n".join(f"- **{what}** {fact}" for what, fact in facts.items() if fact)
    return "\n\n".join(filter(None, [*paragraphs, told])) + "\n"


def _download_rows() -> Iterator[Sequence[str]]:
    for download in list_downloads():
        for remote in download.archives:
            yield (
                f"`{download.name}`",
                remote.name,
                f"{remote.size:,} bytes" if remote.size else "",
                f"`{remote.checksum}`",
            )


def _escape(text: str) -> str:
    """Keep Markdown from taking placeholders for tags, and asterisks for emphasis."""
    return text.replace("<", "\\<").replace("*", "\\*")


def _in_one_line(text: str) -> str:
    return FOOTNOTE.sub("", " ".join(text.split()))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    # A bar would end the cell.
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *lines, ""])
