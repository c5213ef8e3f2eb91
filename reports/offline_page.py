"""Pages that open offline: one HTML file each, all with the same look, nothing loaded from outside.

Conventions: templates lie in ``templates/``, all text in them is escaped. Names of clips and labels
come from strangers' files, so nothing of them may be read as markup.
"""

from __future__ import annotations

import base64
import re
import uuid
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reports.pictures import Picture


def render_page(template: str, **content: Any) -> str:
    """Fill a template.

    Parameters
    ----------
    template : str
        Its file name.
    **content : object
        What it names.

    Returns
    -------
    str
        The page.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(breakable=_breakable)
    return environment.get_template(template).render(**content)


def embed_picture(picture: Picture, directory: Path) -> dict[str, str]:
    """Write a picture as PNG and SVG, and give it as a page shows it.

    Parameters
    ----------
    picture : Picture
        Figure and words.
    directory : Path
        Where its files go; it must be there.

    Returns
    -------
    dict
        ``section``, ``name``, ``title``, ``caption`` and ``image`` (a data URI).
    """
    from reports.plots.style import save_figure

    save_figure(picture.figure, directory, picture.name)
    # As an image, not inline: no clash of ids between figures, and nothing in one can run.
    return {
        "section": picture.section,
        "name": picture.name,
        "title": picture.title,
        "caption": picture.caption,
        "image": data_uri((directory / f"{picture.name}.svg").read_bytes(), "image/svg+xml"),
    }


def data_uri(content: bytes, kind: str) -> str:
    """Give a file as a link that holds it.

    Parameters
    ----------
    content : bytes
        The file.
    kind : str
        Its media type, such as ``"image/png"``.

    Returns
    -------
    str
        The link; a third longer than the file.
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def write_page(page: str, path: str | Path) -> Path:
    """Write a page that stands alone, whole or not at all.

    Parameters
    ----------
    page : str
        HTML.
    path : str or Path
        Where to; folders are made, an older file is replaced.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    IsADirectoryError
        If there is a directory at ``path``.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} must be a file to write, it is a directory; name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _breakable(text: object) -> Markup:
    """Return a long path or name that may wrap after its separators."""
    return Markup("<wbr>").join(re.split(r"(?<=[/_-])", str(text)))
