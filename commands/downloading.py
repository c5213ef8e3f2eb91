"""Commands about published corpora: which there are, how to get them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from commands.console import out, progress_bar, say
from commands.options import AsJson
from commands.places import check_place


def layouts(
    as_json: AsJson = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/corpora.md instead.")
    ] = False,
) -> None:
    """List the layouts that manifest reads, in the order in which they are looked for.

    Example: python cli.py layouts
    """
    from features.corpora.layouts import list_layouts

    if markdown:
        from features.corpora.page import render_corpora_page

        out.out(render_corpora_page(), end="")
        return
    if as_json:
        known = [
            {
                "name": layout.name,
                "summary": layout.summary,
                "source": layout.source,
                "licence": layout.licence,
                "citation": layout.citation,
                "expected": dict(layout.expected),
            }
            for layout in list_layouts()
        ]
        out.out(json.dumps(known, indent=2))
        return
    table = Table(
        Column("layout", no_wrap=True),
        "what lies there",
        Column("clips", justify="right"),
        box=None,
    )
    for layout in list_layouts():
        clips = layout.expected.get("clips")
        table.add_row(layout.name, layout.summary, f"{clips:,}" if clips else "")
    out.print(table)


def download(
    name: Annotated[str | None, typer.Argument(help="A corpus; left out: those there are.")] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder that gets a folder of its name.")
    ] = Path(),
    only: Annotated[
        str | None, typer.Option(help="Archives to take, comma-separated; left out: all.")
    ] = None,
) -> None:
    """Fetch a corpus from its publisher; cut off, run again, it goes on where it was.

    Example: python cli.py download irmas -o corpora/
    """
    from features.corpora.downloading import download_corpus, list_downloads

    if name is None:
        table = Table(
            "corpus", "licence", Column("MB", justify="right"), Column("archives"), box=None
        )
        for each in list_downloads():
            size = f"{each.size / 1e6:,.0f}" if each.size else "-"
            table.add_row(
                each.name, each.licence, size, ", ".join(part.name for part in each.archives)
            )
        out.print(table)
        return
    check_place(output / name)
    with progress_bar(f"download {name}", "MB") as progress:

        def report(archive: str, done: int, total: int | None) -> None:
            # Where the size is not known, what has come stands for it.
            progress(done // 10**6, max((total or done) // 10**6, 1), archive)

        chosen = only.split(",") if only else None
        folder = download_corpus(name, output, progress=report, only=chosen)
    say(f"{name}: {folder}")
