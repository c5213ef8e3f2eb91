"""Settings of members and stack: found by a search, kept in a file, put into estimators.

Conventions: a settings file is YAML with ``schema_version`` (1), ``members`` (member -> parameter
-> value), ``stack`` (parameter -> value) and ``origin`` (where it comes from, for people); a recipe
has also ``about``, ``source``, ``protocol``, ``expected`` and ``ours``, for people only. Its
parameters are those of `ensemble.tuning.spaces`; their values may lie outside the searched ranges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from ensemble.members import Member
from ensemble.tuning.spaces import SPACES, STACK, setting_problem, space_of
from features.naming import did_you_mean
from features.replacing import replacing

SCHEMA_VERSION = 1

# What a recipe says besides.
FOR_PEOPLE = ("about", "source", "protocol", "expected", "ours")

# Variance of a feature after each scaling: ranks are uniform between 0 and 1.
_VARIANCES = {"ranks": 1 / 12, "normal": 1.0, "standard": 1.0}

_HEADING = (
    "# Settings that a search chose. To use them:\n"
    "# python cli.py fit-ensemble X.parquet -o bundle/ --settings best.yaml\n"
)


@dataclass(frozen=True)
class MemberParameters:
    """Parameters of members and of the stack that differ from the ready-made ones.

    Parameters
    ----------
    members : mapping of str to mapping
        Member -> parameter -> value.
    stack : mapping of str to object
        Parameter of the final estimator -> value.
    origin : mapping of str to object
        Where they come from; nothing depends on it.
    """

    members: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stack: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)


def read_member_settings(path: str | PathLike[str]) -> MemberParameters:
    """Read a settings file.

    Parameters
    ----------
    path : str or path-like
        YAML, as `write_member_settings` writes it or as written by hand.

    Returns
    -------
    MemberParameters
        Checked.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no YAML, of a later schema, or holds what is not to be set; all problems at once.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    content = _parse(path)
    if not isinstance(content, Mapping):
        raise ValueError(
            f"{path} must be a mapping with 'members' or 'stack', got {type(content).__name__}"
        )
    if problems := list(_problems(content)):
        raise ValueError(f"{path}: {'; '.join(problems)}")
    return MemberParameters(
        {name: dict(given) for name, given in content.get("members", {}).items()},
        dict(content.get("stack", {})),
        dict(content.get("origin", {})),
    )


def _parse(path: Path) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that is there twice, of which YAML would keep the last."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            keys = [key.value for key, _ in node.value]
            if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
                raise ValueError(f"{path}: there twice: {', '.join(twice)}")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ValueError(f"{path} is not YAML: {' '.join(str(exc).split())}") from exc


def _problems(content: Mapping[Any, Any]) -> Iterator[str]:
    version = content.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        yield f"schema_version must be a whole number from 1, got {version!r}"
    elif version > SCHEMA_VERSION:
        yield (
            f"schema_version is {version}, this version reads up to {SCHEMA_VERSION}; upgrade "
            "timbrestack"
        )
    mappings = ("members", STACK, "origin")
    known = ("schema_version", *mappings, *FOR_PEOPLE)
    for key in content:
        if key not in known:
            yield f"there is no key {key!r}{did_you_mean(key, known)}"
    for key in mappings:
        if not isinstance(content.get(key, {}), Mapping):
            yield f"{key} must be a mapping, got {type(content[key]).__name__}"
    if not content.get("members") and not content.get(STACK):
        yield "nothing is set: it must have 'members' or 'stack'"
    members = content.get("members", {})
    for name, given in members.items() if isinstance(members, Mapping) else ():
        if name not in SPACES or name == STACK:
            names = [member for member in SPACES if member != STACK]
            yield f"members has no {name!r}{did_you_mean(name, names)}"
        else:
            yield from _parameter_problems(name, given)
    if isinstance(content.get(STACK), Mapping):
        yield from _parameter_problems(STACK, content[STACK])


def _parameter_problems(name: str, given: Any) -> Iterator[str]:
    if not isinstance(given, Mapping):
        yield f"{name} must be a mapping of parameters, got {type(given).__name__}"
        return
    space = space_of(name)
    for parameter, value in given.items():
        if parameter not in space:
            yield f"{name} has no parameter {parameter!r}{did_you_mean(parameter, space)}"
        elif problem := setting_problem(space[parameter], value):
            yield f"{name}: {parameter} {problem}, got {value!r}"


def write_member_settings(parameters: MemberParameters, path: str | PathLike[str]) -> None:
    """Write a settings file.

    Parameters
    ----------
    parameters : MemberParameters
        What to write; plain numbers, texts and None.
    path : str or path-like
        The `.yaml` file; an older one is replaced.
    """
    import yaml

    content = {
        "schema_version": SCHEMA_VERSION,
        "members": {name: dict(given) for name, given in parameters.members.items()},
        STACK: dict(parameters.stack),
        "origin": dict(parameters.origin),
    }
    content = {key: value for key, value in content.items() if value}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    with replacing(Path(path)) as partial:
        partial.write_text(_HEADING + text, encoding="utf-8")


def settle_member(member: Member, parameters: Mapping[str, Any]) -> Member:
    """Give a ready-made member other parameters.

    Parameters
    ----------
    member : Member
        Of a name in `ensemble.tuning.spaces.SPACES`; it stays as it is.
    parameters : mapping of str to object
        Parameter -> value; what is not named stays ready-made.

    Returns
    -------
    Member
        Unfitted.

    Raises
    ------
    ValueError
        If a parameter or value is not to be set.
    """
    if not parameters:
        return member
    if problems := list(_parameter_problems(member.name, parameters)):
        raise ValueError("; ".join(problems))
    chosen = {**current_settings(member), **parameters}
    estimator = clone(member.estimator)
    classifier = _classifier(estimator)
    scaling, factor = chosen.pop("scaling", None), chosen.pop("gamma_factor", None)
    if factor is not None:
        chosen["gamma"] = factor / (_n_features(member) * _VARIANCES[scaling])
    classifier.set_params(**chosen)
    if scaling is None or scaling == _scaling(estimator):
        return member._replace(estimator=estimator)
    return member._replace(estimator=make_pipeline(_scaler(estimator, scaling), classifier))


def current_settings(member: Member) -> dict[str, Any]:
    """Read the searched parameters off a ready-made member.

    Parameters
    ----------
    member : Member
        Of a name in `ensemble.tuning.spaces.SPACES`, with its columns.

    Returns
    -------
    dict of str to object
        Parameter -> value, in the order of its space.
    """
    given = _classifier(member.estimator).get_params()
    scaling = _scaling(member.estimator)
    if "gamma" in given and scaling is not None:
        # By name gamma is "scale", which is the unit of the factor.
        unit = 1.0 / (_n_features(member) * _VARIANCES[scaling])
        given["gamma_factor"] = given["gamma"] / unit if given["gamma"] != "scale" else 1.0
    given["scaling"] = scaling
    return {parameter: given[parameter] for parameter in space_of(member.name)}


def create_final_estimator(parameters: Mapping[str, Any]) -> LogisticRegression | None:
    """Make the stack's final estimator.

    Parameters
    ----------
    parameters : mapping of str to object
        Of the space ``"stack"``.

    Returns
    -------
    LogisticRegression or None
        None if nothing is set: the stack's own.

    Raises
    ------
    ValueError
        If a parameter or value is not to be set.
    """
    if not parameters:
        return None
    if problems := list(_parameter_problems(STACK, parameters)):
        raise ValueError("; ".join(problems))
    return LogisticRegression(max_iter=1000, **parameters)


def _classifier(estimator: Any) -> Any:
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _n_features(member: Member) -> int:
    return len(member.columns or ())


def _scaling(estimator: Any) -> str | None:
    if not isinstance(estimator, Pipeline):
        return None
    if isinstance(estimator[0], StandardScaler):
        return "standard"
    return "normal" if estimator[0].output_distribution == "normal" else "ranks"


def _scaler(estimator: Pipeline, scaling: str) -> Any:
    if scaling == "standard":
        return StandardScaler()
    ranks = estimator[0] if isinstance(estimator[0], QuantileTransformer) else QuantileTransformer()
    return ranks.set_params(output_distribution="normal" if scaling == "normal" else "uniform")
