"""The frozen sets: a version's columns, settings and numbers never change."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from features import get_feature_set, list_feature_sets

HERE = Path(__file__).parent
ROWS = json.loads((HERE / "golden_rows.json").read_text())


@pytest.fixture(scope="module")
def sound():
    path = HERE / "write_golden_rows.py"
    spec = importlib.util.spec_from_file_location("write_golden_rows", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.golden_sound()


@pytest.mark.parametrize("name", ROWS)
def test_a_frozen_set_has_the_parts_and_settings_it_had(name):
    assert get_feature_set(name).digest == ROWS[name]["digest"]


@pytest.mark.parametrize("name", ROWS)
def test_a_frozen_set_gives_the_numbers_it_gave(name, sound):
    feature_set = get_feature_set(name)
    row, golden = feature_set.compute(sound), np.array(ROWS[name]["row"])
    # Another processor or library rounds otherwise; higher moments of near-constant contours
    # amplify it. A changed formula is off by far more.
    off = np.abs(row - golden) > 2e-3 * np.abs(golden) + 1e-3
    assert {n: (float(a), float(b)) for n, a, b, bad in
            zip(feature_set.feature_names, row, golden, off, strict=True) if bad} == {}  # fmt: skip


def test_every_set_of_ours_has_a_golden_row():
    ours = {name for name in list_feature_sets() if hasattr(get_feature_set(name), "parts")}
    assert ours == set(ROWS)
