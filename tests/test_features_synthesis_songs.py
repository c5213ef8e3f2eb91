"""What is played: instruments, phrases, and songs in which every label plays equally often."""

from collections import Counter

import pytest

from features.synthesis import list_families, list_instruments
from features.synthesis.instruments import SPLITS
from features.synthesis.orchestra import make_orchestra
from features.synthesis.score import Part, draw_phrase
from features.synthesis.songs import plan_clips
from features.synthesis.soundfont import find_soundfont

PROGRAMS = [(i, p) for i in list_instruments() for p in i.programs]
PROGRAM_IDS = [f"{i.code}-{p.number}" for i, p in PROGRAMS]


@pytest.fixture(scope="module")
def orchestra():
    return make_orchestra(list_instruments(), find_soundfont(), splits=SPLITS)


def count_labels(takes):
    return Counter(part.instrument.code for take in takes for part in take.parts)


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
    part = Part(instrument, instrument.programs[0], (60, 61, 65, 66), find_soundfont())
    for _ in range(50):
        for note in draw_phrase(part, rng, seconds=2.0):
            assert 0 <= note.start_s < note.start_s + note.duration_s <= 2.0
            assert note.pitch in part.pitches
            assert 1 <= note.velocity <= 127


def test_families_are_all_128_programs_with_some_kept_for_testing():
    families = list_families()
    numbers = [program.number for family in families for program in family.programs]
    assert numbers == list(range(128))
    assert len({family.code for family in families}) == 16
    for family in families:
        assert all(family.programs_of(split) for split in SPLITS)
        assert all(program.pitches("test") for program in family.programs)


def test_default_songs_suffice_for_a_bootstrap_by_group(orchestra):
    takes = plan_clips(orchestra, "test", 240, seed=0, voices=(1, 4))
    assert len({take.group for take in takes}) >= 24


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("split", "n_clips", "voices"),
    [
        ("train", 660, (1, 1)),
        ("validation", 120, (1, 4)),
        ("test", 240, (1, 4)),
        ("test", 240, (1, 1)),
        ("train", 300, (1, 3)),
        ("test", 100, (2, 6)),
    ],
)
def test_all_labels_are_in_equally_many_clips_within_one(orchestra, split, n_clips, voices, seed):
    takes = plan_clips(orchestra, split, n_clips, seed=seed, voices=voices)
    counts = count_labels(takes).values()
    assert len(takes) == n_clips
    assert len(counts) == 11
    assert max(counts) - min(counts) <= 1
    sizes = {len(take.parts) for take in takes}
    assert (min(sizes), max(sizes)) == voices


def test_balancing_keeps_the_number_of_voices_that_was_drawn(orchestra):
    takes = plan_clips(orchestra, "test", 240, seed=0, voices=(1, 4))
    shares = Counter(len(take.parts) for take in takes)
    assert 0.3 < shares[1] / 240 < 0.5
    assert shares[3] + shares[4] > 0.15 * 240


def test_a_song_keeps_its_room_programs_and_levels(orchestra):
    songs = {}
    for take in plan_clips(orchestra, "test", 60, seed=0, voices=(1, 4)):
        songs.setdefault(take.group, []).append(take)
    for takes in songs.values():
        assert len(takes) == 6
        assert len({take.room for take in takes}) == 1
        parts = {part for take in takes for part in take.parts}
        assert len({part.instrument for part in parts}) == len(parts) <= 4


def test_groups_of_single_players_are_of_one_split(orchestra):
    groups = [
        {take.group for take in plan_clips(orchestra, split, 110, seed=0, voices=(1, 1))}
        for split in ("train", "test")
    ]
    assert not groups[0] & groups[1]


def test_other_seeds_plan_other_songs(orchestra):
    first, second = (
        [take.parts for take in plan_clips(orchestra, "test", 30, seed=seed, voices=(1, 4))]
        for seed in (0, 1)
    )
    assert first != second
