"""A made corpus is there whole or not at all, and one process makes it at a time."""

import multiprocessing
import time

import pytest

from features.synthesis.staged_corpus import StagedCorpus


def make(place, words, seconds=0.0):
    corpus = StagedCorpus(place, maker="test", settings={"words": words}, tables=("manifest.csv",))
    with corpus.staging() as folder:
        time.sleep(seconds)
        (folder / "manifest.csv").write_text(f"path\n{words}.wav\n")
        (folder / f"{words}.wav").touch()
    return corpus


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    for name in (".corpus-ab_cd123", ".corpus-2-abcd1234", ".corpus-notes"):
        (tmp_path / name).mkdir()
    make(tmp_path / "corpus", "a")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"corpus", ".corpus-2-abcd1234", ".corpus-notes"}


def test_a_failure_leaves_what_was_there(tmp_path):
    make(tmp_path / "corpus", "a")
    corpus = StagedCorpus(tmp_path / "corpus", maker="test", settings={}, tables=("manifest.csv",))
    with pytest.raises(RuntimeError, match="halfway"), corpus.staging():
        raise RuntimeError("halfway")
    assert (tmp_path / "corpus" / "a.wav").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_second_process_waits_for_the_first(tmp_path):
    place = tmp_path / "corpus"
    first = multiprocessing.get_context("fork").Process(target=make, args=(place, "a", 1.0))
    first.start()
    while not list(tmp_path.glob(".corpus-*")):
        time.sleep(0.01)
    with pytest.warns(UserWarning, match="is being written by process"):
        make(place, "b")
    first.join()
    assert first.exitcode == 0
    assert sorted(path.name for path in place.iterdir()) == ["b.wav", "card.json", "manifest.csv"]
