"""Ready-made members, by name: what `--members svm,xgb,crnn` stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from classical.svm import OneVsRestSVMClassifier
from ensemble.bundle import CLIP
from ensemble.members import Member

DEFAULT_MEMBERS = ("svm", "xgb", "crnn")

# Enough steps for a rank; more only copy the training rows into the bundle.
MAX_QUANTILES = 200


@dataclass(frozen=True)
class MemberSettings:
    """What members are made with.

    Parameters
    ----------
    feature_names : sequence of str
        Columns of the classical members.
    n_samples : int
        Number of training rows.
    random_state : int
        Seed of all members.
    minutes_per_network : float or None
        Ceiling on the training of one network.
    cache_dir : str, path-like or None
        Where deep members keep decoded clips, so that folds decode them once.
    """

    feature_names: Sequence[str]
    n_samples: int
    random_state: int = 0
    minutes_per_network: float | None = None
    cache_dir: str | PathLike[str] | None = None


def list_members() -> list[str]:
    """Give the names that `create_member` knows.

    Returns
    -------
    list of str
        Classical members, then the deep backbones.
    """
    from deep.backbones.registry import list_backbones

    return ["svm", "xgb", *list_backbones()]


def is_deep(name: str) -> bool:
    """Whether a ready-made member is a network that listens to the clip itself.

    Parameters
    ----------
    name : str
        A name from `list_members`.

    Returns
    -------
    bool
        True for backbones.
    """
    return name not in ("svm", "xgb")


def create_member(name: str, settings: MemberSettings) -> Member:
    """Make a ready-made member.

    Parameters
    ----------
    name : str
        ``"svm"``, ``"xgb"`` or a deep backbone.
    settings : MemberSettings
        Columns, seed and budget.

    Returns
    -------
    Member
        Unfitted.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    estimator: Any
    if name == "svm":
        return Member(name, _create_svm(settings), list(settings.feature_names))
    if name == "xgb":
        from classical.boosting import OneVsRestXGBClassifier

        estimator = OneVsRestXGBClassifier(random_state=settings.random_state)
        return Member(name, estimator, list(settings.feature_names))
    if name not in list_members():
        raise ValueError(f"a member must be one of {', '.join(list_members())}, got {name!r}")
    from deep.classifier import AudioBackboneClassifier

    estimator = AudioBackboneClassifier(
        name,
        minutes=settings.minutes_per_network,
        cache_dir=settings.cache_dir,
        random_state=settings.random_state,
    )
    return Member(name, estimator, [CLIP])


def _create_svm(settings: MemberSettings) -> Any:
    """Make an SVM on ranks.

    Statistics of sound have long tails (a kurtosis may be 3 or 3,000), which standardising keeps
    and which rule an RBF kernel's distances. Ranks have none: on the Philharmonia notes macro F1
    rises from 0.933 to 0.963. They vary by 1/12, so that this gamma is half of what "scale" gives.
    """
    ranks = QuantileTransformer(
        n_quantiles=max(2, min(MAX_QUANTILES, settings.n_samples // 2)),
        random_state=settings.random_state,
    )
    gamma = 6.0 / len(settings.feature_names)
    return make_pipeline(
        ranks, OneVsRestSVMClassifier(gamma=gamma, random_state=settings.random_state)
    )
