"""Soundfonts: notes sound as the file says, SF3 as SF2, and every instrument finds its programs."""

import io
import struct

import numpy as np
import pytest
import soundfile

from features.synthesis import (
    Instrument,
    Program,
    Soundfont,
    find_soundfont,
    list_instruments,
    render_corpus,
    render_note,
)
from features.synthesis.chunks import read_chunks
from features.synthesis.orchestra import list_soundfonts, make_orchestra

PROGRAMS = [(i, p) for i in list_instruments() for p in i.programs]
PROGRAM_IDS = [f"{i.code}-{p.number}" for i, p in PROGRAMS]
# These sound in octaves (stops, drawbars) or as a detuned group; their lowest partial is not the
# written pitch.
BY_OCTAVES = {16, 17, 18, 19}
TONE = Instrument("tone", "sine", (Program(5, "sine", 48, 84),))
SMALL = {"n_train": 2, "n_validation": 0, "n_test": 2, "seconds": 1.0, "instruments": [TONE]}


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


def make_sf3(path, source, *, loops=True):
    """Write an SF3 file: the samples of an SF2 file as Ogg Vorbis streams."""
    chunks = read_chunks(source)
    headers, streams, end = chunks.records["shdr"].copy(), [], 0
    for header in headers[:-1]:
        first, last = int(header["start"]), int(header["end"])
        stream = io.BytesIO()
        waveform = chunks.smpl[2 * first : 2 * last].view("<i2")
        with soundfile.SoundFile(
            stream, "w", int(header["sr"]), 1, "VORBIS", format="OGG", compression_level=0.0
        ) as file:
            # libsndfile's encoder needs a deep stack for a long write.
            for start in range(0, len(waveform), 65_536):
                file.write(np.asarray(waveform[start : start + 65_536]))
        streams.append(stream.getvalue())
        header["start"], end = end, end + len(streams[-1])
        header["end"] = end
        header["loop_start"] -= first
        header["loop_end"] -= first
        header["kind"] |= 0x10
    data = source.read_bytes()
    records = data[data.index(b"pdta") : data.index(b"shdr")] + chunk(b"shdr", headers.tobytes())
    samples = chunk(b"LIST", b"sdta" + chunk(b"smpl", b"".join(streams)))
    path.write_bytes(chunk(b"RIFF", b"sfbk" + samples + chunk(b"LIST", records)))
    return path


@pytest.fixture(scope="module")
def font():
    return Soundfont(find_soundfont())


@pytest.fixture(scope="module")
def sf3(tmp_path_factory):
    return Soundfont(make_sf3(tmp_path_factory.mktemp("sf3") / "tim.sf3", find_soundfont()))


# Notes


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
    with pytest.raises(ValueError, match=r"must be an SF2 or SF3 file .* b'RIFF"):
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


def test_a_loop_is_played_without_a_seam(tmp_path):
    # A loop of 13 periods, read at 1.5 times its speed.
    waveform = 0.5 * np.sin(2 * np.pi * np.arange(1300) / 100)
    tone = Soundfont(make_soundfont(tmp_path / "tone.sf2", waveform=waveform, key=60))
    note = render_note(tone, program=5, pitch=60 + 12 * np.log2(1.5), duration_s=1, velocity=127)
    expected = 0.5 * np.sin(2 * np.pi * np.arange(44_000) * 1.5 / 100)
    assert note[100:44_000] == pytest.approx(expected[100:], abs=1e-3)


def test_percussion_plays_the_key_it_is_asked_for_and_no_other(font):
    kick, hat = (
        render_note(font, program=0, bank=128, pitch=key, duration_s=0.2) for key in (36, 42)
    )
    centroids = []
    for sound in (kick, hat):
        power = np.abs(np.fft.rfft(sound)) ** 2
        centroids.append((power * np.fft.rfftfreq(len(sound), 1 / 44_100)).sum() / power.sum())
    assert centroids[0] < 300
    assert centroids[1] > 3000
    with pytest.raises(ValueError, match="of bank 128 at key 3 and velocity 100; it has none"):
        render_note(font, program=0, bank=128, pitch=3, duration_s=0.2)


def test_all_programs_of_a_font_are_known(font):
    assert {(0, number) for number in range(128)} | {(128, 0)} <= font.programs
    # The record that marks the end of the presets is none.
    assert (0, 255) not in font.programs


# SF3


@pytest.mark.parametrize(("instrument", "program"), PROGRAMS, ids=PROGRAM_IDS)
def test_a_note_of_an_sf3_file_is_that_of_the_sf2_file(font, sf3, instrument, program):
    settings = {"program": program.number, "pitch": program.low, "duration_s": 0.6}
    plain, packed = (render_note(each, **settings) for each in (font, sf3))
    assert len(plain) == len(packed)
    assert np.corrcoef(plain, packed)[0, 1] > 0.999


def test_an_sf3_file_has_the_presets_of_the_sf2_file(font, sf3):
    assert sf3.programs == font.programs
    assert sf3.path.stat().st_size < 0.7 * font.path.stat().st_size


def test_the_loop_of_a_packed_sample_goes_on_for_as_long_as_the_key_is_down(tmp_path):
    plain = make_soundfont(tmp_path / "tone.sf2")
    packed = Soundfont(make_sf3(tmp_path / "tone.sf3", plain))
    note = render_note(packed, program=5, pitch=69, duration_s=2.0)[66_150:88_200]
    assert fundamental(note, 44_100, near=441) == pytest.approx(441, rel=1e-3)
    assert np.abs(note).max() == pytest.approx(0.5 * (100 / 127) ** 2, rel=0.02)


def test_a_packed_sample_that_is_no_vorbis_stream_is_an_error(tmp_path):
    path = make_sf3(tmp_path / "tone.sf3", make_soundfont(tmp_path / "tone.sf2"))
    path.write_bytes(path.read_bytes().replace(b"OggS", b"oops"))
    with pytest.raises(ValueError, match=r"is damaged: sample .*tone.* must be an Ogg Vorbis"):
        render_note(Soundfont(path), program=5, pitch=69, duration_s=0.5)


# Several soundfonts


def test_soundfonts_of_a_folder_are_found_at_any_depth_by_name(tmp_path):
    (tmp_path / "more").mkdir()
    second = make_soundfont(tmp_path / "more" / "b.SF2")
    first = make_sf3(tmp_path / "a.sf3", second)
    (tmp_path / "readme.txt").write_text("fonts")
    assert list_soundfonts(tmp_path) == (first, second)
    assert list_soundfonts([second, tmp_path]) == (second, first)


@pytest.mark.parametrize(
    ("name", "message"), [("absent.sf2", "does not exist"), ("", "has no .sf2 or .sf3 file in it")]
)
def test_no_soundfont_is_an_error(tmp_path, name, message):
    with pytest.raises(FileNotFoundError, match=message):
        list_soundfonts(tmp_path / name)


def test_soundfonts_of_one_name_are_an_error(tmp_path):
    (tmp_path / "more").mkdir()
    fonts = [make_soundfont(tmp_path / "a.sf2"), make_soundfont(tmp_path / "more" / "a.sf2")]
    with pytest.raises(ValueError, match=r"different file names.*a\.sf2 occurs more than once"):
        make_orchestra([TONE], fonts, splits=["train"])


def test_a_soundfont_for_testing_may_not_be_a_copy_of_one_for_training(tmp_path):
    ours, theirs = make_soundfont(tmp_path / "a.sf2"), make_soundfont(tmp_path / "b.sf2")
    with pytest.raises(ValueError, match=r"not be one for training as well, b\.sf2 is"):
        make_orchestra([TONE], ours, test_soundfonts=theirs, splits=["train", "test"])


def test_a_program_is_played_by_the_soundfonts_that_have_it(tmp_path):
    table = [Instrument("a", "a", (Program(5, "five", 48, 84), Program(6, "six", 48, 84)))]
    five = make_soundfont(tmp_path / "five.sf2")
    both = [five, make_soundfont(tmp_path / "six.sf2", program=6)]
    orchestra = make_orchestra(table, both, splits=["train", "test"])
    players = orchestra.players(table[0], "train")
    assert [each.soundfonts for each in players] == [(both[0],), (both[1],)]
    assert orchestra.left_out() == []
    alone = make_orchestra(table, five, splits=["train", "test"])
    assert [each.program.number for each in alone.players(table[0], "train")] == [5]
    assert alone.left_out() == ["program 6 (six) of a in train", "program 6 (six) of a in test"]


def test_instruments_that_no_soundfont_can_play_are_named_together(tmp_path):
    font = make_soundfont(tmp_path / "tone.sf2", program=42)
    with pytest.raises(
        ValueError, match=r"tone\.sf2 must have one of .*: cla in train \(program 71\); flu in"
    ):
        make_orchestra(list_instruments(), font, splits=["train"])


def test_a_table_that_names_a_program_twice_is_an_error(tmp_path):
    font = make_soundfont(tmp_path / "tone.sf2")
    again = Instrument("sine", "sine", TONE.programs)
    with pytest.raises(ValueError, match="distinct codes and programs: program 5 occurs twice"):
        make_orchestra([TONE, again], font, splits=["train"])


def test_what_is_tested_is_played_on_other_soundfonts_than_what_is_trained_on(tmp_path):
    fonts = [make_soundfont(tmp_path / f"{name}.sf2", sr=sr) for name, sr in
             (("a", 44_100), ("b", 32_000), ("c", 22_050))]  # fmt: skip
    manifest = render_corpus(
        tmp_path / "corpus", soundfonts=fonts[:2], test_soundfonts=fonts[2], **SMALL
    )
    rows = [line.split(",") for line in manifest.read_text().splitlines()]
    split, used = rows[0].index("split"), rows[0].index("soundfonts")
    assert {(row[split], row[used]) for row in rows[1:]} == {
        ("train", "a.sf2"),
        ("train", "b.sf2"),
        ("test", "c.sf2"),
    }


def test_one_soundfont_and_several_cannot_both_be_given(tmp_path):
    font = make_soundfont(tmp_path / "tone.sf2")
    with pytest.raises(ValueError, match="only one of soundfont and soundfonts"):
        render_corpus(tmp_path / "corpus", soundfont=font, soundfonts=[font], **SMALL)


def test_clips_of_a_damaged_soundfont_are_listed_and_the_others_rendered(tmp_path):
    good = make_soundfont(tmp_path / "good.sf2")
    bad = make_sf3(tmp_path / "bad.sf3", good)
    bad.write_bytes(bad.read_bytes().replace(b"OggS", b"oops"))
    manifest = render_corpus(tmp_path / "corpus", soundfonts=[good, bad], **SMALL)
    failures = (manifest.parent / "failures.csv").read_text().splitlines()
    n_clips = len(manifest.read_text().splitlines()) - 1
    assert failures[0] == "clip_id,path,reason"
    assert len(failures) - 1 + n_clips == 4
    assert n_clips >= 1
    assert all("bad.sf3 is damaged" in line for line in failures[1:])
    assert len(failures) > 1


def test_a_failed_rendering_leaves_nothing(tmp_path):
    path = make_soundfont(tmp_path / "tone.sf2")
    with pytest.raises(ValueError, match=r"must have one of these in bank 0, and has not: cel in"):
        render_corpus(tmp_path / "corpus", soundfont=path)
    assert [p.name for p in tmp_path.iterdir()] == ["tone.sf2"]


def test_a_soundfont_that_stays_silent_is_an_error(tmp_path):
    path = make_soundfont(tmp_path / "hush.sf2", waveform=np.zeros(1000))
    with pytest.raises(
        ValueError, match=r"no clip could be rendered: .* sound for 0\.5 s; programs 5 of hush\.sf2"
    ):
        render_corpus(tmp_path / "corpus", soundfont=path, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["hush.sf2"]
