"""The examples run as they are shown, and show what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
CHANCE = 1 / 3


@pytest.fixture(scope="module")
def leak(tmp_path_factory):
    """What the leak test prints on its default, and the picture it draws."""
    picture = tmp_path_factory.mktemp("leak") / "leak.png"
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "leak.py"), "-o", str(picture)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout, picture


def read_scores(shown):
    """Give model -> value, low, high with whole notes, then the same with torn ones."""
    number = r"(\d\.\d{3})"
    way = rf"\s+{number}\s+{number} to {number}"
    rows = re.findall(rf"^ (\w+){way}{way}\s*$", shown, flags=re.MULTILINE)
    return {model: [float(value) for value in values] for model, *values in rows}


def test_labels_dealt_by_chance_score_like_chance_where_groups_stay_whole(leak):
    scores = read_scores(leak[0])
    assert set(scores) == {"stack", "average", "svm", "xgb"}
    for _, low, high, *_ in scores.values():
        assert low <= CHANCE <= high


def test_the_same_labels_seem_solved_where_groups_are_torn(leak):
    scores = read_scores(leak[0])
    for *_, low, _ in scores.values():
        assert low > CHANCE
    assert scores["stack"][3] > 0.9


def test_the_table_lines_up_and_a_sentence_sums_it_up(leak):
    rows = leak[0].splitlines()[:6]
    assert len({len(row) for row in rows}) == 1
    ends = {re.match(r" \w+\s+\d\.\d{3}", row).end() for row in rows[1:]}
    assert len(ends) == 1
    said = " ".join(" ".join(leak[0].splitlines()[6:]).split())
    stack = read_scores(leak[0])["stack"]
    assert f"scores {stack[0]:.3f} ({stack[1]:.3f} to {stack[2]:.3f}), which is chance." in said
    assert f"seems to score {stack[3]:.3f}" in said


def test_a_picture_is_drawn_on_request(leak):
    assert leak[1].read_bytes().startswith(b"\x89PNG")


def test_the_page_of_examples_names_each_and_shows_what_is_printed(leak):
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"({script.name})" in page for script in EXAMPLES.glob("*.py"))
    assert read_scores(page.replace("\n    ", "\n")).keys() == read_scores(leak[0]).keys()
