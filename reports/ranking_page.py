"""One page about the features of a table: which matter, which say the same, which merely vary."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from reports.offline_page import embed_picture, render_page
from reports.ranking_pictures import MAX_FEATURES, make_ranking_pictures
from reports.ranking_words import describe_ranking, known_by_model, list_ranking_cautions
from reports.staging import check_replaceable, staged_directory

# Both must be there before an old page is replaced: an index.html alone may be anyone's.
_MARKERS = ("index.html", "ranking.csv")

_LEAVES = [name + end for name in ("permutation", "gain") for end in ("", "_low", "_high")]
_FEATURE_COLUMNS = ["feature", "rank", "family", "cluster", "representative", "variance", "cv",
                    "spread", "anova_f", "mutual_information", "roc_auc", "best_label",
                    *_LEAVES]  # fmt: skip
_FAMILY_COLUMNS = ["family", "features", "clusters", "best_feature", *_LEAVES]
_SCORES = ["log_loss", "chance_log_loss", "roc_auc", "folds", "rows", "labels"]


def create_ranking_page(
    features: pd.DataFrame,
    out_dir: str | Path,
    *,
    families: pd.DataFrame,
    label_gains: pd.DataFrame,
    correlation: pd.DataFrame,
    scores: Mapping[str, Any],
    title: str = "Feature ranking",
    progress: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Write a page about a feature ranking.

    Parameters
    ----------
    features : DataFrame
        One row a feature, the most important first; this and all others as
        `classical.ranking_table.FeatureRanking` describes them.
    out_dir : str or Path
        Gets ``index.html``, ``ranking.csv`` (one row a feature), ``scores.json``, ``figures/`` and
        ``tables/``, whole or not at all. An older page there is replaced.
    families, label_gains, correlation : DataFrame
        The other tables of the ranking.
    scores : mapping
        Scores of the model behind the ranking.
    title : str
        Heading.
    progress : callable, optional
        Called with a few words at each stage.

    Returns
    -------
    dict
        ``page`` (its path), ``figures`` (names), ``sentences`` (what was found, in words) and
        ``cautions``.

    Raises
    ------
    ValueError
        If there is no feature, or tables and scores lack what they must have; all at once.
    FileExistsError
        If something that is not such a page stands at ``out_dir``.
    """
    _check(features, families, label_gains, correlation, scores)
    check_replaceable(out_dir, markers=_MARKERS)
    tell = progress or (lambda words: None)
    sentences = describe_ranking(features, families, scores)
    cautions = list_ranking_cautions(features, scores)
    with staged_directory(out_dir, markers=_MARKERS) as staging:
        (staging / "figures").mkdir()
        pictures = []
        for picture in make_ranking_pictures(
            features, families=families, label_gains=label_gains, correlation=correlation,
            scores=scores,
        ):  # fmt: skip
            tell(f"drawing {picture.name}")
            pictures.append(embed_picture(picture, staging / "figures"))
        tell("writing the page")
        features.to_csv(staging / "ranking.csv", index=False, float_format="%.6g")
        (staging / "tables").mkdir()
        families.to_csv(staging / "tables" / "families.csv", index=False, float_format="%.6g")
        label_gains.to_csv(staging / "tables" / "label_gains.csv", float_format="%.6g")
        text = json.dumps(dict(scores), indent=2, allow_nan=False)
        (staging / "scores.json").write_text(text + "\n", encoding="utf-8")
        heads = features[features["representative"]]
        page = render_page(
            "ranking.html",
            title=title,
            sentences=sentences,
            cautions=cautions,
            scores=scores,
            known=known_by_model(scores),
            n_features=len(features),
            n_clusters=len(heads),
            n_sure=int((heads["permutation_low"] > 0).sum()),
            top=_records(features.head(MAX_FEATURES)),
            families=_records(families),
            pictures=pictures,
        )
        (staging / "index.html").write_text(page, encoding="utf-8")
    return {
        "page": str(Path(out_dir) / "index.html"),
        "figures": [picture["name"] for picture in pictures],
        "sentences": sentences,
        "cautions": cautions,
    }


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return rows of which what is not defined is None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _check(
    features: pd.DataFrame,
    families: pd.DataFrame,
    label_gains: pd.DataFrame,
    correlation: pd.DataFrame,
    scores: Mapping[str, Any],
) -> None:
    needed = (
        ("features", _FEATURE_COLUMNS, features),
        ("families", _FAMILY_COLUMNS, families),
        ("scores", _SCORES, scores),
    )
    found = []
    for what, names, given in needed:
        if lost := [name for name in names if name not in given]:
            found.append(f"{what} must have {', '.join(lost)}")
    if not len(features):
        found.append("a ranking page needs at least one feature, got none")
    elif "feature" in features and set(features["feature"]) - set(correlation.index):
        found.append("correlation must have a row and a column for every feature")
    if "family" in families and set(families["family"]) != set(label_gains.index):
        found.append("label_gains must have one row for every family")
    if found:
        raise ValueError("; ".join(found))
