"""What all tests share: a seeded generator, small sounds on disk, and quiet hypothesis settings."""

import os
from collections.abc import Callable
from pathlib import Path

# One thread a process, before any library is loaded: tests run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
import soundfile
from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("suite")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(440)


@pytest.fixture
def write_wav(tmp_path: Path) -> Callable[..., Path]:
    """Write a waveform below the test's folder and give its path."""

    def write(name: str, waveform: np.ndarray, sr: int = 22050, **settings: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, waveform, sr, **settings)
        return path

    return write
