"""One page about a search: what it found, how far that can be believed, and what mattered.

Conventions: a search is JSON-able data: ``metric``, ``metric_words``, ``task``, ``seed``,
``counts``, ``findings`` and ``cautions`` (sentences), ``parts`` and ``nested``. A part (a member,
or ``"stack"``) has ``settings`` ({setting: {"kind", "reason", "low", "high", "log", "choices"}}),
``trials`` ([{"turn", "state", "value", "fold_scores", "seconds", "parameters"}], state "complete"
or "pruned"), ``best`` (one of them), ``ready_made`` ({"value", "fold_scores", "parameters"}) and
``importances`` ({setting: share} or null). ``nested`` is null, or ``trials``, ``inner_folds`` and
``parts`` ({name: {"tuned", "ready_made", "gain", "fold_scores"}}, the first three as ``{"value",
"low", "high"}``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reports.offline_page import embed_picture, render_page
from reports.pictures import Picture
from reports.staging import check_replaceable, staged_directory

# Both must be there before an old page is replaced: an index.html alone may be anyone's.
_MARKERS = ("index.html", "tuning.json")

_NEEDED = ("metric", "metric_words", "task", "seed", "counts", "findings", "cautions", "parts",
           "nested")  # fmt: skip
_PART_NEEDED = ("settings", "trials", "best", "ready_made", "importances")

# A line through fewer trials than this shows nothing.
_TRIALS_FOR_PARALLEL = 3


def create_tuning_page(
    tuning: Mapping[str, Any],
    out_dir: str | Path,
    *,
    title: str = "Tuning",
    progress: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Write a page about a search.

    Parameters
    ----------
    tuning : mapping
        As described above; `ensemble.tuning.search.Tuning.as_dict` gives it.
    out_dir : str or Path
        Gets ``index.html``, ``tuning.json`` and ``figures/``, whole or not at all. An older page
        there is replaced.
    title : str
        Heading.
    progress : callable, optional
        Called with a few words at each stage.

    Returns
    -------
    dict
        ``page`` (its path) and ``figures`` (names).

    Raises
    ------
    ValueError
        If the search lacks what it must have; all at once.
    FileExistsError
        If something that is not such a page stands at ``out_dir``.
    """
    _check(tuning)
    check_replaceable(out_dir, markers=_MARKERS)
    tell = progress or (lambda words: None)
    with staged_directory(out_dir, markers=_MARKERS) as staging:
        (staging / "figures").mkdir()
        pictures = []
        for picture in _pictures(tuning):
            tell(f"drawing {picture.name}")
            pictures.append(embed_picture(picture, staging / "figures"))
        tell("writing the page")
        text = json.dumps(dict(tuning), indent=2, ensure_ascii=False, allow_nan=False)
        (staging / "tuning.json").write_text(text + "\n", encoding="utf-8")
        page = render_page(
            "tuning.html", title=title, tuning=tuning, pictures=pictures, value_words=_value_words
        )
        (staging / "index.html").write_text(page, encoding="utf-8")
    return {
        "page": str(Path(out_dir) / "index.html"),
        "figures": [picture["name"] for picture in pictures],
    }


def _check(tuning: Mapping[str, Any]) -> None:
    problems = [f"the search must have {key!r}" for key in _NEEDED if key not in tuning]
    parts = tuning.get("parts", {})
    if not parts:
        problems.append("the search must have at least one part")
    for name, part in parts.items():
        problems += [f"{name!r} must have {key!r}" for key in _PART_NEEDED if key not in part]
        if not any(trial["state"] == "complete" for trial in part.get("trials", [])):
            problems.append(f"{name!r} must have a complete trial")
    if problems:
        raise ValueError("; ".join(problems))


def _value_words(value: Any) -> str:
    """Write a setting's value for people."""
    if value is None:
        return "none"
    return f"{float(f'{value:.3g}'):g}" if isinstance(value, float) else str(value)


def _pictures(tuning: Mapping[str, Any]) -> Iterator[Picture]:
    from reports.plots.tuning import plot_history, plot_importances, plot_nested
    from reports.plots.tuning_settings import plot_parallel, plot_slices

    words, parts = tuning["metric_words"], tuning["parts"]
    axis = words[:1].upper() + words[1:]
    if tuning["nested"]:
        yield Picture(
            "nested",
            "nested",
            "What the best trial promises, and what the search is worth",
            "The best trial is chosen by the very score that is shown. The nested score comes from "
            "clips that took no part in the choice; lines are 95 % intervals by group, where there "
            "are enough groups.",
            plot_nested(parts, tuning["nested"]["parts"], metric=axis),
        )
    yield Picture(
        "history",
        "history",
        "The course of the search",
        f"{axis} of each trial, out of fold; a circle marks the best. What lies on the floor, "
        "as a triangle or a cross, belongs lower than the picture goes.",
        plot_history(parts, metric=axis),
    )
    weighed = {name: part for name, part in parts.items() if part["importances"]}
    # A single setting has all of the importance by definition.
    weighed = {name: part for name, part in weighed.items() if len(part["importances"]) > 1}
    if weighed:
        yield Picture(
            "importances",
            "importances",
            "Which settings matter",
            "Functional analysis of variance over the completed trials: how much of the variance "
            "of their scores each setting explains within the searched ranges. With some dozens "
            "of trials these shares are rough; a part of too few has none.",
            plot_importances(weighed),
        )
    for number, (name, part) in enumerate(parts.items(), start=1):
        yield Picture(
            "settings",
            f"slices_{number}",
            f"Each setting of {name} alone",
            f"{axis} of the completed trials; later trials are darker, the circle is the best, the "
            "dashed line the ready-made setting.",
            plot_slices(part, metric=axis),
        )
        n_complete = sum(trial["state"] == "complete" for trial in part["trials"])
        if len(part["settings"]) > 1 and n_complete >= _TRIALS_FOR_PARALLEL:
            yield Picture(
                "settings",
                f"parallel_{number}",
                f"All settings of {name} together",
                "One line a completed trial, darker for a higher score; the thick one is the best, "
                "the dashed one are the ready-made settings.",
                plot_parallel(part, metric=axis),
            )
