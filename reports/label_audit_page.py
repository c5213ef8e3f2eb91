"""One page of clips whose labels are in doubt: listen, decide, and save what was decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.listening_sheet import Sample, check_page_size, label_colours, make_cards
from reports.offline_page import render_page, write_page

SEPARATOR = ";"
UNDEFINED = "\N{EN DASH}"
# Beside those given and suggested, the most probable labels of a clip.
MAX_OTHERS = 2
# Of markup for each label of the table.
_ROW_BYTES = 800
# Of markup for each clip beyond that of a listening sheet.
_MORE_BYTES = 5_000

_RATE_COLUMNS = ("label", "clips", "wrong", "wrong_share", "wrong_low", "wrong_high", "missing",
                 "missing_share", "missing_low", "missing_high", "missing_found",
                 "roc_auc")  # fmt: skip


@dataclass(frozen=True)
class Suspect:
    """A clip whose labels are in doubt.

    Parameters
    ----------
    sample : Sample
        Its sound, and its labels as given.
    suggested : sequence of str
        The labels it likely has.
    probabilities : mapping of str to float
        Of each label, from a model that never saw the clip.
    reason : str
        What speaks against the given labels.
    unknown_labels : sequence of str
        Labels that were never annotated for it.
    clip_ids : sequence of str
        Its clips in the manifest, if it has several windows; empty means the sample's own.
    """

    sample: Sample
    suggested: Sequence[str]
    probabilities: Mapping[str, float]
    reason: str
    unknown_labels: Sequence[str] = ()
    clip_ids: Sequence[str] = ()


def create_label_audit_page(
    suspects: Iterable[Suspect],
    out_path: str | Path,
    *,
    title: str,
    sentences: Sequence[str],
    rates: pd.DataFrame,
    n_suspects: int | None = None,
    effect: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a page of suspect clips with players, given and suggested labels.

    Parameters
    ----------
    suspects : iterable of Suspect
        The clips, the most suspect first.
    out_path : str or Path
        The page, one HTML file that opens offline; an older file is replaced.
    title : str
        Its heading.
    sentences : sequence of str
        What was found, the verdict first.
    rates : pd.DataFrame
        One row a label: ``label``, ``clips``, ``wrong``, ``missing``, their ``_share``, ``_low``
        and ``_high``, ``missing_found`` and ``roc_auc``.
    n_suspects : int or None
        How many there are in all; None means those on the page.
    effect : mapping or None
        What cleaning gains: ``metric``, ``given`` and ``cleaned`` (scores), ``gain`` ({"value",
        "low", "high"}) and ``sentences``; undefined numbers are None.
    notes : sequence of str
        What else a listener should know, such as clips that could not be read.

    Returns
    -------
    dict
        ``page`` (its path), ``clips``, ``bytes``, and ``cut`` (clips that lost their end so that
        the page stays below `reports.listening_sheet.MAX_PAGE_BYTES`).

    Raises
    ------
    ValueError
        If ``rates`` lacks a column, or for what `reports.listening_sheet.make_cards` refuses.
    IsADirectoryError
        If there is a directory at ``out_path``.
    """
    if missing := [name for name in _RATE_COLUMNS if name not in rates]:
        raise ValueError(f"rates must have the columns {list(_RATE_COLUMNS)}, missing {missing}")
    suspects = list(suspects)
    cards = _make_cards(suspects, more_bytes=_ROW_BYTES * len(rates)) if suspects else []
    page = render_page(
        "label_audit.html",
        title=title,
        sentences=sentences,
        notes=notes,
        cards=cards,
        classes=sorted(map(str, rates["label"])),
        rates=[_rate_row(row) for row in rates.to_dict("records")],
        n_suspects=len(suspects) if n_suspects is None else n_suspects,
        effect=None if effect is None else {**effect, "rows": _effect_rows(effect)},
        separator=SEPARATOR,
        has_unknown=any(suspect.unknown_labels for suspect in suspects),
        colours=label_colours(),
    )
    n_bytes = check_page_size(page, n_clips=len(suspects))
    path = write_page(page, out_path)
    cut = sum(card["played_s"] < card["seconds"] for card in cards)
    return {"page": str(path), "clips": len(cards), "bytes": n_bytes, "cut": cut}


def _make_cards(suspects: Sequence[Suspect], *, more_bytes: int) -> list[dict[str, Any]]:
    """Give the cards of a listening sheet, with what is in doubt."""
    shown = [
        Sample(
            suspect.sample.clip_id,
            [*suspect.sample.labels, *(set(suspect.suggested) - set(suspect.sample.labels))],
            suspect.sample.waveform,
            suspect.sample.sr,
            suspect.sample.events,
            suspect.sample.details,
        )
        for suspect in suspects
    ]
    cards = make_cards(shown, more_bytes=more_bytes + _MORE_BYTES * len(suspects))
    return [_card(card, suspect) for card, suspect in zip(cards, suspects, strict=True)]


def _card(card: dict[str, Any], suspect: Suspect) -> dict[str, Any]:
    colours = {label: colour for label, _, colour in card["labels"]}
    given, suggested = sorted(set(suspect.sample.labels)), sorted(set(suspect.suggested))
    ranked = sorted(suspect.probabilities, key=lambda label: -suspect.probabilities[label])
    others = [label for label in ranked if label not in colours][:MAX_OTHERS]
    bars = [
        {"label": label, "colour": colours.get(label), "width": float(np.clip(p, 0, 1) * 100),
         "text": f"{p:.2f}"}
        for label in sorted([*colours, *others], key=ranked.index)
        if (p := suspect.probabilities[label]) >= 0
    ]  # fmt: skip
    clip_ids = list(suspect.clip_ids) or [suspect.sample.clip_id]
    return {
        **card,
        "given": [(label, colours[label], label not in suggested) for label in given],
        "suggested": [(label, colours[label], label not in given) for label in suggested],
        "bars": bars,
        "reason": suspect.reason,
        "clips": len(clip_ids),
        "data": json.dumps(
            {
                "clip_ids": clip_ids,
                "given": SEPARATOR.join(given),
                "suggested": SEPARATOR.join(suggested),
                "unknown": sorted(set(suspect.unknown_labels)),
            }
        ),
    }


def _rate_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Give a label's rates as texts."""
    return {
        "label": str(row["label"]),
        "clips": f"{row['clips']:,}",
        "roc_auc": f"{row['roc_auc']:.3f}" if np.isfinite(row["roc_auc"]) else UNDEFINED,
        "noticed": _percent(row["missing_found"], digits=0),
        **{
            kind: {
                "count": f"{row[kind]:,}",
                "share": _percent(row[f"{kind}_share"], digits=1),
                "interval": f"{100 * row[f'{kind}_low']:.1f} to "
                f"{_percent(row[f'{kind}_high'], digits=1)}"
                if np.isfinite(row[f"{kind}_low"])
                else "",
            }
            for kind in ("wrong", "missing")
        },
    }


def _effect_rows(effect: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Give what a model was trained on, its score and the interval of the gain, as texts."""
    gain = effect["gain"]
    low, high = gain["low"], gain["high"]
    return [
        ("Labels as given", _score(effect["given"]), ""),
        ("Cleaned labels", _score(effect["cleaned"]), ""),
        ("Gain", _score(gain["value"], sign="+"),
         UNDEFINED if low is None or high is None else f"{low:+.3f} to {high:+.3f}"),
    ]  # fmt: skip


def _score(value: float | None, *, sign: str = "") -> str:
    return UNDEFINED if value is None else f"{value:{sign}.3f}"


def _percent(share: float, *, digits: int) -> str:
    return f"{100 * share:.{digits}f} %" if np.isfinite(share) else UNDEFINED
