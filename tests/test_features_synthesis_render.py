"""The built-in corpus: what is rendered is what the manifest says, and is the same every time."""

import csv
import json

import numpy as np
import pytest
import soundfile

import features.synthesis.soundfont as soundfont_module
from features.synthesis import list_instruments, render_corpus
from features.synthesis.clip import render_clip
from features.synthesis.instruments import PITCH_MODULUS, PITCH_RESIDUES
from features.synthesis.orchestra import make_orchestra
from features.synthesis.room import Room, draw_room, make_noise, record
from features.synthesis.score import Note, Part, Take, make_rng
from features.synthesis.songs import plan_clips
from features.synthesis.soundfont import find_soundfont

SMALL = {"n_train": 44, "n_validation": 12, "n_test": 30, "seconds": 1.0}
SPLITS = ("train", "validation", "test")
PROGRAMS = [(i, p) for i in list_instruments() for p in i.programs]


def read_manifest(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def contents(directory):
    return {p.relative_to(directory): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def split_values(rows, column):
    return {
        split: {v for row in rows if row["split"] == split for v in row[column].split(";")}
        for split in SPLITS
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    directory = tmp_path_factory.mktemp("synthesis") / "corpus"
    render_corpus(directory, **SMALL)
    return directory


@pytest.fixture(scope="module")
def rows(corpus):
    return read_manifest(corpus / "manifest.csv")


@pytest.fixture(scope="module")
def events(corpus):
    return read_manifest(corpus / "events.csv")


def test_a_missing_soundfont_package_is_an_error_that_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(soundfont_module, "SOUNDFONT_PACKAGE", "no_such_package_here")
    with pytest.raises(FileNotFoundError, match=r"not installed; run `pip install"):
        render_corpus(tmp_path / "corpus", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_soundfont_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.sf2 does not exist"):
        render_corpus(tmp_path / "corpus", soundfont=tmp_path / "absent.sf2", **SMALL)


# The room


def test_a_room_falls_by_60_db_in_its_reverberation_time():
    room = Room(rt60_s=0.5, wet_db=-6, predelay_s=0.0, damping_hz=20_000, tilt_db=0.0, seed=440)
    response = room.impulse_response(44_100)
    assert 10 * np.log10((response**2).sum()) == pytest.approx(-6, abs=1e-4)
    early, late = ((response[int(t * 44_100) :][:2205] ** 2).sum() for t in (0.05, 0.35))
    assert 10 * np.log10(late / early) == pytest.approx(-36, abs=1)


DRY = Room(rt60_s=0.2, wet_db=-300, predelay_s=0.0, damping_hz=5000, tilt_db=0.0, seed=1)


def test_a_dry_room_without_colour_gives_back_what_can_be_heard():
    sr = 22_050
    tone = np.sin(2 * np.pi * 440 * np.arange(sr) / sr)
    recorded = record(tone, DRY, sr=sr)
    # 20 of 440 Hz: a microphone's corner turns the tone by 2.6 degrees and lowers it by 0.1 %.
    later = slice(sr // 2, sr)
    assert np.square(recorded[later]).mean() == pytest.approx(0.5, rel=5e-3)
    assert np.corrcoef(recorded[later], tone[later])[0, 1] > 0.998


def test_no_microphone_takes_up_a_constant_offset():
    sr = 22_050
    recorded = record(np.full(sr, 0.5), DRY, sr=sr)
    assert np.abs(recorded[sr // 10 : -100]).max() < 1e-5
    # A pole at 20 Hz: down to 1/e after 8 ms.
    assert recorded[round(sr / (2 * np.pi * 20))] == pytest.approx(0.5 / np.e, rel=0.02)


def test_noise_has_unit_power(rng):
    noise = make_noise(5000, rng, cutoff_hz=1000, sr=22_050)
    assert (noise**2).mean() == pytest.approx(1)


# One clip


FLUTE, VIOLIN = (list_instruments()[number] for number in (2, 9))


def make_part(instrument, pitches=(69, 74), **settings):
    return Part(instrument, instrument.programs[0], pitches, find_soundfont(), **settings)


def make_take(*parts, **settings):
    return Take("test", "g", "n", parts, draw_room(make_rng(0, (7,))), (7, 7), **settings)


def render(take, seconds=1.0):
    return render_clip(take, seconds=seconds, sr=22_050, seed=0)


def test_a_part_too_soft_to_hear_is_neither_labelled_nor_mixed():
    loud, buried = make_part(FLUTE), make_part(VIOLIN, (64, 69), gain_db=-40)
    alone, mixed = render(make_take(loud)), render(make_take(loud, buried))
    assert mixed.row["labels"] == "flu"
    assert mixed.row["programs"] == "73"
    assert {event["label"] for event in mixed.events} == {"flu"}
    # What differs then is the noise alone, of which other draws were made.
    assert np.corrcoef(alone.waveform, mixed.waveform)[0, 1] > 0.98


def test_an_event_lasts_from_key_down_until_40_db_below_the_loudest():
    notes = (Note(0.2, 0.5, 69, 100), Note(1.0, 0.5, 72, 80))
    rendering = render(make_take(make_part(FLUTE, notes=notes)), seconds=2.0)
    assert [(e["onset_s"], e["pitch"], e["velocity"]) for e in rendering.events] == [
        ("0.200", 69, 100),
        ("1.000", 72, 80),
    ]
    for event, note in zip(rendering.events, notes, strict=True):
        key_up_s = note.start_s + note.duration_s
        assert key_up_s - 0.02 <= float(event["offset_s"]) <= key_up_s + 0.6


def test_a_decaying_sound_ends_before_its_key_goes_up():
    guitar = list_instruments()[3]
    note = Note(0.0, 6.0, 76, 100)
    (event,) = render(make_take(make_part(guitar, notes=(note,))), seconds=6.0).events
    assert 0.5 < float(event["offset_s"]) < 5.0


def test_a_note_that_began_before_the_clip_is_heard_from_its_start():
    early = Note(-1.0, 2.0, 69, 100)
    rendering = render(make_take(make_part(FLUTE, notes=(early,))), seconds=2.0)
    (event,) = rendering.events
    assert event["onset_s"] == "0.000"
    assert float(event["offset_s"]) == pytest.approx(1.2, abs=0.2)
    energy = (rendering.waveform.reshape(20, -1) ** 2).mean(axis=1)
    assert energy[0] > 0.1 * energy.max()
    assert energy[-1] < 1e-3 * energy.max()


def test_a_note_that_ended_before_the_clip_is_no_event():
    gone, heard = Note(-3.0, 1.0, 60, 100), Note(0.0, 1.0, 69, 100)
    rendering = render(make_take(make_part(FLUTE, notes=(gone, heard))), seconds=1.0)
    assert [event["pitch"] for event in rendering.events] == [69]


# The corpus


def test_same_seed_gives_the_same_bytes(corpus, tmp_path):
    render_corpus(tmp_path / "again", **SMALL)
    assert contents(tmp_path / "again") == contents(corpus)


def test_another_seed_gives_other_bytes(corpus, tmp_path):
    render_corpus(tmp_path / "other", **(SMALL | {"n_train": 11}), seed=1)
    ours, theirs = contents(corpus), contents(tmp_path / "other")
    sounds = [p for p in ours.keys() & theirs.keys() if p.suffix == ".flac"]
    assert sounds
    assert all(ours[path] != theirs[path] for path in sounds)


def test_a_clip_does_not_depend_on_the_clips_before_it(corpus, rows):
    orchestra = make_orchestra(list_instruments(), find_soundfont(), splits=SPLITS)
    take = plan_clips(orchestra, "train", SMALL["n_train"], seed=0, voices=(1, 1))[20]
    rendering = render_clip(take, seconds=1.0, sr=22_050, seed=0)
    stored, _ = soundfile.read(corpus / rows[20]["path"], dtype="float32")
    assert stored == pytest.approx(rendering.waveform, abs=1 / 32_768)
    assert rows[20]["pitches"] == rendering.row["pitches"]


def test_the_manifest_lists_every_file_once(corpus, rows):
    listed = [row["path"] for row in rows]
    files = {p.relative_to(corpus).as_posix() for p in corpus.rglob("*.flac")}
    assert len(listed) == len(set(listed)) == 86
    assert set(listed) == files
    assert [row["clip_id"] for row in rows] == listed


def test_every_clip_has_its_exact_length_and_neither_clips_nor_is_silent(corpus, rows):
    for row in rows:
        waveform, sr = soundfile.read(corpus / row["path"], dtype="float32")
        assert sr == 22_050
        assert len(waveform) == 22_050 * float(row["duration_s"]) == 22_050
        assert np.isfinite(waveform).all()
        peak_db = 20 * np.log10(np.abs(waveform).max())
        assert peak_db == pytest.approx(float(row["peak_db"]), abs=0.1)
        assert -18.1 < peak_db < -0.9


def test_training_clips_have_one_label_and_others_one_to_four(rows):
    for row in rows:
        labels = row["labels"].split(";")
        assert len(labels) == len(set(labels))
        assert len(labels) == 1 if row["split"] == "train" else 1 <= len(labels) <= 4


def test_training_labels_are_dealt_evenly(rows):
    counts = [row["labels"] for row in rows if row["split"] == "train"]
    assert {label: counts.count(label) for label in counts} == dict.fromkeys(counts, 4)


def test_labels_are_of_parts_that_sound_and_are_not_buried(rows):
    for row in rows:
        n_labels = len(row["labels"].split(";"))
        sounding = [float(value) for value in row["sounding_s"].split(";")]
        levels = [float(value) for value in row["levels_db"].split(";")]
        assert len(sounding) == len(levels) == n_labels
        assert min(sounding) >= 0.5
        assert min(levels) >= -20


def test_labels_belong_to_the_programs_in_their_order(rows):
    codes = {p.number: i.code for i, p in PROGRAMS}
    for row in rows:
        assert [codes[int(p)] for p in row["programs"].split(";")] == row["labels"].split(";")


def test_every_clip_has_events_of_its_labels_and_pitches(rows, events):
    of_clip = {row["clip_id"]: [] for row in rows}
    for event in events:
        of_clip[event["clip_id"]].append(event)
    for row in rows:
        mine = of_clip[row["clip_id"]]
        assert {event["label"] for event in mine} == set(row["labels"].split(";"))
        assert {event["pitch"] for event in mine} == set(row["pitches"].split(";"))
        onsets = [float(event["onset_s"]) for event in mine]
        assert onsets == sorted(onsets)
        for event in mine:
            assert 0 <= float(event["onset_s"]) < float(event["offset_s"]) <= 1.0
            assert event["role"] == "label"
            assert event["soundfont"] == "TimGM6mb.sf2"


def test_nothing_sounds_where_no_event_is(corpus, rows, events):
    # Of the driest clips: reverberation goes on where notes have ended.
    dry = [row for row in rows if float(row["rt60_s"]) < 0.3]
    assert dry
    for row in dry:
        waveform, sr = soundfile.read(corpus / row["path"])
        silent = np.ones(len(waveform), dtype=bool)
        for event in events:
            if event["clip_id"] == row["clip_id"]:
                start, end = float(event["onset_s"]), float(event["offset_s"]) + 0.1
                silent[round(start * sr) : round(end * sr)] = False
        if silent.sum() > 1000:
            quiet_db = 10 * np.log10((waveform[silent] ** 2).mean() / (waveform**2).mean())
            assert quiet_db < -20


def test_by_default_there_is_no_backing_no_codec_and_no_failure(corpus, rows):
    assert {(r["drums"], r["accompaniment"], r["codec"], r["score"]) for r in rows} == {
        ("0", "", "", "")
    }
    assert (corpus / "failures.csv").read_text() == "clip_id,path,reason\n"


def test_no_pitch_is_in_two_splits(rows):
    pitches = split_values(rows, "pitches")
    assert not pitches["train"] & pitches["test"]
    assert not pitches["train"] & pitches["validation"]
    assert not pitches["validation"] & pitches["test"]
    for split in SPLITS:
        assert {int(p) % PITCH_MODULUS for p in pitches[split]} <= set(PITCH_RESIDUES[split])


def test_reserved_programs_are_in_no_training_clip(rows):
    programs = split_values(rows, "programs")
    several = {str(p.number) for i in list_instruments() if len(i.programs) > 1 for p in i.programs}
    assert not programs["train"] & programs["test"] & several


def test_training_groups_name_instrument_program_and_band(rows):
    for row in rows:
        if row["split"] == "train":
            code, program, band = row["group"].split("-")
            low = int(band.removeprefix("p"))
            assert (code, program) == (row["labels"], row["programs"])
            assert all(low <= int(p) < low + 9 for p in row["pitches"].split(";"))


def test_songs_are_in_one_split_and_of_several_clips(rows):
    songs = {}
    for row in rows:
        songs.setdefault(row["group"], []).append(row["split"])
    assert all(len(set(splits)) == 1 for splits in songs.values())
    assert sorted(len(s) for s in songs.values() if s[0] == "test") == [6] * 5
    assert sorted(len(s) for s in songs.values() if s[0] == "validation") == [6] * 2


@pytest.mark.parametrize(("sr", "seconds"), [(16_000, 1.0), (44_100, 1.37), (48_000, 1.0)])
def test_other_rates_and_lengths_are_kept_exactly(tmp_path, sr, seconds):
    manifest = render_corpus(
        tmp_path / "corpus", n_train=11, n_validation=0, n_test=1, seconds=seconds, sr=sr
    )
    for row in read_manifest(manifest):
        info = soundfile.info(manifest.parent / row["path"])
        assert (info.samplerate, info.frames) == (sr, round(seconds * sr))
        assert info.subtype == "PCM_16"


def test_a_second_run_changes_nothing(corpus):
    before = {p: p.stat().st_mtime_ns for p in corpus.rglob("*")}
    assert render_corpus(str(corpus), **SMALL) == corpus / "manifest.csv"
    assert {p: p.stat().st_mtime_ns for p in corpus.rglob("*")} == before


def test_a_rendering_that_lost_a_clip_is_made_anew(tmp_path):
    small = {"n_train": 11, "n_validation": 0, "n_test": 0, "seconds": 1.0}
    manifest = render_corpus(tmp_path / "corpus", **small)
    lost = manifest.parent / read_manifest(manifest)[3]["path"]
    lost.unlink()
    render_corpus(tmp_path / "corpus", **small)
    assert lost.is_file()


def test_other_settings_replace_an_earlier_rendering(tmp_path):
    small = {"n_train": 11, "n_validation": 0, "n_test": 0, "seconds": 1.0}
    render_corpus(tmp_path / "corpus", **small)
    manifest = render_corpus(tmp_path / "corpus", **(small | {"n_train": 12}))
    assert len(read_manifest(manifest)) == 12
    assert (
        json.loads((manifest.parent / "card.json").read_text())["settings"]["counts"]["train"] == 12
    )
    assert [p.name for p in tmp_path.iterdir()] == ["corpus"]


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"other files such as 'thesis\.txt'"):
        render_corpus(tmp_path, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_foreign_file_in_a_rendering_keeps_it_from_being_replaced(tmp_path):
    small = {"n_train": 11, "n_validation": 0, "n_test": 0, "seconds": 1.0}
    render_corpus(tmp_path / "corpus", **small)
    (tmp_path / "corpus" / "train" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"'notes\.txt'"):
        render_corpus(tmp_path / "corpus", **(small | {"seed": 1}))


def test_progress_counts_the_clips(tmp_path):
    calls = []
    render_corpus(
        tmp_path / "corpus",
        n_train=11,
        n_validation=0,
        n_test=2,
        seconds=1.0,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(i, 13) for i in range(1, 14)]


def test_settings_out_of_range_are_listed_together(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"n_train must be at least 11, got 3; seconds .* got 0\.2; drums must be a share .*"
        r"got 2; voices of validation must .* got \(3, 2\); backing_db must rise .* got \(0, -6\)",
    ):
        render_corpus(
            tmp_path / "corpus",
            n_train=3,
            seconds=0.2,
            drums=2,
            test_voices=(3, 2),
            backing_db=(0, -6),
        )


def test_two_workers_write_the_same_bytes_as_one(tmp_path):
    settings = {"n_train": 11, "n_validation": 2, "n_test": 10, "seconds": 1.0}
    folders = []
    for jobs in (1, 2):
        render_corpus(tmp_path / str(jobs), n_jobs=jobs, **settings)
        folders.append(
            {
                path.relative_to(tmp_path / str(jobs)): path.read_bytes()
                for path in (tmp_path / str(jobs)).rglob("*")
                if path.is_file()
            }
        )
    assert folders[0] == folders[1]
