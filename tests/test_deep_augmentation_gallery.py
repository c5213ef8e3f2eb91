"""The gallery of augmentations: arrays from before and after."""

from dataclasses import fields

import numpy as np
import pytest

from deep.augmentation import list_augmentations
from deep.augmentation.gallery import GalleryEntry, make_gallery

SR = 8000


def tone(frequency, *, seconds=0.5):
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * SR)) / SR)).astype("f4")


@pytest.fixture(scope="module")
def gallery():
    entries = make_gallery(tone(440), sr=SR, others=[tone(900), tone(1500, seconds=0.8)])
    return {entry.name: entry for entry in entries}


def test_every_kind_that_needs_no_folder_is_shown(gallery):
    assert sorted(gallery) == sorted(set(list_augmentations()) - {"recorded_noise"})


def test_a_folder_of_recordings_is_shown_when_given(write_wav, tmp_path):
    write_wav("noises/hiss.wav", tone(100), SR)
    recipe = {"recorded_noise": {"folder": str(tmp_path / "noises")}}
    names = [entry.name for entry in make_gallery(tone(440), sr=SR, recipe=recipe)]
    assert "recorded_noise" in names
    assert not {"sum", "mixup"} & set(names)


def test_arrays_fit_each_other(gallery):
    for entry in gallery.values():
        np.testing.assert_array_equal(entry.before, tone(440))
        assert entry.spectrogram_before.shape == (len(entry.band_hz), 1 + 4000 // entry.hop_length)
        n_frames = 1 + len(entry.after) // entry.hop_length
        assert entry.spectrogram_after.shape == (len(entry.band_hz), n_frames)
        assert np.isfinite(entry.spectrogram_after).all()
        assert (np.diff(entry.band_hz) >= 0).all()


def test_every_kind_is_seen_to_do_something(gallery):
    for name, entry in gallery.items():
        if entry.changes_frames:
            np.testing.assert_array_equal(entry.before, entry.after)
            assert not np.array_equal(entry.spectrogram_before, entry.spectrogram_after), name
        else:
            assert not np.array_equal(entry.before, entry.after), name


def test_a_spectrogram_shows_the_tone_in_its_band(gallery):
    entry = gallery["polarity"]
    loudest = entry.band_hz[entry.spectrogram_before.mean(axis=1).argmax()]
    assert abs(loudest - 440) < 40


def test_an_entry_says_what_the_kind_does_and_may_be_told(gallery):
    entry = gallery["gain"]
    assert entry.summary == "Make the clip louder or softer."
    assert entry.options[0] == ("min_db", "-12.0", "a number from -60 to 60", "least gain in dB")
    assert all("\n" not in entry.summary for entry in gallery.values())
    assert len(fields(GalleryEntry)) == 11


def test_options_of_a_recipe_are_used_whatever_the_probability():
    recipe = {"gain": {"probability": 0.0, "min_db": 6, "max_db": 6}, "noise": True}
    entries = {entry.name: entry for entry in make_gallery(tone(440), sr=SR, recipe=recipe)}
    np.testing.assert_allclose(entries["gain"].after, 10 ** (6 / 20) * tone(440), rtol=1e-5)


def test_a_seed_gives_the_same_gallery_again():
    first, again, other = (
        {entry.name: entry.after for entry in make_gallery(tone(440), sr=SR, seed=seed)}
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first["noise"], again["noise"])
    assert not np.array_equal(first["noise"], other["noise"])


def test_wrong_recipes_and_empty_sounds_are_refused():
    with pytest.raises(ValueError, match="gain has no option 'loudness'"):
        make_gallery(tone(440), sr=SR, recipe={"gain": {"loudness": 3}})
    with pytest.raises(ValueError, match=r"at least one, got \[\(0,\)\]"):
        make_gallery(np.zeros(0, dtype="f4"), sr=SR)
