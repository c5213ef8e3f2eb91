"""Results of an evaluation, turned into numbers with intervals, pictures and a page."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Resolved on first use, so that reading results loads neither plots nor page.
_HOMES = {
    "Results": "reports.results",
    "create_report": "reports.page",
    "evaluate": "reports.evaluation",
    "read_results": "reports.results",
    "write_results": "reports.results",
}

__all__ = [
    "Results",
    "create_report",
    "evaluate",
    "read_results",
    "write_results",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'reports' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
