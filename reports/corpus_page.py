"""One page about one corpus or several side by side: what they hold, in numbers and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.corpus_facts import corpus_facts, describe_corpora, list_corpus_cautions, time_words
from reports.corpus_pictures import make_corpus_pictures, rank_labels
from reports.corpus_tables import (
    corpora_table,
    findings_table,
    histograms_table,
    labels_table,
    parts_table,
    together_table,
)
from reports.offline_page import embed_picture, render_page
from reports.staging import check_replaceable, staged_directory

# Both must be there before an old page is replaced: an index.html alone may be anyone's.
_MARKERS = ("index.html", "statistics.json")

_NEEDED = ("clips", "parents", "groups", "groups_given", "labels_given", "task", "labels",
           "per_label", "labels_per_clip", "unlabelled", "partly_unknown", "unknown_cells",
           "together", "splits", "folds", "durations", "scanned", "sample_rates", "channels",
           "codecs")  # fmt: skip
_PROBLEM_COLUMNS = ("finding", "check", "severity", "clip_id", "message")
# People read the first few; all are in the table beside the page.
MAX_FINDINGS = 40


def create_corpus_page(
    statistics: Mapping[str, dict[str, Any]],
    out_dir: str | Path,
    *,
    title: str | None = None,
    problems: Mapping[str, pd.DataFrame] | None = None,
    progress: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Write a page about one corpus or several side by side.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        As `features.statistics.CorpusStatistics.as_dict` gives them, in the order of the page.
    out_dir : str or Path
        Gets ``index.html``, ``statistics.json``, ``figures/`` and ``tables/``, whole or not at
        all. An older page there is replaced.
    title : str, optional
        Heading; by default the names of the corpora.
    problems : mapping of corpus to DataFrame, optional
        What a check found in each: one row for each clip of each finding, with the columns
        ``finding``, ``check``, ``severity``, ``clip_id`` and ``message``. A corpus that was checked
        and has no problem has a table without rows.
    progress : callable, optional
        Called with a few words at each stage.

    Returns
    -------
    dict
        ``page`` (its path), ``figures`` (names), ``sentence`` (the corpora in words) and
        ``cautions``.

    Raises
    ------
    ValueError
        If there is no corpus, or statistics or problems lack what they must have; all at once.
    FileExistsError
        If something that is not such a page stands at ``out_dir``.
    """
    problems = problems or {}
    _check(statistics, problems)
    check_replaceable(out_dir, markers=_MARKERS)
    tell = progress or (lambda words: None)
    sentence, cautions = describe_corpora(statistics), list_corpus_cautions(statistics)
    with staged_directory(out_dir, markers=_MARKERS) as staging:
        (staging / "figures").mkdir()
        pictures = []
        for picture in make_corpus_pictures(statistics):
            tell(f"drawing {picture.name}")
            pictures.append(embed_picture(picture, staging / "figures"))
        tell("writing the page")
        _write_tables(staging / "tables", statistics, problems)
        text = json.dumps(dict(statistics), indent=2, ensure_ascii=False, allow_nan=False)
        (staging / "statistics.json").write_text(text + "\n", encoding="utf-8")
        page = render_page(
            "corpus.html",
            title=title or " and ".join(statistics),
            sentence=sentence,
            cautions=cautions,
            statistics=statistics,
            facts=corpus_facts(statistics),
            labels=rank_labels(statistics),
            pictures=pictures,
            findings={
                name: findings_table(table).to_dict("records") for name, table in problems.items()
            },
            most_findings=MAX_FINDINGS,
            time_words=time_words,
        )
        (staging / "index.html").write_text(page, encoding="utf-8")
    return {
        "page": str(Path(out_dir) / "index.html"),
        "figures": [picture["name"] for picture in pictures],
        "sentence": sentence,
        "cautions": cautions,
    }


def _check(
    statistics: Mapping[str, Mapping[str, Any]], problems: Mapping[str, pd.DataFrame]
) -> None:
    if not statistics:
        raise ValueError("a corpus page needs the statistics of at least one corpus, got none")
    found = []
    for name, numbers in statistics.items():
        found += _missing(f"statistics of {name!r}", _NEEDED, numbers)
    for name, table in problems.items():
        found += _missing(f"problems of {name!r}", _PROBLEM_COLUMNS, table)
        if name not in statistics:
            found.append(f"problems are given of {name!r}, statistics only of {list(statistics)}")
    if found:
        raise ValueError("; ".join(found))


def _missing(
    what: str, needed: Sequence[str], given: Mapping[str, Any] | pd.DataFrame
) -> list[str]:
    lost = [key for key in needed if key not in given]
    return [f"{what} must have {', '.join(lost)}"] if lost else []


def _write_tables(
    directory: Path,
    statistics: Mapping[str, Mapping[str, Any]],
    problems: Mapping[str, pd.DataFrame],
) -> None:
    directory.mkdir()
    tables = {
        "corpora": corpora_table(statistics),
        "labels": labels_table(statistics),
        "parts": parts_table(statistics),
        "histograms": histograms_table(statistics),
        "together": together_table(statistics),
    }
    if problems:
        tables["problems"] = pd.concat(
            [table.assign(corpus=name) for name, table in problems.items()]
        )[["corpus", *_PROBLEM_COLUMNS]]
    for name, table in tables.items():
        table.to_csv(directory / f"{name}.csv", index=False, float_format="%.6g")
