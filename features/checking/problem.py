"""What a check finds: one kind of trouble, how grave it is, and the clips it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd


class Severity(StrEnum):
    """How grave a problem is."""

    ERROR = "error"  # scores would be wrong, or clips lost
    WARNING = "warning"  # worth a look


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    Parameters
    ----------
    check : str
        Which check found it, in kebab-case: ``"duplicate-audio"``.
    severity : Severity
        Errors fail the check.
    message : str
        What is wrong with what, and what to do, in one sentence.
    clip_ids : tuple of str
        All clips it concerns; empty if it concerns the table as a whole.
    """

    check: str
    severity: Severity
    message: str
    clip_ids: tuple[str, ...] = ()


def tabulate(problems: Iterable[Problem]) -> pd.DataFrame:
    """Write findings as a table, one row for each clip of each finding.

    Parameters
    ----------
    problems : iterable of Problem
        The findings.

    Returns
    -------
    pd.DataFrame
        Columns ``finding`` (number, from 1), ``check``, ``severity``, ``clip_id`` (empty if the
        finding concerns the table as a whole) and ``message``.
    """
    rows = [
        (number, problem.check, problem.severity.value, clip_id, problem.message)
        for number, problem in enumerate(problems, start=1)
        for clip_id in (problem.clip_ids or ("",))
    ]
    return pd.DataFrame(rows, columns=["finding", "check", "severity", "clip_id", "message"])


def has_errors(problems: Sequence[Problem]) -> bool:
    """Whether any finding is an error.

    Parameters
    ----------
    problems : sequence of Problem
        The findings.

    Returns
    -------
    bool
        True if so.
    """
    return any(problem.severity is Severity.ERROR for problem in problems)
