"""The built-in corpus: what is rendered is what the manifest says, and is the same every time."""

import csv
import json
import struct

import numpy as np
import pytest
import soundfile

import features.synthesis.soundfont as soundfont_module
from features.synthesis import (
    Soundfont,
    find_soundfont,
    list_instruments,
    render_corpus,
    render_note,
)
from features.synthesis.clip import render_clip
from features.synthesis.instruments import PITCH_MODULUS, PITCH_RESIDUES
from features.synthesis.room import Room, draw_room, make_noise, record
from features.synthesis.score import Part, Take, draw_phrase, make_rng, plan_songs, plan_training

SMALL = {"n_train": 44, "n_validation": 12, "n_test": 30, "seconds": 1.0}
SPLITS = ("train", "validation", "test")
PROGRAMS = [(i, p) for i in list_instruments() for p in i.programs]
PROGRAM_IDS = [f"{i.code}-{p.number}" for i, p in PROGRAMS]
# These sound in octaves (stops, drawbars) or as a detuned group; their lowest partial is not the
# written pitch.
BY_OCTAVES = {16, 17, 18, 19}


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
def font():
    return Soundfont(find_soundfont())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    directory = tmp_path_factory.mktemp("synthesis") / "corpus"
    render_corpus(directory, **SMALL)
    return directory


@pytest.fixture(scope="module")
def rows(corpus):
    return read_manifest(corpus / "manifest.csv")


def fundamental(waveform, sr, *, near):
    """Frequency of the strongest periodicity within 6 % of one that is expected."""
    n_fft = 2 ** int(np.ceil(np.log2(2 * len(waveform))))
    correlation = np.fft.irfft(np.abs(np.fft.rfft(waveform, n_fft)) ** 2)[: len(waveform)]
    correlation /= np.arange(len(waveform), 0, -1)
    low, high = int(sr / near / 1.06), int(sr / near * 1.06) + 2
    lag = low + int(correlation[low:high].argmax())
    before, here, after = correlation[lag - 1 : lag + 2]
    return sr / (lag + 0.5 * (before - after) / (before - 2 * here + after))


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def make_soundfont(path, *, waveform=None, generators=(), program=5, sr=44_100, key=69):
    """Write an SF2 file of one preset with one looped sample: 100 periods of 441 Hz."""
    if waveform is None:
        waveform = 0.5 * np.sin(2 * np.pi * 441 * np.arange(10_000) / 44_100)
    n = len(waveform)
    samples = np.concatenate([np.round(waveform * 32_767), np.zeros(46)]).astype("<i2").tobytes()
    instrument = [*generators, (54, 1), (53, 0)]

    def header(name, first, preset_bag):
        return struct.pack("<20sHHHIII", name, first, 0, preset_bag, 0, 0, 0)

    def numbers(pairs):
        return b"".join(struct.pack("<Hh", *pair) for pair in pairs)

    def sample(name, end):
        return struct.pack("<20sIIIIIBbHH", name, 0, end, 0, end, sr, key, 0, 0, 1)

    records = b"".join(
        [
            chunk(b"phdr", header(b"tone", program, 0) + header(b"EOP", 0, 1)),
            chunk(b"pbag", struct.pack("<4H", 0, 0, 1, 0)),
            chunk(b"pmod", bytes(10)),
            chunk(b"pgen", numbers([(41, 0), (0, 0)])),
            chunk(b"inst", struct.pack("<20sH20sH", b"tone", 0, b"EOI", 1)),
            chunk(b"ibag", struct.pack("<4H", 0, 0, len(instrument), 0)),
            chunk(b"imod", bytes(10)),
            chunk(b"igen", numbers([*instrument, (0, 0)])),
            chunk(b"shdr", sample(b"tone", n) + sample(b"EOS", 0)),
        ]
    )
    lists = chunk(b"LIST", b"sdta" + chunk(b"smpl", samples)) + chunk(b"LIST", b"pdta" + records)
    path.write_bytes(chunk(b"RIFF", b"sfbk" + lists))
    return path


# The soundfont and the sampler


def test_at_its_own_pitch_and_full_velocity_a_looped_sample_sounds_as_recorded(tmp_path):
    tone = Soundfont(make_soundfont(tmp_path / "tone.sf2"))
    note = render_note(tone, program=5, pitch=69, duration_s=0.5, velocity=127)
    recorded = 0.5 * np.sin(2 * np.pi * 441 * np.arange(22_000) / 44_100)
    # The first millisecond is the shortest attack.
    assert note[100:22_000] == pytest.approx(recorded[100:], abs=1e-4)


@pytest.mark.parametrize(
    ("generators", "pitch", "expected_hz"),
    [
        ([], 81, 882),
        ([], 57, 220.5),
        ([(58, 57)], 69, 882),
        ([(51, -12)], 69, 220.5),
        ([(52, 50)], 69, 441 * 2 ** (0.5 / 12)),
        ([(56, 50)], 93, 882),
    ],
    ids=["octave-up", "octave-down", "root-key", "coarse-tune", "fine-tune", "scale-tuning"],
)
def test_tuning_generators_move_the_pitch(tmp_path, generators, pitch, expected_hz):
    tone = Soundfont(make_soundfont(tmp_path / "tone.sf2", generators=generators))
    note = render_note(tone, program=5, pitch=pitch, duration_s=0.5)[2000:20_000]
    assert fundamental(note, 44_100, near=expected_hz) == pytest.approx(expected_hz, rel=1e-3)


def test_level_goes_with_the_square_of_velocity(tmp_path):
    tone = Soundfont(make_soundfont(tmp_path / "tone.sf2"))
    loud, soft = (
        render_note(tone, program=5, pitch=69, duration_s=0.5, velocity=v)[5000:15_000]
        for v in (127, 64)
    )
    assert np.abs(soft).max() / np.abs(loud).max() == pytest.approx((64 / 127) ** 2, rel=1e-2)


def test_attenuation_is_in_tenths_of_a_decibel(tmp_path):
    plain = Soundfont(make_soundfont(tmp_path / "plain.sf2"))
    softer = Soundfont(make_soundfont(tmp_path / "softer.sf2", generators=[(48, 60)]))
    levels = [
        np.abs(render_note(font, program=5, pitch=69, duration_s=0.5)[5000:15_000]).max()
        for font in (plain, softer)
    ]
    assert levels[1] / levels[0] == pytest.approx(0.501_187, rel=1e-4)


def test_the_volume_envelope_decays_at_its_rate_to_its_sustain(tmp_path):
    # Decay of 1 s for 100 dB, sustain at -20 dB: reached after 0.2 s.
    path = make_soundfont(tmp_path / "tone.sf2", generators=[(36, 0), (37, 200)])
    note = render_note(Soundfont(path), program=5, pitch=69, duration_s=1.0, velocity=127)
    levels = [np.abs(note[int(t * 44_100) :][:441]).max() for t in (0.095, 0.3, 0.8)]
    assert 20 * np.log10(np.array(levels) / 0.5) == pytest.approx([-9.5, -20, -20], abs=0.6)


def test_the_filter_takes_away_what_is_above_its_cutoff(tmp_path):
    # 4200 cents above 8.176 Hz are 92.5 Hz, 2.25 octaves below the tone: about -27 dB.
    dull = Soundfont(make_soundfont(tmp_path / "dull.sf2", generators=[(8, 4200)]))
    note = render_note(dull, program=5, pitch=69, duration_s=0.5, velocity=127)[5000:15_000]
    assert 20 * np.log10(np.abs(note).max() / 0.5) == pytest.approx(-27.1, abs=0.7)


@pytest.mark.parametrize(("instrument", "program"), PROGRAMS, ids=PROGRAM_IDS)
def test_every_program_sounds_at_the_pitch_it_is_asked_for(font, instrument, program):
    pitch = 69 if program.low <= 69 <= program.high else program.high
    expected_hz = 440 * 2 ** ((pitch - 69) / 12)
    note = render_note(font, program=program.number, pitch=pitch, duration_s=0.8)
    assert np.abs(note).max() > 0.02
    if program.number in BY_OCTAVES:
        spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note)), 2**17))
        frequencies = np.fft.rfftfreq(2**17, 1 / 44_100)
        strongest = frequencies[spectrum.argmax()]
        partial = strongest / (expected_hz / 2)
        assert partial == pytest.approx(round(partial), rel=0.01)
    else:
        found = fundamental(note[6000:30_000], 44_100, near=expected_hz)
        assert found == pytest.approx(expected_hz, rel=0.01)


def test_a_key_between_two_samples_takes_the_nearest(font):
    # The alto saxophone of this soundfont has no sample for E4.
    note = render_note(font, program=65, pitch=64, duration_s=0.8)[6000:30_000]
    assert fundamental(note, 44_100, near=329.63) == pytest.approx(329.63, rel=0.01)


def test_a_missing_program_is_an_error(tmp_path):
    tone = Soundfont(make_soundfont(tmp_path / "tone.sf2"))
    with pytest.raises(ValueError, match="must have program 73 in bank 0"):
        render_note(tone, program=73, pitch=69, duration_s=0.5)


def test_a_file_that_is_no_soundfont_is_an_error(tmp_path):
    path = tmp_path / "font.sf2"
    path.write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    with pytest.raises(ValueError, match=r"must be an SF2 file .* b'RIFF"):
        Soundfont(path)


def test_a_truncated_soundfont_is_an_error(tmp_path):
    path = make_soundfont(tmp_path / "tone.sf2")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"is damaged: it has no|points outside"):
        Soundfont(path).regions(5)


def test_a_record_that_points_outside_the_file_is_an_error(tmp_path):
    path = make_soundfont(tmp_path / "tone.sf2", generators=[(12, 30)])
    with pytest.raises(ValueError, match="is damaged: a record of program 5 points outside"):
        Soundfont(path).regions(5)


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
    assert 10 * np.log10((response**2).sum()) == pytest.approx(-6)
    early, late = ((response[int(t * 44_100) :][:2205] ** 2).sum() for t in (0.05, 0.35))
    assert 10 * np.log10(late / early) == pytest.approx(-36, abs=1)


def test_a_dry_room_without_colour_changes_nothing(rng):
    room = Room(rt60_s=0.2, wet_db=-300, predelay_s=0.0, damping_hz=5000, tilt_db=0.0, seed=1)
    waveform = rng.standard_normal(5000)
    assert record(waveform, room, sr=22_050) == pytest.approx(waveform)


def test_noise_has_unit_power(rng):
    noise = make_noise(5000, rng, cutoff_hz=1000, sr=22_050)
    assert (noise**2).mean() == pytest.approx(1)


# What is played


def test_instruments_are_those_of_irmas():
    codes = [instrument.code for instrument in list_instruments()]
    assert " ".join(codes) == "cel cla flu gac gel org pia sax tru vio voi"


@pytest.mark.parametrize("instrument", list_instruments(), ids=lambda each: each.code)
def test_several_programs_mean_that_some_are_kept_for_testing(instrument):
    train, validation, test = ({p.number for p in instrument.programs_of(s)} for s in SPLITS)
    assert train
    assert validation
    assert test
    if len(instrument.programs) > 1:
        assert not train & test


@pytest.mark.parametrize(("instrument", "program"), PROGRAMS, ids=PROGRAM_IDS)
def test_bands_cover_a_range_without_overlap(instrument, program):
    covered = [p for low, high in program.bands() for p in range(low, high + 1)]
    assert covered == list(range(program.low, program.high + 1))


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_all_pitch_classes(split):
    pitches = {p % 12 for _, program in PROGRAMS for p in program.pitches(split)}
    assert pitches == set(range(12))


def test_phrases_stay_within_their_part_and_the_clip(rng):
    instrument = list_instruments()[6]
    part = Part(instrument, instrument.programs[0], (60, 61, 65, 66))
    for _ in range(50):
        for note in draw_phrase(part, rng, seconds=2.0):
            assert 0 <= note.start_s < note.start_s + note.duration_s <= 2.0
            assert note.pitch in part.pitches
            assert 1 <= note.velocity <= 127


def test_default_songs_suffice_for_a_bootstrap_by_group():
    assert len({take.group for take in plan_songs("test", 240, 0)}) >= 24


def test_songs_let_all_instruments_play_about_equally_often():
    counts = dict.fromkeys((i.code for i in list_instruments()), 0)
    for take in plan_songs("test", 240, 0):
        for part in take.parts:
            counts[part.instrument.code] += 1
    assert min(counts.values()) > 0.5 * max(counts.values())


def test_a_song_keeps_its_room_programs_and_levels():
    for song in {t.group for t in plan_songs("test", 60, 0)}:
        takes = [t for t in plan_songs("test", 60, 0) if t.group == song]
        assert len({t.room for t in takes}) == 1
        parts = {part for t in takes for part in t.parts}
        assert len({part.instrument for part in parts}) == len(parts) <= 4


def test_a_part_too_soft_to_hear_is_neither_labelled_nor_mixed(font):
    def take(*parts):
        return Take("test", "g", "n", parts, draw_room(make_rng(0, (7,))), (7, 7))

    flute, violin = list_instruments()[2], list_instruments()[9]
    loud = Part(flute, flute.programs[0], (69, 74))
    buried = Part(violin, violin.programs[0], (64, 69), gain_db=-40)
    settings = {"seconds": 1.0, "sr": 22_050, "seed": 0}
    alone, _ = render_clip(take(loud), font, **settings)
    mixed, row = render_clip(take(loud, buried), font, **settings)
    assert row["labels"] == "flu"
    assert row["programs"] == "73"
    # What differs then is the noise alone, of which other draws were made.
    similarity = np.corrcoef(alone, mixed)[0, 1]
    assert similarity > 0.98


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


def test_a_clip_does_not_depend_on_the_clips_before_it(corpus, rows, font):
    take = list(plan_training(SMALL["n_train"], 0))[20]
    waveform, row = render_clip(take, font, seconds=1.0, sr=22_050, seed=0)
    stored, _ = soundfile.read(corpus / rows[20]["path"], dtype="float32")
    assert stored == pytest.approx(waveform, abs=1 / 32_768)
    assert rows[20]["pitches"] == row["pitches"]


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
    assert json.loads((manifest.parent / "card.json").read_text())["settings"]["n_train"] == 12
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


def test_a_failed_rendering_leaves_nothing(tmp_path):
    path = make_soundfont(tmp_path / "tone.sf2")
    with pytest.raises(ValueError, match="must have program 42"):
        render_corpus(tmp_path / "corpus", soundfont=path, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["tone.sf2"]


def test_a_soundfont_that_stays_silent_is_an_error(tmp_path):
    path = make_soundfont(tmp_path / "hush.sf2", waveform=np.zeros(1000), program=42)
    with pytest.raises(ValueError, match=r"programs \[42\] .* must sound for 0\.5 s"):
        render_corpus(tmp_path / "corpus", soundfont=path, **SMALL)


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
        ValueError, match=r"n_train must be at least 11, got 3; seconds .* got 0\.2"
    ):
        render_corpus(tmp_path / "corpus", n_train=3, seconds=0.2)


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
