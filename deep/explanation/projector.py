"""Embeddings as the TensorBoard projector reads them.

A folder with ``tensors.tsv`` (a row of numbers for each clip, no header), ``metadata.tsv`` (its
texts; a header where there are two columns or more, since the projector takes a file of one for
bare labels) and ``projector_config.pbtxt``, which names both. ``tensorboard --logdir FOLDER`` shows
it; https://projector.tensorflow.org takes the two TSV files by its button "Load".

References
----------
How files are read: github.com/tensorflow/tensorboard, tensorboard/plugins/projector,
``projector_plugin.py`` and ``vz_projector/data-provider.ts``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from features.manifest import Manifest
from features.replacing import replacing

TENSORS, METADATA, CONFIG = "tensors.tsv", "metadata.tsv", "projector_config.pbtxt"
_CONFIG_TEXT = f"""embeddings {{
  tensor_name: "embeddings"
  tensor_path: "{TENSORS}"
  metadata_path: "{METADATA}"
}}
"""
# The projector skips a row without any text, and all texts after it would belong to other points.
_NOTHING = "-"


def write_projector(
    directory: str | PathLike[str], embeddings: np.ndarray, metadata: pd.DataFrame
) -> Path:
    """Write embeddings and what is known of them for the TensorBoard projector.

    Parameters
    ----------
    directory : path-like
        Made if it is not there; files of the same names are replaced.
    embeddings : np.ndarray of shape (n_samples, embedding_size)
        At least one row, at least two values each.
    metadata : pd.DataFrame of shape (n_samples, n_columns)
        Texts and numbers to colour and label points by, such as ``clip_id`` and ``labels``; tabs,
        line breaks and what cannot be shown become single spaces.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If embeddings are not finite, of another shape, or more or fewer than rows of metadata, or
        columns have no names of their own; all at once.
    """
    embeddings = np.asarray(embeddings)
    names = [_harmless(name) for name in metadata.columns]
    _check(embeddings, metadata, names)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    rows = metadata.astype(object).where(metadata.notna(), "").to_numpy()
    lines = ["\t".join(names)] if len(names) > 1 else []
    lines += [_line([_harmless(value) for value in row]) for row in rows]
    with replacing(directory / TENSORS) as partial:
        # Nine digits give every float32 back.
        np.savetxt(partial, embeddings.astype(np.float32), fmt="%.9g", delimiter="\t")
    with replacing(directory / METADATA) as partial:
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    # Last, since it is by this file that the others are found.
    with replacing(directory / CONFIG) as partial:
        partial.write_text(_CONFIG_TEXT, encoding="utf-8", newline="\n")
    return directory


def describe_clips(manifest: Manifest, clip_ids: Sequence[str]) -> pd.DataFrame:
    """Give what a manifest tells of clips, to label and colour points by.

    Parameters
    ----------
    manifest : Manifest
        The clip table.
    clip_ids : sequence of str
        Which clips, in the order of their embeddings.

    Returns
    -------
    pd.DataFrame of shape (n_samples, n_columns)
        ``clip_id`` first; without paths, checksums, and columns that say nothing more of any of
        these clips.
    """
    rows = manifest.clips.set_index("clip_id").loc[list(clip_ids)]
    rows = rows.drop(columns=["path", "sha256"])
    says = [name for name in rows.columns if _tells(rows[name])]
    return rows[says].reset_index()


def _tells(column: pd.Series) -> bool:
    """Whether a column says more of some clip than its name, which is the index."""
    # A fold of -1 is none; most clips are their own parents.
    nothing = column.isna() | column.isin(["", -1]) | (column == column.index)
    return not nothing.all()


def _check(embeddings: np.ndarray, metadata: pd.DataFrame, names: list[str]) -> None:
    problems = []
    if embeddings.ndim != 2 or not len(embeddings) or embeddings.shape[1] < 2:
        problems.append(
            "embeddings must have at least one row of at least two values, got shape "
            f"{embeddings.shape}"
        )
    if not np.isfinite(embeddings).all():
        problems.append(f"embeddings must be finite, {_count_broken(embeddings)} values are not")
    if len(metadata) != len(embeddings):
        problems.append(
            f"metadata must have a row for each of {len(embeddings)} embeddings, got "
            f"{len(metadata)}"
        )
    if not names or len(set(names)) < len(names) or not all(names):
        problems.append(f"metadata must have columns of different names, got {names}")
    if problems:
        raise ValueError("\n".join(problems))


def _count_broken(embeddings: np.ndarray) -> int:
    return int((~np.isfinite(embeddings)).sum())


def _harmless(value: object) -> str:
    """Give a value as text of one line without tabs."""
    shown = "".join(sign if sign.isprintable() else " " for sign in str(value))
    return re.sub(r"\s+", " ", shown).strip()


def _line(values: list[str]) -> str:
    return "\t".join(values) if any(values) else "\t".join([_NOTHING, *values[1:]])
