"""Which settings of a member are searched, in which ranges, and why: as data.

Conventions: a space is a mapping of parameter to `Setting`; the parameters are those of the
member's classifier, beside two of its pipeline: ``scaling`` (what stands before the classifier) and
``gamma_factor`` (an RBF kernel's gamma in multiples of 1 / (number of features x their variance)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from features.naming import did_you_mean

STACK = "stack"


@dataclass(frozen=True)
class Setting:
    """One searched parameter.

    Parameters
    ----------
    reason : str
        Why these bounds or choices.
    low, high : int, float or None
        Bounds, both included; whole numbers mean a whole number. None for choices.
    log : bool
        Whether factors count rather than differences.
    choices : tuple
        What may be chosen; empty for a number.
    """

    reason: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def kind(self) -> str:
        """``"choice"``, ``"whole number"`` or ``"number"``."""
        if self.choices:
            return "choice"
        return "whole number" if isinstance(self.low, int) else "number"

    def as_dict(self) -> dict[str, Any]:
        """Give the setting as JSON-able data.

        Returns
        -------
        dict
            ``kind``, ``reason``, ``low``, ``high``, ``log`` and ``choices``.
        """
        return {
            "kind": self.kind,
            "reason": self.reason,
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "choices": list(self.choices),
        }


Space: TypeAlias = Mapping[str, Setting]

_SCALING = Setting(
    "ranks have no long tails, standardised values keep all distances; normal scores lie between",
    choices=("ranks", "normal", "standard"),
)
_CLASS_WEIGHT = Setting(
    "whether rare classes count as much as frequent ones depends on the metric",
    choices=("balanced", None),
)

SPACES: dict[str, Space] = {
    "svm": {
        "C": Setting(
            "below 0.1 hardly any row is fitted, above 1000 every one is",
            low=0.1,
            high=1000.0,
            log=True,
        ),
        "gamma_factor": Setting(
            "two unrelated rows have a kernel of about exp(-2 x factor): 0.94 at 0.03, which is "
            "nearly linear, 0.002 at 3, where each row stands alone",
            low=0.03,
            high=3.0,
            log=True,
        ),
        "scaling": _SCALING,
        "class_weight": _CLASS_WEIGHT,
    },
    "xgb": {
        "n_estimators": Setting(
            "time grows with the trees; more of them want a lower rate",
            low=50,
            high=600,
            log=True,
        ),
        "learning_rate": Setting(
            "below 0.02 even 600 trees fit too little, above 0.3 each tree overshoots",
            low=0.02,
            high=0.3,
            log=True,
        ),
        "max_depth": Setting(
            "2 joins pairs of features; leaves at depth 8 hold single clips", low=2, high=8
        ),
        "subsample": Setting("rows a tree sees: less than half is noise", low=0.5, high=1.0),
        "colsample_bytree": Setting(
            "of a thousand related features a tree may need few", low=0.05, high=1.0, log=True
        ),
        "min_child_weight": Setting(
            "from no limit on leaves to leaves of twenty clips or more", low=0.3, high=5.0, log=True
        ),
        "reg_lambda": Setting(
            "from hardly any shrinkage of leaves to a strong one", low=0.1, high=30.0, log=True
        ),
        "class_weight": _CLASS_WEIGHT,
    },
    "logistic": {
        "C": Setting(
            "with hundreds of related features a strong penalty is often best",
            low=1e-4,
            high=100.0,
            log=True,
        ),
        "scaling": _SCALING,
        "class_weight": _CLASS_WEIGHT,
    },
    "extratrees": {
        "n_estimators": Setting(
            "more trees never hurt but cost time and space", low=50, high=500, log=True
        ),
        "max_features": Setting(
            "the root of a thousand is 32; more help where few features tell",
            choices=("sqrt", 0.1, 0.3),
        ),
        "min_samples_leaf": Setting(
            "from grown out to leaves of many clips", low=1, high=20, log=True
        ),
        "class_weight": _CLASS_WEIGHT,
    },
    STACK: {
        "C": Setting(
            "from the plain frequencies of the labels to an unpenalised fit",
            low=1e-3,
            high=100.0,
            log=True,
        ),
    },
}


def space_of(name: str) -> Space:
    """Give the search space of a member, or of the stack.

    Parameters
    ----------
    name : str
        A member's name, or ``"stack"``.

    Returns
    -------
    mapping of str to Setting
        Parameter -> what it may be.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in SPACES:
        known = [member for member in SPACES if member != STACK]
        raise ValueError(
            f"a member to be tuned must be one of {', '.join(known)}, got {name!r}"
            f"{did_you_mean(name, known)}"
        )
    return SPACES[name]


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """Ask a trial for a value of every parameter.

    Parameters
    ----------
    trial : optuna.Trial
        That suggests.
    space : mapping of str to Setting
        What may be suggested.

    Returns
    -------
    dict of str to object
        Parameter -> value.
    """
    chosen: dict[str, Any] = {}
    for name, setting in space.items():
        if setting.choices:
            chosen[name] = trial.suggest_categorical(name, list(setting.choices))
        elif setting.kind == "whole number":
            chosen[name] = trial.suggest_int(name, setting.low, setting.high, log=setting.log)
        else:
            chosen[name] = trial.suggest_float(name, setting.low, setting.high, log=setting.log)
    return chosen


def setting_problem(setting: Setting, value: Any) -> str:
    """Say why a value cannot be meant, be it in the searched range or not.

    Parameters
    ----------
    setting : Setting
        The parameter.
    value : object
        As read from a file.

    Returns
    -------
    str
        What it must be; empty if all is well.
    """
    if setting.choices:
        allowed = any(value is choice or value == choice for choice in setting.choices)
        words = ["null" if choice is None else str(choice) for choice in setting.choices]
        return "" if allowed else f"must be one of {', '.join(words)}"
    whole = setting.kind == "whole number"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return f"must be a {setting.kind}"
    # Every number searched here is one; NaN is not above 0 either.
    return "" if 0 < value < float("inf") else "must be positive and finite"
