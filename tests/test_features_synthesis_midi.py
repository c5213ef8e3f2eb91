"""MIDI files as scores: read as written, cut into labelled excerpts, bad files listed."""

import csv
from collections import Counter

import mido
import pytest

from features.synthesis import Instrument, Program, list_families, list_instruments, render_corpus
from features.synthesis.midi import MidiError, list_midi_files, read_midi

DRUM_CHANNEL = 9
SMALL = {"n_train": 22, "n_validation": 4, "n_test": 8, "seconds": 1.0}


def message(kind, time=0, **values):
    return mido.Message(kind, time=time, **values)


def tempo(value, time=0):
    return mido.MetaMessage("set_tempo", tempo=value, time=time)


def write(path, *tracks, kind=1, ticks=480):
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    file.tracks = [mido.MidiTrack(track) for track in tracks]
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save(path)
    return path


def tune(program, channel, *, n_beats=24, first=60):
    """A track of quarter notes, up and down a chord."""
    messages = [message("program_change", channel=channel, program=program)]
    for beat in range(n_beats):
        key = first + (0, 4, 7, 12, 7, 4)[beat % 6]
        messages.append(message("note_on", channel=channel, note=key, velocity=90))
        messages.append(message("note_off", 480, channel=channel, note=key))
    return messages


def write_song(path, programs, *, drums=False, **settings):
    channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    tracks = [tune(*each, **settings) for each in zip(programs, channels, strict=False)]
    if drums:
        tracks.append(tune(0, DRUM_CHANNEL, first=36))
    return write(path, *tracks)


def read_table(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def folder(tmp_path):
    """Give eight songs, all eleven instruments in four of them."""
    for number in range(4):
        programs = [42, 71, 73, 24, 26, 16, 0, 65, 56, 40, 52]
        write_song(tmp_path / "midi" / f"song {number}.mid", programs[number % 2 :: 2], drums=True)
        write_song(tmp_path / "midi" / "more" / f"{number}.mid", programs, drums=False)
    return tmp_path / "midi"


# Reading


def test_times_follow_every_change_of_tempo_on_whatever_track(tmp_path):
    # A beat at 120 beats a minute, then beats of a second each, from the middle of a note on.
    notes = [
        message("program_change", channel=0, program=73),
        message("note_on", channel=0, note=60, velocity=64),
        message("note_off", 960, channel=0, note=60),
        message("note_on", 480, channel=0, note=62, velocity=65),
        message("note_off", 480, channel=0, note=62),
    ]
    path = write(tmp_path / "a.mid", [tempo(500_000), tempo(1_000_000, 480)], notes)
    score = read_midi(path)
    assert [(n.start_s, n.duration_s, n.pitch, n.velocity) for n in score.programs[73]] == [
        (0.0, 1.5, 60, 64),
        (2.5, 1.0, 62, 65),
    ]
    assert score.end_s == 3.5


def test_without_a_tempo_there_are_120_beats_a_minute(tmp_path):
    score = read_midi(write_song(tmp_path / "a.mid", [40], n_beats=4))
    assert score.end_s == pytest.approx(2.0)
    assert len(score.programs[40]) == 4


def test_the_pedal_holds_notes_until_it_goes_up_or_they_are_struck_again(tmp_path):
    down, up = (message("control_change", control=64, value=value) for value in (127, 0))
    track = [
        down,
        message("note_on", note=60, velocity=64),
        message("note_off", 480, note=60),
        message("note_on", 480, note=60, velocity=64),
        message("note_off", 480, note=60),
        up.copy(time=480),
    ]
    notes = read_midi(write(tmp_path / "a.mid", track)).programs[0]
    assert [(note.start_s, note.duration_s) for note in notes] == [(0.0, 1.0), (1.0, 1.0)]


def test_channel_ten_is_drums_and_no_program(tmp_path):
    score = read_midi(write_song(tmp_path / "a.mid", [0], drums=True))
    assert set(score.programs) == {0}
    assert {note.pitch for note in score.drums} == {36, 40, 43, 48}


def test_a_program_is_one_part_on_whatever_channels_and_tracks(tmp_path):
    score = read_midi(write_song(tmp_path / "a.mid", [73, 73, 0], n_beats=3))
    assert {program: len(notes) for program, notes in score.programs.items()} == {73: 6, 0: 3}


def test_a_track_that_changes_its_program_is_two_parts(tmp_path):
    path = write(tmp_path / "a.mid", [*tune(73, 0, n_beats=2), *tune(40, 0, n_beats=3)], kind=0)
    score = read_midi(path)
    assert {program: len(notes) for program, notes in score.programs.items()} == {73: 2, 40: 3}


def test_a_key_that_is_never_let_go_ends_with_the_file(tmp_path):
    track = [message("note_on", note=60, velocity=64), message("note_on", 960, note=64, velocity=1)]
    (note,) = read_midi(write(tmp_path / "a.mid", track)).programs[0]
    assert (note.pitch, note.duration_s) == (60, 1.0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as a MIDI file"),
        (b"ID3 is something else", "cannot be read as a MIDI file"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\x20\0\x90", "cannot be read as a MIDI file"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\6\0\xff\x59\2\x2c\1", "Could not decode key"),
        (b"MThd\0\0\0\6\0\1\0\1\xe7\x28MTrk\0\0\0\4\0\xff\x2f\0", "counts film frames"),
        (b"MThd\0\0\0\6\0\2\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "type 0 or 1, it is of type 2"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "has no notes"),
    ],
    ids=["empty", "foreign", "truncated", "no-such-key", "frames", "type-2", "no-notes"],
)
def test_a_bad_file_says_what_is_wrong(tmp_path, content, reason):
    path = tmp_path / "bad.mid"
    path.write_bytes(content)
    with pytest.raises(MidiError, match=reason):
        read_midi(path)


@pytest.mark.parametrize(("name", "reason"), [("absent", "not exist"), ("", r"no \.mid file")])
def test_a_folder_without_midi_files_is_an_error(tmp_path, name, reason):
    with pytest.raises(FileNotFoundError, match=reason):
        list_midi_files(tmp_path / name)


# Rendering


def test_a_file_is_one_group_of_one_split(folder, tmp_path):
    rows = read_table(render_corpus(tmp_path / "corpus", scores=folder, **SMALL))
    assert Counter(row["split"] for row in rows) == {"train": 22, "validation": 4, "test": 8}
    assert all(row["score"] for row in rows)
    of_score = {row["score"]: (row["group"], row["split"]) for row in rows}
    assert all(of_score[row["score"]] == (row["group"], row["split"]) for row in rows)
    assert len({group for group, _ in of_score.values()}) == len(of_score)


def test_excerpts_are_as_even_over_the_labels_as_their_number_allows(folder, tmp_path):
    rows = read_table(render_corpus(tmp_path / "corpus", scores=folder, **SMALL))
    training = Counter(row["labels"] for row in rows if row["split"] == "train")
    assert training == dict.fromkeys((i.code for i in list_instruments()), 2)
    for row in rows:
        assert 1 <= len(row["labels"].split(";")) <= (1 if row["split"] == "train" else 4)


def test_a_program_kept_for_another_split_is_played_by_one_of_this(folder, tmp_path):
    rows = read_table(render_corpus(tmp_path / "corpus", scores=folder, **SMALL))
    allowed = {
        (i.code, split): {str(p.number) for p in i.programs_of(split)}
        for i in list_instruments()
        for split in ("train", "validation", "test")
    }
    for row in rows:
        for label, program in zip(
            row["labels"].split(";"), row["programs"].split(";"), strict=True
        ):
            assert program in allowed[label, row["split"]]


def test_events_are_the_notes_of_the_file(tmp_path):
    write_song(tmp_path / "midi" / "a.mid", [73], n_beats=16)
    manifest = render_corpus(
        tmp_path / "corpus",
        scores=tmp_path / "midi",
        instruments=[Instrument("flu", "flute", (Program(73, "flute", 60, 93),))],
        n_train=4,
        n_validation=0,
        n_test=0,
        seconds=2.0,
    )
    rows, events = read_table(manifest), read_table(manifest.parent / "events.csv")
    for row in rows:
        mine = [event for event in events if event["clip_id"] == row["clip_id"]]
        # Four quarter notes a window, and what is left of the one before.
        onsets = sorted({float(event["onset_s"]) for event in mine})
        assert onsets == pytest.approx([0.0, 0.5, 1.0, 1.5])
        assert {event["label"] for event in mine} == {"flu"}


def test_bad_files_are_listed_and_the_others_played(folder, tmp_path):
    (folder / "bad.mid").write_bytes(b"not music")
    manifest = render_corpus(tmp_path / "corpus", scores=folder, **SMALL)
    (failure,) = read_table(manifest.parent / "failures.csv")
    assert failure["path"] == "bad.mid"
    assert "cannot be read as a MIDI file" in failure["reason"]
    assert len(read_table(manifest)) == 34


def test_too_little_music_gives_fewer_clips_and_says_so(tmp_path):
    write_song(tmp_path / "midi" / "a.mid", [73, 40], n_beats=4)
    manifest = render_corpus(
        tmp_path / "corpus", scores=tmp_path / "midi", **SMALL | {"n_validation": 0, "n_test": 0}
    )
    # Two windows of a second, two instruments.
    assert len(read_table(manifest)) == 4
    (failure,) = read_table(manifest.parent / "failures.csv")
    assert "must give 22 clips of 1 to 1 labels, they give 4" in failure["reason"]


def test_fewer_files_than_splits_are_an_error(tmp_path):
    write_song(tmp_path / "midi" / "a.mid", [73])
    (tmp_path / "midi" / "bad.mid").write_bytes(b"")
    with pytest.raises(ValueError, match="3 splits, 1 files that can be read"):
        render_corpus(tmp_path / "corpus", scores=tmp_path / "midi", **SMALL)


def test_other_programs_and_drums_are_heard_unlabelled_and_only_if_asked_for(tmp_path):
    write_song(tmp_path / "midi" / "a.mid", [73, 32], drums=True)
    settings = SMALL | {"scores": tmp_path / "midi", "n_validation": 0, "n_test": 0}
    plain = render_corpus(tmp_path / "plain", **settings)
    backed = render_corpus(tmp_path / "backed", drums=1, accompaniment=1, **settings)
    assert {row["role"] for row in read_table(plain.parent / "events.csv")} == {"label"}
    events = read_table(backed.parent / "events.csv")
    roles = {(event["role"], event["label"], event["program"]) for event in events}
    assert roles == {("label", "flu", "73"), ("accompaniment", "", "32"), ("drums", "", "0")}
    for row in read_table(backed):
        assert (row["labels"], row["accompaniment"], row["drums"]) == ("flu", "32", "1")


def test_the_table_of_families_labels_every_program(tmp_path):
    write_song(tmp_path / "midi" / "a.mid", [0, 33, 61, 127])
    manifest = render_corpus(
        tmp_path / "corpus",
        scores=tmp_path / "midi",
        instruments=list_families(),
        **SMALL | {"n_validation": 0, "n_test": 0},
    )
    labels = {row["labels"] for row in read_table(manifest)}
    assert labels == {"piano", "bass", "brass", "sound-effects"}


def test_another_file_in_the_folder_makes_another_corpus(folder, tmp_path):
    manifest = render_corpus(tmp_path / "corpus", scores=folder, **SMALL)
    before = manifest.stat().st_mtime_ns
    assert render_corpus(tmp_path / "corpus", scores=folder, **SMALL).stat().st_mtime_ns == before
    write_song(folder / "new.mid", [73])
    assert render_corpus(tmp_path / "corpus", scores=folder, **SMALL).stat().st_mtime_ns > before
