"""Mixes: what sounds is what the tables say, no source leaves its block, the same every time."""

import json
import shutil
import tempfile
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from features.audio import load_audio, load_clip
from features.manifest import make_manifest, read_manifest
from features.synthesis.arrangement import (
    MODES,
    Place,
    add_up,
    cut_excerpt,
    fade,
    find_sounding,
    limit_lengths,
    make_lines,
    place_voices,
)
from features.synthesis.levelling import measure_loudness, safe_gain
from features.synthesis.matching import is_consonant
from features.synthesis.mix import mix_corpus
from features.synthesis.negative_classes import ClassDeck

SR = 8000
LABELS = ("bass", "cello", "flute", "oboe", "piano")
N_GROUPS = 6
# Small blocks are what is tested here, and the fewer files the faster.
SMALL = {"sr": SR, "n_folds": 2, "n_blocks": 2, "voices": (2, 3)}


def tone(midi, *, seconds=0.5, level=0.2):
    times = np.arange(round(seconds * SR)) / SR
    frequency = 440 * 2 ** ((midi - 69) / 12)
    return level * sum(np.sin(2 * np.pi * k * frequency * times) / k for k in (1, 2, 3))


@pytest.fixture(scope="module")
def singles(tmp_path_factory):
    """One file a group, of which each clip is a part: levels and pitches differ."""
    root = tmp_path_factory.mktemp("singles")
    rows = []
    for k, label in enumerate(LABELS):
        for number in range(N_GROUPS):
            midi, level = 48 + 2 * number + k, 0.02 * 2**number / 2**k * 4
            name = f"{label}-{number}.wav"
            soundfile.write(root / name, tone(midi, seconds=1.0, level=min(level, 0.5)), SR)
            for start_s, end_s in ((0.0, 0.5), (0.5, 1.0)):
                rows.append((name, label, f"{label}-{number}", start_s, end_s, midi))
    columns = ["path", "labels", "group", "start_s", "end_s", "midi"]
    return make_manifest(pd.DataFrame(rows, columns=columns), root)


@pytest.fixture(scope="module")
def corpus(singles, tmp_path_factory):
    return mix_corpus(singles, tmp_path_factory.mktemp("mix") / "corpus", **SMALL).parent


def mixes_of(manifest_path):
    clips = read_manifest(manifest_path).clips
    return clips[clips["sources"] != ""].reset_index(drop=True)


def read_events(directory):
    return pd.read_csv(directory / "events.csv")


def contents(directory):
    return {p.relative_to(directory): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def parts(cell):
    return cell.split(";")


# Who sounds together


def draw_all(labels, n, *, n_voices=2, fits=None):
    rng = np.random.default_rng(440)
    fits = fits or (lambda clip: np.ones(len(labels), dtype=bool))
    deck = ClassDeck(np.array(labels, dtype=bool), rng)
    return [deck.draw(n_voices, fits=fits) for _ in range(n)]


def test_each_clip_of_a_mix_brings_a_class_that_does_not_sound_yet(rng):
    labels = rng.random((40, 6)) < 0.3
    for drawn in draw_all(labels, 50, n_voices=4):
        sounding = np.zeros(6, dtype=bool)
        for clip in drawn:
            assert (labels[clip] & ~sounding).any()
            sounding |= labels[clip]


def test_classes_come_up_equally_often_however_rare():
    labels = np.eye(5, dtype=bool).repeat([1, 2, 5, 20, 40], axis=0)
    drawn = draw_all(labels, 100)
    counts = labels[np.concatenate(drawn)].sum(axis=0)
    assert np.ptp(counts) <= 1


def test_clips_of_a_class_come_up_equally_often():
    labels = np.eye(2, dtype=bool).repeat([4, 8], axis=0)
    uses = np.bincount(np.concatenate(draw_all(labels, 32)))
    assert uses.tolist() == [8] * 4 + [4] * 8


def test_all_pairs_of_classes_meet():
    drawn = draw_all(np.eye(6, dtype=bool), 300)
    assert len({tuple(sorted(pair)) for pair in drawn}) == 15


def test_a_clip_without_classes_is_never_drawn():
    drawn = draw_all([[1, 0], [0, 0], [0, 1]], 20)
    assert set(np.concatenate(drawn)) == {0, 2}


def test_where_no_class_is_left_fewer_sound():
    assert [len(drawn) for drawn in draw_all(np.eye(2, dtype=bool), 3, n_voices=3)] == [2, 2, 2]


def test_only_what_fits_all_others_is_drawn():
    values = np.arange(12) % 3
    drawn = draw_all(np.eye(12, dtype=bool), 30, n_voices=4, fits=lambda k: values == values[k])
    assert all(len(set(values[clips])) == 1 and len(clips) == 4 for clips in drawn)


# When they sound


@pytest.mark.parametrize(
    ("mode", "n", "lines"),
    [
        ("sum", 3, [[0], [1], [2]]),
        ("concat", 3, [[0, 1, 2]]),
        ("both", 5, [[0, 1, 2], [3, 4]]),
        ("both", 1, [[0]]),
    ],
)
def test_voices_make_lines(mode, n, lines):
    assert make_lines(n, mode=mode) == lines


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([50, 20], [50, 20]),
        ([200, 100, 90], [34, 33, 33]),
        ([200, 10, 5], [85, 10, 5]),
        ([40, 30, 30], [40, 30, 30]),
    ],
    ids=["short", "long", "one-long", "just"],
)
def test_a_line_that_is_too_long_is_shared_fairly(lengths, expected):
    line = list(range(len(lengths)))
    limited = limit_lengths(lengths, [line], limit=100)
    assert sorted(limited) == sorted(expected)
    assert limited == [min(a, b) for a, b in zip(lengths, limited, strict=True)]


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    st.sampled_from(MODES),
    st.none() | st.floats(0.0, 0.5),
    st.none() | st.integers(100, 4000),
    st.integers(0, 99),
)
def test_places_keep_the_limit_the_overlap_and_the_beginning(lengths, mode, overlap, limit, seed):
    lines = make_lines(len(lengths), mode=mode)
    if limit is not None:
        lengths = [max(1, n) for n in limit_lengths(lengths, lines, limit=limit)]
    places = place_voices(lengths, lines, np.random.default_rng(seed), overlap=overlap, limit=limit)
    starts = np.array([place.start for place in places])
    ends = starts + lengths
    assert starts.min() == 0
    if limit is not None:
        assert ends.max() <= limit
    for line in lines:
        for voice, following in pairwise(line):
            common = ends[voice] - starts[following]
            shorter = min(lengths[voice], lengths[following])
            assert common == places[voice].fade_out == places[following].fade_in
            assert common == round((overlap or 0.0) * shorter)
    spans = [(starts[line].min(), ends[line].max()) for line in lines]
    longest = max(spans, key=lambda span: span[1] - span[0])
    for first, last in spans:
        common = min(last, longest[1]) - max(first, longest[0])
        share = 1.0 if overlap is None else overlap
        assert common >= int(share * (last - first)) - 1


def test_a_cross_fade_keeps_the_power():
    rise = fade(np.ones(100, dtype=np.float32), Place(0, fade_in=100))
    fall = fade(np.ones(100, dtype=np.float32), Place(0, fade_out=100))
    assert rise**2 + fall**2 == pytest.approx(np.ones(100))
    assert rise[0] < 0.01 < 0.99 < rise[-1]


def test_voices_are_added_at_their_places():
    mix = add_up([np.ones(3, np.float32), np.full(2, 2, np.float32)], [Place(0), Place(2)])
    assert mix.tolist() == [1, 1, 3, 2]


def test_an_excerpt_is_of_what_sounds(rng):
    waveform = np.zeros(40_000, dtype=np.float32)
    waveform[20_000:21_000] = rng.standard_normal(1000)
    for _ in range(20):
        excerpt = cut_excerpt(waveform, 4000, rng, sr=SR)
        assert len(excerpt) == 4000
        assert np.abs(excerpt).max() > 0.1


def test_an_excerpt_is_faded_where_it_was_cut(rng):
    excerpt = cut_excerpt(np.ones(40_000, dtype=np.float32), 4000, rng, sr=SR)
    assert np.abs(excerpt[[0, -1]]).max() < 0.02
    assert (excerpt[80:-80] == 1).all()


def test_a_sound_that_is_short_enough_is_no_excerpt(rng):
    waveform = np.ones(100, dtype=np.float32)
    assert cut_excerpt(waveform, 100, rng, sr=SR) is waveform


def test_sounding_stretches_are_found_and_rests_bridged():
    waveform = np.zeros(4 * SR)
    for start_s, end_s in ((0.5, 1.0), (1.1, 1.5), (2.5, 3.0)):
        waveform[round(start_s * SR) : round(end_s * SR)] = 0.1
    waveform += 1e-4
    assert find_sounding(waveform, sr=SR) == pytest.approx(np.array([(0.5, 1.5), (2.5, 3.0)]))
    assert find_sounding(np.zeros(SR), sr=SR) == []
    assert find_sounding(np.ones(5), sr=SR) == [(0.0, 5 / SR)]


# How loud


def test_a_mix_is_turned_down_to_its_highest_peak_only_if_it_passes_it():
    assert safe_gain(np.array([0.5, -2.0])) == pytest.approx(-1.0 - 6.0206, abs=1e-4)
    assert safe_gain(np.array([0.5, -0.89])) == 0.0
    assert safe_gain(np.zeros(3)) == 0.0


# The corpus


def test_a_mix_is_the_sum_of_its_sources_at_their_gains(corpus, singles):
    clips = dict(zip(singles.clips["clip_id"], singles.audio_clips(), strict=True))
    for row in mixes_of(corpus / "manifest.csv").itertuples():
        mix, sr = soundfile.read(corpus / row.path, dtype="float32")
        gains = [10 ** (float(gain_db) / 20) for gain_db in parts(row.gains_db)]
        sources = [load_clip(clips[clip_id], sr=SR) for clip_id in parts(row.sources)]
        # All are of one length, and so begin together.
        expected = np.sum([gain * x for gain, x in zip(gains, sources, strict=True)], axis=0)
        assert sr == SR
        np.testing.assert_allclose(mix, expected, atol=2e-3 * np.abs(expected).max())
        assert float(row.duration_s) == len(mix) / SR == 0.5


def test_sources_are_levelled_and_gains_drawn_from_their_range(corpus, singles):
    clips = dict(zip(singles.clips["clip_id"], singles.audio_clips(), strict=True))
    levels = []
    for row in mixes_of(corpus / "manifest.csv").itertuples():
        for clip_id, gain_db in zip(parts(row.sources), parts(row.gains_db), strict=True):
            loudness = measure_loudness(load_clip(clips[clip_id], sr=SR), sr=SR)
            levels.append(loudness + float(gain_db))
    assert -29.02 < min(levels) < -28
    assert -24 < max(levels) < -22.98


def test_loudness_in_the_manifest_is_the_mixs(corpus):
    for row in mixes_of(corpus / "manifest.csv").head(5).itertuples():
        mix, sr = load_audio(corpus / row.path)
        assert measure_loudness(mix, sr=sr) == pytest.approx(float(row.loudness_lufs), abs=0.02)


def test_no_mix_clips_however_loud_it_is_asked_for(singles, tmp_path):
    manifest = mix_corpus(
        singles, tmp_path / "loud", **SMALL, n_mixes=8, loudness_lufs=0.0, gain_db=(10.0, 10.0)
    )
    for row in mixes_of(manifest).itertuples():
        mix, _ = soundfile.read(manifest.parent / row.path, dtype="float32")
        assert 20 * np.log10(np.abs(mix).max()) == pytest.approx(-1.0, abs=0.01)


def test_labels_are_those_of_the_sources_and_come_up_equally_often(corpus, singles):
    label_of = dict(zip(singles.clips["clip_id"], singles.clips["labels"], strict=True))
    mixes = mixes_of(corpus / "manifest.csv")
    for row in mixes.itertuples():
        assert parts(row.labels) == sorted(label_of[clip_id] for clip_id in parts(row.sources))
    counts = mixes["labels"].str.split(";").explode().value_counts()
    assert len(mixes) == len(singles)
    assert set(counts.index) == set(LABELS)
    assert counts.max() - counts.min() <= 4
    assert set(mixes["labels"].str.count(";")) == {1, 2}


def test_single_clips_are_rows_of_their_blocks_with_their_own_files(corpus, singles):
    manifest = read_manifest(corpus / "manifest.csv")
    is_single = (manifest.clips["sources"] == "").to_numpy()
    rows = manifest.select(is_single)
    assert rows.clips["clip_id"].tolist() == singles.clips["clip_id"].tolist()
    assert rows.clips["source_group"].tolist() == singles.clips["group"].tolist()
    assert rows.clips["midi"].astype(int).tolist() == singles.clips["midi"].tolist()
    assert rows.audio_clips() == singles.audio_clips()
    assert set(rows.clips["group"]) == set(manifest.clips["group"])
    assert manifest.task == "multi-label"


def check_truth(directory, manifest):
    """No source outside its mix's block, block in one fold, group in one block, events whole."""
    clips = manifest.clips
    singles = clips[clips["sources"] == ""].set_index("clip_id")
    mixes = clips[clips["sources"] != ""]
    for row in mixes.itertuples():
        for clip_id in parts(row.sources):
            home = singles.loc[clip_id]
            assert (home["group"], home["fold"], home["split"]) == (row.group, row.fold, row.split)
    assert (singles.groupby("source_group")["fold"].nunique() == 1).all()
    assert (singles.groupby("source_group")["group"].nunique() == 1).all()
    assert (clips.groupby("group")["fold"].nunique() == 1).all()
    assert (clips.groupby("group")["split"].nunique() == 1).all()
    events = read_events(directory)
    sounding = events.groupby("clip_id")["label"].agg(set).to_dict()
    assert sounding == {row.clip_id: set(parts(row.labels)) for row in mixes.itertuples()}
    names = events.groupby("clip_id")["source"].agg(set).to_dict()
    assert names == {row.clip_id: set(parts(row.sources)) for row in mixes.itertuples()}
    ends = events["clip_id"].map(mixes.set_index("clip_id")["duration_s"].astype(float))
    assert ((events["onset_s"] >= 0) & (events["onset_s"] < events["offset_s"])).all()
    assert (events["offset_s"] <= ends + 1e-3).all()


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from(MODES), st.booleans(), st.integers(1, 3))
def test_no_source_crosses_a_block_a_fold_or_a_split(seed, mode, has_splits, n_blocks):
    rng = np.random.default_rng(seed)
    n_groups = int(rng.integers(24, 40))
    groups = rng.permutation(np.append(np.arange(n_groups), rng.integers(0, n_groups, 20)))
    labels_of_group = [
        {f"l{group % 4}", *(f"l{k}" for k in range(4) if rng.random() < 0.15)}
        for group in range(n_groups)
    ]
    split_of_group = np.where(np.arange(n_groups) // 4 % 3 == 0, "test", "train")
    starts = np.arange(len(groups)) * 0.05
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        soundfile.write(root / "noise.wav", 0.1 * rng.standard_normal(4 * SR), SR)
        table = {
            "path": "noise.wav",
            "start_s": starts,
            "end_s": starts + 0.1,
            "labels": [";".join(sorted(labels_of_group[group])) for group in groups],
            "group": [f"g{group}" for group in groups],
            "split": split_of_group[groups] if has_splits else "",
        }
        manifest = make_manifest(pd.DataFrame(table), root)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            path = mix_corpus(
                manifest,
                root / "mixed",
                mode=mode,
                sr=SR,
                n_folds=2,
                n_blocks=min(n_blocks, 2) if has_splits else n_blocks,
                n_mixes=40,
                seed=seed % 1000,
            )
        check_truth(path.parent, read_manifest(path))


def test_events_tell_when_each_source_sounds(tmp_path, write_wav):
    beep = np.zeros(2 * SR)
    beep[SR // 2 : SR] = tone(69, seconds=0.5)
    write_wav("singles/beep.wav", beep, SR)
    write_wav("singles/long.wav", tone(50, seconds=2.0), SR)
    table = {
        "path": ["beep.wav", "long.wav"] * 2,
        "clip_id": list("abcd"),
        "labels": ["beep", "long"] * 2,
        "group": list("abcd"),
        "fold": [0, 0, 1, 1],
    }
    manifest = make_manifest(pd.DataFrame(table), tmp_path / "singles")
    mixed = mix_corpus(manifest, tmp_path / "mixed", sr=SR, n_blocks=1, voices=(2, 2)).parent
    events = read_events(mixed)
    for row in events[events["label"] == "beep"].itertuples():
        assert (row.onset_s, row.offset_s) == pytest.approx((0.5, 1.0), abs=0.021)
    for row in events[events["label"] == "long"].itertuples():
        assert (row.onset_s, row.offset_s) == pytest.approx((0.0, 2.0))
    check_truth(mixed, read_manifest(mixed / "manifest.csv"))


def test_concatenated_sources_follow_each_other(singles, tmp_path):
    mixed = mix_corpus(singles, tmp_path / "m", **SMALL, n_mixes=8, mode="concat", overlap=0.2)
    events = read_events(mixed.parent)
    for row in mixes_of(mixed).itertuples():
        n = len(parts(row.sources))
        assert float(row.duration_s) == pytest.approx(0.5 * n - 0.1 * (n - 1))
        onsets = events[events["clip_id"] == row.clip_id]["onset_s"].tolist()
        assert onsets == pytest.approx([0.4 * k for k in range(n)], abs=0.021)


def test_both_sums_two_concatenations(singles, tmp_path):
    small = SMALL | {"voices": (4, 4), "n_mixes": 8}
    mixed = mix_corpus(singles, tmp_path / "m", **small, mode="both")
    events = read_events(mixed.parent)
    for row in mixes_of(mixed).itertuples():
        assert float(row.duration_s) == 1.0
        onsets = events[events["clip_id"] == row.clip_id]["onset_s"].tolist()
        assert onsets == pytest.approx([0.0, 0.5, 0.0, 0.5], abs=0.021)


@pytest.mark.parametrize("mode", MODES)
def test_no_mix_is_longer_than_its_limit(singles, tmp_path, mode):
    settings = SMALL | {"mode": mode, "seconds": 0.6, "overlap": 0.3, "n_mixes": 12}
    mixed = mix_corpus(singles, tmp_path / "m", **settings)
    lengths = mixes_of(mixed)["duration_s"].astype(float)
    assert lengths.max() <= 0.6
    check_truth(mixed.parent, read_manifest(mixed))


def test_clips_mixed_by_pitch_are_consonant(singles, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        mixed = mix_corpus(singles, tmp_path / "m", **SMALL, match="pitch")
    midi = dict(zip(singles.clips["clip_id"], singles.clips["midi"], strict=True))
    mixes = mixes_of(mixed)
    assert len(mixes) > 5
    for row in mixes.itertuples():
        pitches = np.array([midi[clip_id] for clip_id in parts(row.sources)], dtype=float)
        assert all(is_consonant(pitch, pitches).all() for pitch in pitches)


def test_clips_mixed_by_a_column_agree_in_it(singles, tmp_path):
    genres = np.array(["jazz", "pop", ""])[np.arange(len(singles)) // 2 % 3]
    tagged = make_manifest(singles.clips.assign(genre=genres), singles.root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        mixed = mix_corpus(tagged, tmp_path / "m", **(SMALL | {"voices": (2, 2)}), match="genre")
    genre_of = dict(zip(tagged.clips["clip_id"], genres, strict=True))
    pairs = [{genre_of[clip_id] for clip_id in parts(cell)} for cell in mixes_of(mixed)["sources"]]
    assert {"jazz"} in pairs
    assert all(pair in ({"jazz"}, {"pop"}) for pair in pairs)


def test_what_is_unknown_of_a_source_is_unknown_of_the_mix_unless_it_sounds(tmp_path, write_wav):
    write_wav("singles/a.wav", tone(60), SR)
    table = {
        "path": ["a.wav"] * 6,
        "clip_id": list("abcdef"),
        "labels": ["flute", "oboe", "piano"] * 2,
        "unknown_labels": ["oboe;harp", "", "*"] * 2,
        "group": list("abcdef"),
        "fold": [0, 0, 0, 1, 1, 1],
    }
    manifest = make_manifest(pd.DataFrame(table), tmp_path / "singles")
    mixed = mix_corpus(
        manifest, tmp_path / "m", sr=SR, n_blocks=1, voices=(2, 2), n_mixes=30, mixes_only=True
    )
    clips = read_manifest(mixed).clips
    expected = {"flute;oboe": "harp", "flute;piano": "*;harp;oboe", "oboe;piano": "*"}
    assert dict(zip(clips["labels"], clips["unknown_labels"], strict=True)) == expected


def test_clips_of_unknown_or_no_class_are_in_no_mix_but_in_the_manifest(singles, tmp_path):
    clips = singles.clips.copy()
    silent = clips["labels"] == "oboe"
    clips["labels"] = clips["labels"].mask(silent, "")
    clips.loc[clips.index % 2 == 0, "unknown_labels"] = "*"
    manifest = make_manifest(clips, singles.root)
    mixed = mix_corpus(manifest, tmp_path / "m", **SMALL)
    ids = set(clips.loc[silent, "clip_id"])
    used = {clip_id for cell in mixes_of(mixed)["sources"] for clip_id in parts(cell)}
    assert not used & ids
    assert ids <= set(read_manifest(mixed).clips["clip_id"])


def test_sources_that_cannot_be_used_are_listed_and_others_drawn(singles, tmp_path):
    root = tmp_path / "singles"
    shutil.copytree(singles.root, root)
    (root / "flute-0.wav").write_bytes(b"RIFF")
    (root / "oboe-1.wav").unlink()
    soundfile.write(root / "bass-2.wav", np.zeros(SR), SR)
    manifest = make_manifest(singles.clips, root)
    mixed = mix_corpus(manifest, tmp_path / "m", **SMALL)
    failures = pd.read_csv(mixed.parent / "failures.csv").set_index("path")["reason"].to_dict()
    assert set(failures) == {"flute-0.wav", "oboe-1.wav", "bass-2.wav"}
    assert "cannot be decoded" in failures["flute-0.wav"]
    assert failures["oboe-1.wav"] == "no such file"
    assert "cannot be levelled" in failures["bass-2.wav"]
    mixes = mixes_of(mixed)
    assert len(mixes) == len(singles)
    assert not mixes["sources"].str.contains("flute-0|oboe-1|bass-2").any()
    check_truth(mixed.parent, read_manifest(mixed))


def test_a_corpus_of_which_nothing_can_be_read_is_refused(singles, tmp_path):
    manifest = make_manifest(singles.clips, tmp_path / "nowhere")
    with pytest.raises(
        ValueError, match=r"no mix could be made: \d+ sources .*the first: no such file"
    ):
        mix_corpus(manifest, tmp_path / "m", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_fewer_mixes_than_wanted_are_warned_of(singles, tmp_path):
    # In its block, only the two clips of one group have the same genre.
    lonely = singles.clips.assign(genre=singles.clips["group"])
    lonely.loc[:9, "genre"] = "same"
    lonely.loc[20:29, "genre"] = "same"
    with pytest.warns(UserWarning, match=r"\d+ of 60 mixes were made: 0 sources could not be used"):
        mix_corpus(make_manifest(lonely, singles.root), tmp_path / "m", **SMALL, match="genre")


def test_segments_and_other_rates_are_sources_too(corpus, singles, tmp_path):
    at_16k = mix_corpus(singles, tmp_path / "m", **(SMALL | {"sr": 16_000, "n_mixes": 4}))
    for row in mixes_of(at_16k).itertuples():
        info = soundfile.info(at_16k.parent / row.path)
        assert (info.samplerate, info.frames, info.subtype) == (16_000, 8000, "PCM_16")


def test_fewer_mixes_than_blocks_are_made_in_some(singles, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        mixed = mix_corpus(singles, tmp_path / "m", **SMALL, n_mixes=2, match="pitch")
    assert len(set(mixes_of(mixed)["group"])) == 2


def test_only_chosen_splits_are_mixed(singles, tmp_path):
    split = np.where(np.arange(len(singles)) // 2 % 2 == 0, "train", "test")
    manifest = make_manifest(singles.clips.assign(split=split), singles.root)
    mixed = mix_corpus(manifest, tmp_path / "m", **(SMALL | {"n_blocks": 1}), splits=["test"])
    clips = read_manifest(mixed).clips
    assert set(clips.loc[clips["sources"] != "", "split"]) == {"test"}
    assert set(clips.loc[clips["sources"] != "", "fold"]) == {-1}
    train = clips[clips["split"] == "train"]
    assert train["group"].tolist() == manifest.clips.loc[split == "train", "group"].tolist()


def test_the_mixes_alone_are_listed_on_request(singles, tmp_path):
    mixed = mix_corpus(singles, tmp_path / "m", **SMALL, n_mixes=9, mixes_only=True)
    clips = read_manifest(mixed).clips
    assert len(clips) == 9
    assert clips["path"].tolist() == clips["clip_id"].tolist()
    assert {p.relative_to(mixed.parent).as_posix() for p in mixed.parent.rglob("*.flac")} == set(
        clips["path"]
    )


def test_mixes_can_be_mixed_again(corpus, tmp_path):
    once = read_manifest(corpus / "manifest.csv")
    again = mix_corpus(once, tmp_path / "m", **(SMALL | {"n_blocks": 1, "n_mixes": 6}))
    clips = read_manifest(again).clips
    new = clips[clips["clip_id"].str.startswith("mixes-1/")]
    assert len(new) == 6
    assert len(clips) == len(once) + 6
    fold_of = dict(zip(once.clips["clip_id"], once.clips["fold"], strict=True))
    for row in new.itertuples():
        assert {fold_of[clip_id] for clip_id in parts(row.sources)} == {row.fold}


# The same every time


def test_same_seed_gives_the_same_bytes_for_any_number_of_workers(corpus, singles, tmp_path):
    mix_corpus(singles, tmp_path / "again", **SMALL, n_jobs=2)
    assert contents(tmp_path / "again") == contents(corpus)


def test_another_seed_gives_other_mixes(corpus, singles, tmp_path):
    mix_corpus(singles, tmp_path / "other", **SMALL, seed=1)
    ours, theirs = contents(corpus), contents(tmp_path / "other")
    sounds = [p for p in ours.keys() & theirs.keys() if p.suffix == ".flac"]
    assert sounds
    assert sum(ours[path] != theirs[path] for path in sounds) > 0.9 * len(sounds)


def test_a_second_run_changes_nothing(corpus, singles):
    before = {p: p.stat().st_mtime_ns for p in corpus.rglob("*")}
    assert mix_corpus(singles, str(corpus), **SMALL) == corpus / "manifest.csv"
    assert {p: p.stat().st_mtime_ns for p in corpus.rglob("*")} == before


def test_a_lost_mix_a_cut_table_or_other_settings_make_it_anew(singles, tmp_path):
    small = SMALL | {"n_mixes": 5}
    manifest = mix_corpus(singles, tmp_path / "m", **small)
    lost = manifest.parent / mixes_of(manifest)["path"][3]
    lost.unlink()
    mix_corpus(singles, tmp_path / "m", **small)
    assert lost.is_file()
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-10])
    mix_corpus(singles, tmp_path / "m", **small)
    assert manifest.read_bytes() == whole
    mix_corpus(singles, tmp_path / "m", **(small | {"n_mixes": 3}))
    assert len(list(manifest.parent.rglob("*.flac"))) == 3
    card = json.loads((manifest.parent / "card.json").read_text())
    assert card["settings"]["n_mixes"] == 3
    assert card["settings"]["match"] == "any"


def test_a_changed_source_makes_it_anew(singles, tmp_path):
    root = tmp_path / "singles"
    shutil.copytree(singles.root, root)
    manifest = make_manifest(singles.clips, root)
    small = SMALL | {"n_mixes": 20}
    card = mix_corpus(manifest, tmp_path / "m", **small).parent / "card.json"
    before = card.read_bytes()
    soundfile.write(root / "flute-0.wav", tone(80, seconds=1.1), SR)
    mix_corpus(manifest, tmp_path / "m", **small)
    assert card.read_bytes() != before


def test_progress_ends_at_all_mixes(singles, tmp_path):
    seen = []
    mix_corpus(
        singles, tmp_path / "m", **SMALL, n_mixes=10, progress=lambda *counts: seen.append(counts)
    )
    assert seen[-1] == (10, 10)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


# What is refused


def test_what_others_have_put_there_is_not_replaced(singles, tmp_path):
    manifest = mix_corpus(singles, tmp_path / "m", **SMALL, n_mixes=4)
    (manifest.parent / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds 1 other files such as 'notes.txt'"):
        mix_corpus(singles, tmp_path / "m", **SMALL, n_mixes=5)
    assert len(list(manifest.parent.rglob("*.flac"))) == 4


@pytest.mark.parametrize("text", ["{}", '{"maker": "render", "tables": {}}', "[", None])
def test_a_folder_that_no_mixing_made_is_not_replaced(singles, tmp_path, text):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "manifest.csv").write_text("path\n")
    if text is not None:
        (tmp_path / "m" / "card.json").write_text(text)
    with pytest.raises(FileExistsError, match="must be empty or hold what mix has made before"):
        mix_corpus(singles, tmp_path / "m", **SMALL)


def test_a_file_is_no_directory(singles, tmp_path):
    (tmp_path / "m").touch()
    with pytest.raises(FileExistsError, match="it is a file"):
        mix_corpus(singles, tmp_path / "m", **SMALL)


def test_clips_in_the_directory_of_the_mixes_are_refused(corpus):
    again = read_manifest(corpus / "manifest.csv")
    with pytest.raises(ValueError, match=r"clips must not lie in .*00000\.flac"):
        mix_corpus(again, corpus, **SMALL)


def test_clips_without_labels_are_refused(singles, tmp_path):
    unlabelled = make_manifest(singles.clips[["path", "clip_id", "group"]], singles.root)
    with pytest.raises(ValueError, match="60 clips have no labels"):
        mix_corpus(unlabelled, tmp_path / "m", **SMALL)


def test_an_interrupted_mixing_leaves_nothing(singles, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mix_corpus(singles, tmp_path / "m", **SMALL, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"n_mixes": 0}, "n_mixes must be at least 1, got 0"),
        ({"voices": (3, 2)}, r"fewest <= most, got \(3, 2\)"),
        ({"voices": (0, 2)}, r"fewest <= most, got \(0, 2\)"),
        ({"mode": "product"}, "mode must be sum, concat, both, got 'product'"),
        ({"overlap": 1.1}, "overlap must be 0 to 1.0 in mode 'sum', got 1.1"),
        ({"overlap": 0.6, "mode": "concat"}, "overlap must be 0 to 0.5 in mode 'concat', got 0.6"),
        ({"seconds": 0.1}, "seconds must be at least 0.5, got 0.1"),
        ({"loudness_lufs": 3.0}, "loudness_lufs must be -70 to 0, got 3.0"),
        ({"gain_db": (0.0, -6.0)}, r"low <= high.*got \(0.0, -6.0\)"),
        ({"gain_db": (-30.0, 0.0)}, r"at most 20.0 apart.*got \(-30.0, 0.0\)"),
        ({"gain_db": (0.0, float("nan"))}, r"gain_db .*nan"),
        ({"sr": 4000}, "sr must be at least 8000, got 4000"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"match": "mood"}, r"a column of the manifest \(midi\), got 'mood'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_out_of_range_are_refused(singles, tmp_path, settings, reason):
    with pytest.raises(ValueError, match=reason):
        mix_corpus(singles, tmp_path / "m", **(SMALL | settings))


def test_all_wrong_settings_are_named_at_once(singles, tmp_path):
    with pytest.raises(ValueError, match=r"n_mixes must .*; seed must"):
        mix_corpus(singles, tmp_path / "m", n_mixes=0, seed=-1)
