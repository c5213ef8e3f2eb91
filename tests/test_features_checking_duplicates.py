"""Copies are found whatever was done to them; other takes of the same are not."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr

from features.audio import Clip
from features.checking.audio_scan import scan_audio
from features.checking.duplicates import find_duplicates, labels_contradict
from features.checking.fingerprint import NO_SOUND, SR, make_fingerprint, stack_fingerprints
from features.checking.listening import Match, match_clips, match_pairs, match_waveforms
from features.checking.suspects import find_suspects
from features.manifest import make_manifest

FILE_SR = 22_050


def note(rng, pitch_hz=440.0, seconds=1.0, sr=FILE_SR):
    """Play a note as nobody plays it twice: partials, vibrato, envelope and breath drawn anew."""
    t = np.arange(round(seconds * sr)) / sr
    vibrato = rng.uniform(0.1, 0.6) * np.sin(2 * np.pi * rng.uniform(4, 7) * t + rng.uniform(0, 6))
    phase = 2 * np.pi * (pitch_hz * 2 ** (rng.normal(0, 5) / 1200)) * t + vibrato
    partials = [
        rng.uniform(0.2, 1) / k * np.sin(k * phase + rng.uniform(0, 6)) for k in range(1, 8)
    ]
    knots = np.linspace(0, seconds, 12)
    envelope = np.interp(t, knots, np.r_[0, rng.uniform(0.4, 1, 10), 0])
    breath = 0.01 * rng.standard_normal(len(t))
    return (0.15 * envelope * (sum(partials) + breath)).astype(np.float32)


def through_mp3(waveform, sr, tmp_path):
    path = tmp_path / "through.mp3"
    # 64 kb/s at this sampling rate, where encoders offer 8 to 160.
    settings = {"bitrate_mode": "CONSTANT", "compression_level": (160 - 64) / (160 - 8)}
    soundfile.write(path, waveform, sr, format="MP3", subtype="MPEG_LAYER_III", **settings)
    return soundfile.read(path, dtype="float32")


def quieter(waveform, sr):
    return waveform * 0.1, sr


def at_16_khz(waveform, sr):
    return soxr.resample(waveform, sr, 16_000), 16_000


def later(waveform, sr):
    return np.pad(waveform, (round(0.3 * sr), 0)), sr


def cut(waveform, sr):
    return waveform[round(0.3 * sr) :], sr


def prints(waveforms, sr=FILE_SR):
    return stack_fingerprints([make_fingerprint([soxr.resample(w, sr, SR)]) for w in waveforms])


@pytest.fixture
def corpus(write_wav, tmp_path):
    """Write waveforms, each a group of its own unless told, and find duplicates among them."""

    def find(waveforms, n_jobs=None, sr=FILE_SR, **columns):
        names = [f"{k}.wav" for k in range(len(waveforms))]
        for name, waveform in zip(names, waveforms, strict=True):
            write_wav(name, waveform, sr)
        table = pd.DataFrame({"path": names, "group": names, "labels": "oboe"} | columns)
        manifest = make_manifest(table, tmp_path)
        return find_duplicates(manifest, scan_audio(manifest), n_jobs=n_jobs)

    return find


@pytest.mark.parametrize(
    ("alter", "lag_s"),
    [
        ([quieter], 0.0),
        ([at_16_khz], 0.0),
        (["mp3"], 0.0),
        ([later], -0.3),
        ([cut], 0.3),
        ([later, quieter], -0.3),
        ([later, "mp3"], -0.3),
        ([cut, at_16_khz], 0.3),
        ([cut, "mp3"], 0.3),
    ],
    ids=["gain", "16-khz", "mp3", "later", "cut", "later-gain", "later-mp3", "cut-16-khz",
         "cut-mp3"],
)  # fmt: skip
def test_a_copy_is_found_among_other_takes(rng, write_wav, tmp_path, alter, lag_s):
    waveforms = [note(rng) for _ in range(12)]
    names = [f"{k:02}.wav" for k in range(13)]
    copy, sr = waveforms[5], FILE_SR
    for change in alter:
        copy, sr = through_mp3(copy, sr, tmp_path) if change == "mp3" else change(copy, sr)
    for name, waveform in zip(names, waveforms, strict=False):
        write_wav(name, waveform, FILE_SR)
    write_wav(names[12], copy, sr)
    manifest = make_manifest(pd.DataFrame({"path": names, "group": names}), tmp_path)
    found = find_duplicates(manifest, scan_audio(manifest))
    assert found.clusters == [[5, 12]]
    pair = found.pairs.iloc[0]
    assert pair["kind"] == "same sound"
    assert pair["correlation"] > 0.98
    assert pair["lag_s"] == pytest.approx(lag_s, abs=0.001)


def test_equal_bytes_equal_samples_and_silence(corpus, rng, write_wav):
    one, other = note(rng), note(rng)
    silence = np.zeros(FILE_SR, dtype=np.float32)
    found = corpus([one, other, one, silence, silence])
    assert found.pairs.to_dict("records") == [
        {"left": 0, "right": 2, "kind": "same bytes", "correlation": 1.0, "lag_s": 0.0}
    ]


def test_another_container_has_the_same_samples(rng, write_wav, tmp_path):
    samples = np.rint(note(rng) * 32767).astype(np.int16)
    write_wav("a.wav", samples)
    write_wav("b.flac", samples)
    write_wav("c.wav", np.stack([samples, samples], axis=1))
    names = ["a.wav", "b.flac", "c.wav"]
    manifest = make_manifest(pd.DataFrame({"path": names, "group": names}), tmp_path)
    found = find_duplicates(manifest, scan_audio(manifest))
    assert found.pairs["kind"].tolist() == ["same samples", "same samples"]
    assert found.clusters == [[0, 1, 2]]


@pytest.mark.parametrize("n_clips", [0, 1, 2], ids=str)
def test_few_clips_have_no_duplicates(corpus, rng, n_clips):
    found = corpus([note(rng) for _ in range(n_clips)] or [np.zeros(10)])
    assert found.clusters == []
    assert len(found.pairs) == 0


def test_very_short_clips_are_compared_too(corpus, rng):
    waveforms = [note(rng, seconds=0.12) for _ in range(4)]
    assert corpus([*waveforms, 0.5 * waveforms[2]]).clusters == [[2, 4]]


def test_copies_of_copies_form_one_cluster(corpus, rng):
    a, b = note(rng), note(rng)
    found = corpus([a, b, 0.5 * a, 0.25 * b, 0.1 * a])
    assert found.clusters == [[0, 2, 4], [1, 3]]


def test_near_copies_within_a_group_matter_only_if_labels_contradict(corpus, rng):
    waveform = note(rng)
    waveforms = [waveform, 0.5 * waveform]
    assert corpus(waveforms, group="one").clusters == []
    assert corpus(waveforms, group="one", labels=["oboe", "flute"]).clusters == [[0, 1]]


def test_a_copy_is_found_by_way_of_an_equal_clip_elsewhere(corpus, rng):
    waveform = note(rng)
    found = corpus([waveform, 0.5 * waveform, waveform], group=["a", "a", "b"])
    assert found.clusters == [[0, 1, 2]]


def test_overlapping_windows_do_not_hide_a_copy_elsewhere(write_wav, tmp_path, rng):
    waveform = note(rng, seconds=2.0)
    write_wav("long.wav", waveform)
    write_wav("copy.wav", 0.5 * waveform[FILE_SR // 2 :][:FILE_SR])
    starts = np.arange(0, 1, 0.05)
    table = pd.DataFrame({"path": "long.wav", "group": "a", "start_s": starts, "end_s": starts + 1})
    table.loc[len(table)] = ["copy.wav", "b", np.nan, np.nan]
    manifest = make_manifest(table, tmp_path)
    found = find_duplicates(manifest, scan_audio(manifest))
    assert {len(starts)} == set(found.pairs["right"])
    assert 10 in found.pairs["left"].tolist()


def test_the_result_does_not_depend_on_the_number_of_workers(corpus, rng):
    waveforms = [note(rng, seconds=0.4) for _ in range(20)]
    waveforms += [0.5 * waveform for waveform in waveforms[:8]]
    alone, together = corpus(waveforms), corpus(waveforms, n_jobs=2)
    pd.testing.assert_frame_equal(alone.pairs, together.pairs, check_exact=True)
    assert len(alone.clusters) == 8


def test_a_clip_that_vanished_is_told_of(rng, write_wav, tmp_path):
    waveform = note(rng)
    write_wav("a.wav", waveform)
    write_wav("b.wav", 0.5 * waveform)
    names = ["a.wav", "b.wav"]
    manifest = make_manifest(pd.DataFrame({"path": names, "group": names}), tmp_path)
    scan = scan_audio(manifest)
    (tmp_path / "b.wav").unlink()
    found = find_duplicates(manifest, scan)
    assert found.unheard == [(0, 1)]
    assert found.clusters == []


def test_segments_of_one_file_that_overlap_are_one_sound(rng, write_wav, tmp_path):
    write_wav("a.wav", np.concatenate([note(rng, pitch) for pitch in (220, 330, 440, 550)]))
    table = {"path": "a.wav", "group": ["a", "b", "c"], "start_s": [0, 1, 2.9], "end_s": [2, 3, 4]}
    manifest = make_manifest(pd.DataFrame(table), tmp_path)
    found = find_duplicates(manifest, scan_audio(manifest))
    assert found.clusters == [[0, 1]]
    assert found.pairs["lag_s"].tolist() == pytest.approx([1.0], abs=0.001)


def test_suspects_are_few_among_takes_of_one_note_and_hold_every_copy(rng):
    waveforms = [note(rng) for _ in range(60)]
    waveforms += [quieter(*cut(waveform, FILE_SR))[0] for waveform in waveforms[:20]]
    suspects = find_suspects(prints(waveforms))
    pairs = set(zip(suspects["left"], suspects["right"], strict=True))
    assert {(k, 60 + k) for k in range(20)} <= pairs
    assert len(pairs) < 0.2 * 80 * 79 / 2
    copies = suspects[suspects["right"] == suspects["left"] + 60]
    assert copies["lag_s"].to_numpy() == pytest.approx(0.3, abs=0.03)


def test_the_loudest_common_moment_of_suspects_is_told(rng):
    waveform = note(rng, seconds=2.0)
    waveform[round(1.5 * FILE_SR) :][:1000] *= 5.0
    suspects = find_suspects(prints([waveform, waveform[FILE_SR:]]))
    assert suspects["moment_s"].tolist() == pytest.approx([1.52], abs=0.05)


def test_suspects_do_not_depend_on_the_number_of_threads(rng):
    fingerprints = prints([note(rng, seconds=0.3) for _ in range(40)])
    alone, together = (find_suspects(fingerprints, n_jobs=n_jobs) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(alone, together, check_exact=True)


def test_clips_that_are_not_looked_at_are_no_suspects(rng):
    waveform = note(rng)
    fingerprints = prints([waveform, waveform, waveform])
    suspects = find_suspects(fingerprints, among=np.array([True, False, True]))
    assert suspects[["left", "right"]].to_numpy().tolist() == [[0, 2]]
    assert len(find_suspects(stack_fingerprints([NO_SOUND, NO_SOUND]))) == 0
    assert len(find_suspects(stack_fingerprints([]))) == 0


def test_a_waveform_correlates_wholly_with_a_shifted_and_scaled_one(rng):
    waveform = note(rng)
    match = match_waveforms(waveform, 0.1 * waveform[441:], sr=FILE_SR)
    assert match.correlation == pytest.approx(1.0, abs=1e-3)
    assert match.lag_s == pytest.approx(0.02)
    assert match.is_copy


def test_shifts_of_less_than_a_sample_are_resolved(rng):
    fine = soxr.resample(note(rng), FILE_SR, 8 * 8000)
    match = match_waveforms(*(soxr.resample(fine[k:], 8 * 8000, 8000) for k in (0, 4)), sr=8000)
    assert match.lag_s == pytest.approx(0.5 / 8000)
    assert match.correlation > 0.998


def test_noise_has_known_correlation(rng):
    common, own, other = rng.standard_normal((3, 20_000)).astype(np.float32)
    match = match_waveforms(common + own, common + other, sr=8000)
    assert match.correlation == pytest.approx(0.5, abs=0.02)
    assert match.lag_s == 0.0
    assert not match.is_copy


def test_an_offset_makes_no_copies_of_different_noise(rng):
    left, right = 0.1 + 0.001 * rng.standard_normal((2, 8000)).astype(np.float32)
    assert match_waveforms(left, right, sr=8000).correlation < 0.2


@pytest.mark.parametrize(
    ("left", "right"),
    [(np.zeros(8000), np.ones(8000)), (np.ones(1), np.ones(1)), (np.zeros(8000), np.zeros(8000))],
    ids=["silent", "one-sample", "both-silent"],
)
def test_what_cannot_be_compared_does_not_match(left, right):
    match = match_waveforms(left.astype(np.float32), right.astype(np.float32), sr=8000)
    assert match == Match(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("correlation", "next_correlation", "is_copy"),
    [
        (0.99, 0.95, True),
        (0.99, 0.98, False),
        (0.9995, 0.9995, True),
        (0.996, 0.9959, False),
        (0.996, 0.99, True),
        (0.975, 0.2, False),
    ],
    ids=["stands-out", "one-peak-of-many", "equal-beyond-doubt", "tone", "alike", "too-little"],
)
def test_copies_fit_at_one_lag_better_than_at_any_other(correlation, next_correlation, is_copy):
    assert Match(correlation, 0.0, next_correlation).is_copy == is_copy


def test_of_long_clips_a_part_is_heard(rng, write_wav):
    waveform = note(rng, seconds=40.0, sr=8000)
    left = write_wav("left.wav", waveform, 8000)
    right = write_wav("right.wav", 0.5 * waveform[8 * 8000 :], 8000)
    for moment_s in (8.5, 20.0, 40.0):
        found = match_clips(
            Clip(str(left)),
            Clip(str(right)),
            lag_s=8.2,
            moment_s=moment_s,
            durations_s=(40.0, 32.0),
        )
        assert found.is_copy
        assert found.lag_s == pytest.approx(8.0, abs=1e-4)


def test_no_suspects_need_no_listening():
    suspects = find_suspects(stack_fingerprints([]))
    assert match_pairs([], np.zeros(0), suspects) == []


@pytest.mark.parametrize(
    ("labels", "unknown", "torn"),
    [
        (["oboe", "oboe"], ["", ""], ""),
        (["oboe", "flute"], ["", ""], "oboe flute"),
        (["oboe", ""], ["", "*"], ""),
        (["oboe flute", "oboe"], ["", "flute"], ""),
        (["oboe flute", "oboe"], ["", ""], "flute"),
    ],
    ids=["agree", "differ", "unlabelled", "unknown", "one-more"],
)
def test_labels_contradict_only_where_both_are_known(labels, unknown, torn):
    sets = [[frozenset(cell.split()) for cell in cells] for cells in (labels, unknown)]
    assert labels_contradict(*sets) == frozenset(torn.split())
