"""Ready-made members, by name: what `--members svm,xgb,crnn` stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils import get_tags

from classical.extra_trees import OneVsRestExtraTreesClassifier
from classical.logistic import OneVsRestLogisticClassifier
from classical.svm import OneVsRestSVMClassifier
from ensemble.bundle import CLIP
from ensemble.column_encoder import ColumnEncoder
from ensemble.manifest_columns import COLUMNS
from ensemble.members import Member
from ensemble.tuning.settings import settle_member

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
    parameters : mapping of str to mapping
        Settings of classical members in place of the ready-made ones, by name: see
        `ensemble.tuning.settings`.
    categorical : sequence of str
        Which columns of the view `columns` hold categories.
    """

    feature_names: Sequence[str]
    n_samples: int
    random_state: int = 0
    minutes_per_network: float | None = None
    cache_dir: str | PathLike[str] | None = None
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    categorical: Sequence[str] = ()


def list_members() -> list[str]:
    """Give the names that `create_member` knows.

    Returns
    -------
    list of str
        Classical members, then the deep backbones.
    """
    from deep.backbones.registry import list_backbones

    return [*CLASSICAL, *list_backbones()]


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
    return name not in CLASSICAL


def create_member(name: str, settings: MemberSettings) -> Member:
    """Make a ready-made member.

    Parameters
    ----------
    name : str
        ``"svm"``, ``"xgb"``, ``"logistic"``, ``"extratrees"`` or a deep backbone.
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
    if name in CLASSICAL:
        ready_made = Member(name, CLASSICAL[name](settings), list(settings.feature_names))
        return settle_member(ready_made, settings.parameters.get(name, {}))
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


def create_members(
    wanted: Sequence[str | Member], views: Mapping[str, Sequence[str]], settings: MemberSettings
) -> list[Member]:
    """Make all members of an ensemble: a classical one for each view.

    Parameters
    ----------
    wanted : sequence of str or Member
        Ready-made members by name, or by name and view (``"svm@E"``); or your own, where one
        without columns takes those of all views but `columns`, which may hold texts, or the clip if
        its tags say that it takes no table of numbers.
    views : mapping of str to sequence of str
        View -> its columns; the first is the main one, whose members bear no view in their name.
    settings : MemberSettings
        Seed and budget.

    Returns
    -------
    list of Member
        Unfitted.

    Raises
    ------
    ValueError
        If a name or a view is unknown.
    """
    main = next(iter(views))
    made = []
    for each in wanted:
        if not isinstance(each, str):
            made.append(_with_columns(Member(*each), views))
            continue
        kind, _, view = each.partition("@")
        if is_deep(kind) and not view:
            made.append(create_member(kind, settings))
            continue
        if view and (view not in views or is_deep(kind)):
            known = ", ".join(f"svm@{name}" for name in views)
            raise ValueError(f"a classical member may look at one view, as {known}; got {each!r}")
        for name in [view] if view else views:
            member = create_member(kind, replace(settings, feature_names=views[name]))
            if name == COLUMNS:
                member = _with_encoder(member, settings)
            made.append(member._replace(name=kind if name == main else f"{kind}@{name}"))
    return made


def _with_columns(member: Member, views: Mapping[str, Sequence[str]]) -> Member:
    if member.columns is not None:
        return member
    takes_numbers = get_tags(member.estimator).input_tags.two_d_array
    every = [column for name, columns in views.items() if name != COLUMNS for column in columns]
    return member._replace(columns=every if takes_numbers else [CLIP])


def _with_encoder(member: Member, settings: MemberSettings) -> Member:
    """Put what encodes columns of the manifest before a classifier, in place of its scaling."""
    estimator = member.estimator
    classifier = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if "gamma_factor" not in settings.parameters.get(member.name, {}) and isinstance(
        classifier, OneVsRestSVMClassifier
    ):
        # Categories become more features than there are columns, and how many each fold knows best.
        classifier.set_params(gamma="scale")
    categorical = [name for name in member.columns or () if name in set(settings.categorical)]
    return member._replace(estimator=make_pipeline(ColumnEncoder(categorical), classifier))


def _create_svm(settings: MemberSettings) -> Any:
    """Make an SVM on ranks.

    Statistics of sound have long tails (a kurtosis may be 3 or 3,000), which standardising keeps
    and which rule an RBF kernel's distances. Ranks have none: on the Philharmonia notes macro F1
    rises from 0.933 to 0.963. They vary by 1/12, so that this gamma is half of what "scale" gives.
    """
    gamma = 6.0 / len(settings.feature_names)
    svm = OneVsRestSVMClassifier(gamma=gamma, random_state=settings.random_state)
    return make_pipeline(_create_ranks(settings), svm)


def _create_ranks(settings: MemberSettings, **shape: str) -> QuantileTransformer:
    return QuantileTransformer(
        n_quantiles=max(2, min(MAX_QUANTILES, settings.n_samples // 2)),
        random_state=settings.random_state,
        **shape,
    )


def _create_xgb(settings: MemberSettings) -> Any:
    from classical.boosting import OneVsRestXGBClassifier

    return OneVsRestXGBClassifier(random_state=settings.random_state)


def _create_logistic(settings: MemberSettings) -> Any:
    """Make a logistic regression on ranks that are spread like a normal distribution's.

    Two of five folds of the Philharmonia notes give macro F1 0.969, even ranks 0.967; ten times
    the C gives 0.973 for twice the time.
    """
    ranks = _create_ranks(settings, output_distribution="normal")
    regression = OneVsRestLogisticClassifier(C=0.1, random_state=settings.random_state)
    return make_pipeline(ranks, regression)


def _create_extra_trees(settings: MemberSettings) -> Any:
    """Make extra trees that look at more features a split than the square root of their number.

    Five folds of the Philharmonia notes give macro F1 0.932 and 0.933 (two seeds), the square root
    0.924 and 0.923 in two thirds of the time; a share of 0.3 gives 0.937 twice, for twice the time.
    """
    return OneVsRestExtraTreesClassifier(max_features=0.1, random_state=settings.random_state)


CLASSICAL: dict[str, Callable[[MemberSettings], Any]] = {
    "svm": _create_svm,
    "xgb": _create_xgb,
    "logistic": _create_logistic,
    "extratrees": _create_extra_trees,
}
