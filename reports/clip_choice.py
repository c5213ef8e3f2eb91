"""Which clips to listen to: few of them, yet every label and every number of voices."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

SEPARATOR = ";"
MAX_NAMED = 10


def choose_samples(manifest_table: pd.DataFrame, *, n: int = 24, seed: int = 0) -> pd.DataFrame:
    """Choose clips so that every label and every number of voices occurs, as evenly as can be.

    Parameters
    ----------
    manifest_table : pd.DataFrame
        One row per clip; ``labels`` are separated by ``;``. The number of voices of a clip is that
        of its labels.
    n : int
        How many clips; all of them if there are fewer.
    seed : int
        Of the draw among clips that would serve as well.

    Returns
    -------
    pd.DataFrame
        The chosen rows with their index, by number of voices, then labels.

    Raises
    ------
    ValueError
        If `n` is below 1, or there is no ``labels`` column.

    Warns
    -----
    UserWarning
        If `n` clips cannot show all labels and numbers of voices; those missing are named.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    if "labels" not in manifest_table:
        found = ", ".join(map(str, manifest_table.columns)) or "none"
        raise ValueError(f"a 'labels' column is required, found columns: {found}")
    cells = manifest_table["labels"].fillna("").astype(str)
    sets = [sorted({part.strip() for part in cell.split(SEPARATOR)} - {""}) for cell in cells]
    classes = sorted(set().union(*sets))
    chosen = _choose(_presence(sets, classes), n, np.random.default_rng(seed))
    shown = set().union(*(sets[row] for row in chosen))
    voices = {len(sets[row]) for row in chosen}
    missing = [label for label in classes if label not in shown]
    missing += [f"{count} voices" for count in sorted({len(row) for row in sets} - voices)]
    if missing:
        more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
        warnings.warn(
            f"{n} clips cannot show all labels and numbers of voices; missing are "
            f"{', '.join(missing[:MAX_NAMED])}{more}; choose more clips",
            stacklevel=2,
        )
    ranked = sorted(chosen, key=lambda row: (len(sets[row]), sets[row], row))
    return manifest_table.iloc[ranked]


def _presence(sets: Sequence[Sequence[str]], classes: Sequence[str]) -> csr_array:
    position = {label: column for column, label in enumerate(classes)}
    columns = [position[label] for labels in sets for label in labels]
    ends = np.cumsum([0, *map(len, sets)])
    ones = np.ones(len(columns))
    return csr_array((ones, columns, ends), shape=(len(sets), len(classes)))


def _choose(presence: csr_array, n: int, rng: np.random.Generator) -> list[int]:
    n_samples, n_labels = presence.shape
    voices = np.diff(presence.indptr)
    labels_shown, voices_shown = np.zeros(n_labels), np.zeros(voices.max(initial=0) + 1)
    free = np.ones(n_samples, dtype=bool)
    order = rng.permutation(n_samples)
    chosen: list[int] = []
    for _ in range(min(n, n_samples)):
        worth = presence @ (labels_shown == 0) + (voices_shown[voices] == 0)
        if not worth[free].any():
            # All has been shown: now the number of voices shown least, then the labels.
            most = labels_shown.max(initial=0)
            mean = presence @ labels_shown / np.maximum(voices, 1)
            mean[voices == 0] = most
            worth = -voices_shown[voices] - mean / (1 + most)
        worth = np.where(free, worth, -np.inf)
        best = int(order[np.argmax(worth[order])])
        free[best] = False
        chosen.append(best)
        labels_shown += presence[[best]].toarray()[0]
        voices_shown[voices[best]] += 1
    return chosen
