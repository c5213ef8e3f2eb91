"""Which clips a network of a run was trained on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from deep.runs.folder import CARD, CLIPS, NETWORK, read_card


def list_seen_clips(run: Path, name: str) -> list[str] | None:
    """Name the clips that a network of a run was trained on.

    Parameters
    ----------
    run : Path
        The run's folder.
    name : str
        Of the network's folder in it.

    Returns
    -------
    list of str or None
        Names; None where nothing is known of them.
    """
    try:
        said = json.loads((run / name / CARD).read_text(encoding="utf-8")).get("clip_ids")
    except (OSError, ValueError):
        said = None
    if said is not None:
        return list(said)
    # Networks of earlier versions do not say themselves.
    known = name == NETWORK or re.fullmatch(r"fold_\d+", name)
    if not known or read_card(run) is None or not (run / CLIPS).is_file():
        return None
    clips = pd.read_csv(run / CLIPS, dtype={"clip_id": str}, keep_default_na=False)
    learned = np.ones(len(clips), dtype=bool)
    if name != NETWORK:
        learned = np.asarray(clips["fold"] != int(name.removeprefix("fold_")))
    return list(clips.loc[learned, "clip_id"])
