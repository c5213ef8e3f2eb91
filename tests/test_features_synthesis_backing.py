"""What is heard without a label - drums, accompaniment - and codecs: as often and loud as asked."""

import csv
from collections import Counter

import numpy as np
import pytest
import soundfile

from features.synthesis import find_soundfont, list_families, list_instruments, render_corpus
from features.synthesis.backing import ACCOMPANISTS, Backing, add_backing
from features.synthesis.clip import render_clip
from features.synthesis.drums import MAX_TEMPO, MIN_TEMPO, PATTERNS, Groove, draw_beats, draw_groove
from features.synthesis.instruments import PITCH_MODULUS, PITCH_RESIDUES, SPLITS
from features.synthesis.orchestra import make_orchestra
from features.synthesis.songs import plan_clips

SMALL = {"n_train": 22, "n_validation": 0, "n_test": 30, "seconds": 1.0}


def read_table(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def orchestra():
    return make_orchestra(list_instruments(), find_soundfont(), splits=SPLITS)


def plan(orchestra, backing, n_clips=240):
    takes = plan_clips(orchestra, "test", n_clips, seed=0, voices=(1, 4))
    return add_backing(takes, orchestra, backing, seconds=3.0, seed=0)


# Drums


@pytest.mark.parametrize("pattern", range(len(PATTERNS)))
def test_a_pattern_keeps_its_beat(pattern, rng):
    groove = Groove(pattern, tempo=120.0, loudness=80.0)
    beats = draw_beats(groove, rng, seconds=8.0)
    starts = np.array([note.start_s for note in beats])
    # Sixteenths at 120 beats a minute are 125 ms; the first one is anywhere.
    sixteenths = (starts - starts[0]) / 0.125
    np.testing.assert_allclose(sixteenths, sixteenths.round(), atol=1e-6)
    assert (np.diff(starts) >= 0).all()
    assert 0 <= starts.min() < starts.max() < 8.0
    keys = {note.pitch for note in beats}
    assert set(PATTERNS[pattern]) <= keys
    assert all(1 <= note.velocity <= 127 for note in beats)


def test_grooves_differ_in_pattern_and_tempo(rng):
    grooves = [draw_groove(rng) for _ in range(50)]
    assert {groove.pattern for groove in grooves} == set(range(len(PATTERNS)))
    assert all(MIN_TEMPO <= groove.tempo <= MAX_TEMPO for groove in grooves)


# Planning


def test_backing_is_in_the_share_of_clips_that_is_asked_for(orchestra):
    takes = plan(orchestra, Backing(drums=0.25, accompaniment=0.6))
    roles = Counter(part.role for take in takes for part in take.backing)
    assert roles["drums"] == pytest.approx(60, abs=20)
    assert roles["accompaniment"] == pytest.approx(144, abs=25)


def test_backing_changes_nothing_of_the_labelled_parts(orchestra):
    plain, backed = plan(orchestra, Backing()), plan(orchestra, Backing(1.0, 1.0))
    assert all(not take.backing for take in plain)
    assert [take.parts for take in plain] == [take.parts for take in backed]


def test_a_song_keeps_its_accompanist_and_drum_level(orchestra):
    songs = {}
    for take in plan(orchestra, Backing(1.0, 1.0)):
        songs.setdefault(take.group, []).append(take)
    for takes in songs.values():
        drums, accompaniment = zip(*(take.backing for take in takes), strict=True)
        assert len({(part.gain_db, part.soundfont) for part in drums}) == 1
        assert len(set(accompaniment)) == 1


def test_accompanists_play_no_labelled_program_and_no_pitch_of_another_split(orchestra):
    labelled = {p.number for i in list_instruments() for p in i.programs}
    assert not labelled & {p.number for each in ACCOMPANISTS for p in each.programs}
    for take in plan(orchestra, Backing(accompaniment=1.0)):
        (part,) = take.backing
        assert {pitch % PITCH_MODULUS for pitch in part.pitches} <= set(PITCH_RESIDUES["test"])


def test_accompaniment_without_a_program_that_is_no_label_is_an_error():
    families = make_orchestra(list_families(), find_soundfont(), splits=["test"])
    with pytest.raises(ValueError, match=r"one of the programs 32, 33.*set accompaniment=0"):
        plan(families, Backing(accompaniment=0.5), n_clips=6)


@pytest.mark.parametrize("level_db", [-18.0, -6.0])
def test_drums_are_as_loud_against_the_labelled_parts_as_asked(orchestra, level_db):
    backing = Backing(drums=1.0, levels_db=(level_db, level_db))
    take = plan(orchestra, backing, n_clips=6)[0]
    plain = plan(orchestra, Backing(), n_clips=6)[0]
    settings = {"seconds": 3.0, "sr": 44_100, "seed": 0}
    both, alone = (render_clip(each, **settings).waveform for each in (take, plain))
    # What is left after the best fit of the clip without drums is drums (and another noise).
    rest = both - alone * (both @ alone) / (alone @ alone)
    ratio_db = 10 * np.log10((rest @ rest) / (both @ both - rest @ rest))
    assert ratio_db == pytest.approx(level_db, abs=5)


# Rendering


def test_backing_is_in_the_tables_but_no_label(tmp_path):
    manifest = render_corpus(tmp_path / "corpus", drums=0.5, accompaniment=0.5, **SMALL)
    rows, events = read_table(manifest), read_table(manifest.parent / "events.csv")
    drummed = {row["clip_id"] for row in rows if row["drums"] == "1"}
    assert drummed == {event["clip_id"] for event in events if event["role"] == "drums"}
    assert 0 < len(drummed) < len(rows)
    accompanied = {row["clip_id"] for row in rows if row["accompaniment"]}
    assert accompanied == {e["clip_id"] for e in events if e["role"] == "accompaniment"}
    for event in events:
        assert bool(event["label"]) == (event["role"] == "label")
    codes = {instrument.code for instrument in list_instruments()}
    assert {label for row in rows for label in row["labels"].split(";")} <= codes


def test_coded_clips_stay_in_time_and_at_their_level(tmp_path):
    plain = read_table(render_corpus(tmp_path / "plain", **SMALL))
    coded = read_table(render_corpus(tmp_path / "coded", codec=0.5, **SMALL))
    assert [row["clip_id"] for row in plain] == [row["clip_id"] for row in coded]
    kinds = Counter(row["codec"].split(" ")[0] for row in coded)
    assert set(kinds) == {"", "mp3", "vorbis", "opus"}
    assert kinds[""] == pytest.approx(26, abs=10)
    for row in coded:
        ours, theirs = (
            soundfile.read(tmp_path / name / row["path"])[0] for name in ("plain", "coded")
        )
        assert len(ours) == len(theirs)
        peak_db = 20 * np.log10(np.abs(theirs).max())
        assert peak_db == pytest.approx(float(row["peak_db"]), abs=0.1)
        if row["codec"]:
            assert not np.array_equal(ours, theirs)
            assert np.corrcoef(ours, theirs)[0, 1] > 0.8
        else:
            np.testing.assert_array_equal(ours, theirs)


def test_shares_of_one_mean_every_clip(tmp_path):
    manifest = render_corpus(
        tmp_path / "corpus", drums=1, accompaniment=1, codec=1, **SMALL | {"n_test": 0}
    )
    rows = read_table(manifest)
    assert all(row["drums"] == "1" and row["accompaniment"] and row["codec"] for row in rows)
