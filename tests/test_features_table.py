"""The feature table on disk: what is written is read back, and what does not fit is refused."""

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from features.manifest import make_manifest
from features.table import FeatureTable, hash_clip_ids, read_card, read_table, write_table


def table_of(root, ids, *, failed=(), n_features=3):
    """Make a table of one row per id; the clips that failed are in its manifest alone."""
    clips = make_manifest(
        pd.DataFrame(
            {"path": [f"{i}.wav" for i in ids], "clip_id": ids, "group": ids, "labels": "oboe"}
        ),
        root,
    )
    good = [i for i in ids if i not in failed]
    values = pd.DataFrame(
        np.random.default_rng(440).standard_normal((len(good), n_features)).astype(np.float32),
        index=pd.Index(good, name="clip_id", dtype="str"),
        columns=[f"feature_{k}" for k in range(n_features)],
    )
    failures = pd.DataFrame(
        [(i, f"{i}.wav", 'cannot, "really"\nnot') for i in failed],
        columns=["clip_id", "path", "reason"],
        dtype="str",
    )
    card = {
        "schema": "timbrestack.table",
        "schema_version": 1,
        "n_features": n_features,
        "clip_ids_sha256": hash_clip_ids(good),
    }
    return FeatureTable(values, clips, failures, card)


def assert_same(table, other):
    pd.testing.assert_frame_equal(table.values, other.values, check_exact=True)
    pd.testing.assert_frame_equal(table.failures, other.failures)
    assert table.card == other.card
    assert table.manifest.audio_clips() == other.manifest.audio_clips()
    assert table.manifest.label_sets() == other.manifest.label_sets()


@pytest.fixture
def written(tmp_path):
    """A table on disk; d, b, a and c were asked for and a failed."""
    path = tmp_path / "X.parquet"
    write_table(table_of(tmp_path, list("dbac"), failed=["a"]), path)
    return path


def test_what_is_written_is_read_back(tmp_path, written):
    table = read_table(written)
    assert_same(table, table_of(tmp_path, list("dbac"), failed=["a"]))
    assert table.values.index.tolist() == ["d", "b", "c"]
    assert set(table.values.dtypes) == {np.dtype(np.float32)}


def test_a_table_without_rows_is_read_back(tmp_path):
    table = table_of(tmp_path, list("ab"), failed=["a", "b"])
    write_table(table, tmp_path / "X.parquet")
    again = read_table(tmp_path / "X.parquet")
    assert again.values.shape == (0, 3)
    assert again.failures["clip_id"].tolist() == ["a", "b"]


def test_parts_lie_beside_the_table_and_nothing_else(written):
    assert sorted(path.name for path in written.parent.iterdir()) == [
        "X.parquet",
        "X.parquet.card.json",
        "X.parquet.failures.csv",
        "X.parquet.manifest.csv",
    ]


def test_the_table_is_plain_parquet_for_others(written):
    plain = pd.read_parquet(written)
    assert plain.columns.tolist() == ["clip_id", "feature_0", "feature_1", "feature_2"]
    assert plain["clip_id"].tolist() == ["d", "b", "c"]


def test_rows_are_the_clips_that_have_numbers_in_the_order_of_the_numbers(written):
    table = read_table(written)
    assert table.rows().clips["clip_id"].tolist() == ["d", "b", "c"]
    shuffled = FeatureTable(table.values.iloc[::-1], table.manifest, table.failures, table.card)
    assert shuffled.rows().clips["clip_id"].tolist() == ["c", "b", "d"]


def test_a_set_of_clips_has_one_name_in_any_order():
    expected = hashlib.sha256(b"a\nb").hexdigest()
    assert hash_clip_ids(["b", "a"]) == hash_clip_ids(iter(["a", "b"])) == expected
    assert hash_clip_ids(["a"]) != expected


def test_a_folder_that_is_missing_is_made(tmp_path):
    path = tmp_path / "new" / "er" / "X.parquet"
    write_table(table_of(tmp_path, ["a"]), path)
    assert read_table(path).manifest.audio_clips()[0].path == str(tmp_path / "a.wav")


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such table"):
        read_table(tmp_path / "X.parquet")


@pytest.mark.parametrize("what", ["card.json", "manifest.csv", "failures.csv"])
def test_a_missing_part_is_an_error(written, what):
    written.with_name(f"{written.name}.{what}").unlink()
    with pytest.raises(FileNotFoundError, match=what):
        read_table(written)


def test_a_table_of_a_later_schema_is_refused(written):
    card_path = written.with_name("X.parquet.card.json")
    card_path.write_text(json.dumps(read_card(written) | {"schema_version": 2}))
    for read in (read_card, read_table):
        with pytest.raises(ValueError, match="has schema 2, this version reads up to 1; upgrade"):
            read(written)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{half", "is not JSON"),
        ("", "is not JSON"),
        ("[1, 2]", "must hold an object, got list"),
        ("{}", "don't belong together"),
    ],
    ids=["half", "empty", "list", "nothing-said"],
)
def test_a_card_that_is_none_is_refused(written, content, reason):
    written.with_name("X.parquet.card.json").write_text(content)
    with pytest.raises(ValueError, match=reason):
        read_table(written)


@pytest.mark.parametrize(
    ("what", "ids"),
    [("card.json", "dbacx"), ("card.json", "xyz"), ("manifest.csv", "xyz")],
    ids=["card-of-more-clips", "card-of-other-clips", "manifest-of-other-clips"],
)
def test_a_part_of_another_table_is_refused(tmp_path, written, what, ids):
    other = tmp_path / "other" / "X.parquet"
    write_table(table_of(tmp_path, list(ids)), other)
    name = f"X.parquet.{what}"
    shutil.copy(other.with_name(name), written.with_name(name))
    with pytest.raises(ValueError, match="don't belong together; extract again"):
        read_table(written)


def test_a_card_of_the_same_clips_with_other_features_is_refused(tmp_path, written):
    other = tmp_path / "other" / "X.parquet"
    write_table(table_of(tmp_path, list("dbac"), failed=["a"], n_features=4), other)
    shutil.copy(other.with_name("X.parquet.card.json"), written.with_name("X.parquet.card.json"))
    with pytest.raises(ValueError, match="don't belong together"):
        read_table(written)


def test_a_file_that_is_no_parquet_is_refused(written):
    written.write_bytes(b"no parquet at all")
    with pytest.raises(ValueError, match="is not a feature table"):
        read_table(written)


def test_a_parquet_file_without_clip_ids_is_refused(written):
    pd.DataFrame({"x": [1.0]}).to_parquet(written)
    with pytest.raises(ValueError, match="is not a feature table"):
        read_table(written)


def test_a_full_disk_leaves_the_older_table_whole(tmp_path, written, monkeypatch):
    older = read_table(written)

    def fill_the_disk(self, table):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pyarrow.parquet.ParquetWriter, "write_table", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        write_table(table_of(tmp_path, list("xyz")), written)
    assert_same(read_table(written), older)
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*"))


def test_writing_that_stops_midway_leaves_no_table_rather_than_a_mixed_one(
    tmp_path, written, monkeypatch
):
    def fill_the_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("features.table.write_manifest", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        write_table(table_of(tmp_path, list("xyz")), written)
    assert not written.exists()
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*"))


def test_row_groups_joined_are_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr("features.table.ROW_GROUP", 7)
    table = table_of(tmp_path, [f"clip {k}" for k in range(20)], failed=["clip 3"])
    write_table(table, tmp_path / "X.parquet")
    assert_same(read_table(tmp_path / "X.parquet"), table)
    assert pyarrow.parquet.ParquetFile(tmp_path / "X.parquet").num_row_groups == 3


def test_two_may_write_the_same_table_at_once(tmp_path):
    table = table_of(tmp_path, [f"clip {k}" for k in range(50)], failed=["clip 7"])
    path = tmp_path / "X.parquet"
    with ThreadPoolExecutor(4) as pool:
        for finished in [pool.submit(write_table, table, path) for _ in range(20)]:
            finished.result()
    assert_same(read_table(path), table)
    assert len(list(tmp_path.iterdir())) == 4
