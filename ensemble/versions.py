"""The versions behind a bundle's numbers."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("numpy", "scikit-learn", "xgboost", "torch", "librosa", "soundfile", "soxr", "scipy")


def library_versions() -> dict[str, str]:
    """Give the versions of this toolkit and of the libraries behind its numbers.

    Returns
    -------
    dict
        Name -> version, of those installed.
    """
    found = {}
    for name in ("timbrestack", *LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
