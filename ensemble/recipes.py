"""Ready-made members, by name: what `--members svm,xgb,crnn` stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classical.svm import OneVsRestSVMClassifier
from ensemble.bundle import CLIP
from ensemble.members import Member

DEFAULT_MEMBERS = ("svm", "xgb", "crnn")


@dataclass(frozen=True)
class MemberSettings:
    """What members are made with.

    Parameters
    ----------
    feature_names : sequence of str
        Columns of the classical members.
    random_state : int
        Seed of all members.
    minutes_per_network : float or None
        Ceiling on the training of one network.
    cache_dir : str, path-like or None
        Where deep members keep decoded clips, so that folds decode them once.
    """

    feature_names: Sequence[str]
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
        svm = OneVsRestSVMClassifier(random_state=settings.random_state)
        return Member(name, make_pipeline(StandardScaler(), svm), list(settings.feature_names))
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
