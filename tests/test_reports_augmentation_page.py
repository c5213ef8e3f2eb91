"""The page of augmentations: what it shows and plays, and what it refuses."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from reports.augmentation_page import AugmentationExample, create_augmentation_page
from reports.plots.augmentation import MAX_COLUMNS, RANGE_DB, plot_before_after

SR = 8000
BAND_HZ = np.linspace(50, 3900, 24)
HOSTILE = '"><script>document.title="owned"</script>'


def make_example(name="gain", *, seconds=0.5, changes_frames=False, **changed):
    before = (0.3 * np.sin(np.arange(SR // 2) / 5)).astype("f4")
    after = (0.6 * np.sin(np.arange(int(seconds * SR)) / 5)).astype("f4")
    rng = np.random.default_rng(0)
    example = AugmentationExample(
        name=name,
        summary=f"What {name} does.",
        options=[("min_db", "-12.0", "a number from -60 to 60", "least gain in dB")],
        before=before,
        after=before if changes_frames else after,
        spectrogram_before=rng.uniform(-60, 30, (24, 1 + len(before) // 256)),
        spectrogram_after=rng.uniform(-60, 30, (24, 1 + len(after) // 256)),
        sr=SR,
        hop_length=256,
        band_hz=BAND_HZ,
        changes_frames=changes_frames,
    )
    return replace(example, **changed)


class _Reader(HTMLParser):
    """Collects the attributes of every element by its name, and the text."""

    def __init__(self):
        super().__init__()
        self.found, self.text = {}, []

    def handle_starttag(self, tag, attrs):
        self.found.setdefault(tag, []).append(dict(attrs))

    def handle_data(self, data):
        self.text.append(data)


def read_page(path):
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "deep" / "page.html"
    examples = [
        make_example("time_mask", changes_frames=True),
        make_example("gain"),
        make_example("time_stretch", seconds=0.8, options=[]),
    ]
    summary = create_augmentation_page(examples, path, title="Kinds", notes=["A tone."])
    return path, summary, read_page(path)


def test_the_summary_counts_kinds_and_bytes(page):
    path, summary, _ = page
    assert summary == {"page": str(path), "kinds": 3, "bytes": path.stat().st_size}
    assert [found.name for found in path.parent.iterdir()] == ["page.html"]


def test_kinds_that_change_sounds_come_first(page):
    sections = [section["id"] for section in page[2].found["section"]]
    assert sections == ["gain", "time_stretch", "time_mask"]
    assert [link["href"] for link in page[2].found["a"]] == [f"#{name}" for name in sections]


def test_nothing_is_loaded_from_elsewhere(page):
    path, _, reader = page
    for tag in ("img", "audio"):
        assert all(found["src"].startswith("data:") for found in reader.found[tag])
    assert not {"script", "link", "iframe"} & set(reader.found)
    assert "default-src 'none'" in path.read_text()


def test_the_sound_and_each_changed_one_can_be_played(page):
    players = page[2].found["audio"]
    assert [player["aria-label"] for player in players] == [
        "Play the sound as it is",
        "Play the sound after gain",
        "Play the sound after time_stretch",
    ]
    content = base64.b64decode(players[2]["src"].split(";base64,")[1])
    waveform, sr = soundfile.read(io.BytesIO(content))
    assert (len(waveform), sr) == (int(0.8 * SR), SR)


def test_each_kind_says_what_it_does_its_options_and_its_new_length(page):
    text = re.sub(r"\s+", " ", " ".join(page[2].text))
    for words in ("What gain does.", "min_db", "a number from -60 to 60", "least gain in dB",
                  "0.50 s become 0.80 s", "changes frames", "A tone.", "No options"):  # fmt: skip
        assert words in text


def test_every_picture_is_described(page):
    assert [image["alt"] for image in page[2].found["img"]] == [
        "Waveform and spectrogram before and after gain",
        "Waveform and spectrogram before and after time_stretch",
        "Spectrogram before and after time_mask",
    ]


def test_names_and_words_stay_text(tmp_path):
    example = make_example(summary=HOSTILE, options=[(HOSTILE,) * 4])
    create_augmentation_page([example], tmp_path / "page.html", title=HOSTILE, notes=[HOSTILE])
    assert "script" not in read_page(tmp_path / "page.html").found


def test_a_sound_beyond_full_scale_is_played_softer_not_clipped(tmp_path):
    loud = 5 * make_example().before
    create_augmentation_page([make_example(after=loud)], tmp_path / "page.html")
    player = read_page(tmp_path / "page.html").found["audio"][1]
    content = base64.b64decode(player["src"].split(";base64,")[1])
    np.testing.assert_allclose(
        soundfile.read(io.BytesIO(content))[0], loud / np.abs(loud).max(), atol=1e-3
    )


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "at least one example, got none"),
        ([make_example(after=np.zeros(0))], r"gain: after must be finite.*got shape \(0,\)"),
        ([make_example(before=np.full(5, np.nan))], "gain: before must be finite"),
        ([make_example(spectrogram_after=np.zeros((3, 4)))], "a row for each of 24 bands, got 3"),
    ],
    ids=["none", "empty", "nan", "bands"],
)
def test_what_cannot_be_shown_is_refused(tmp_path, examples, message):
    with pytest.raises(ValueError, match=message):
        create_augmentation_page(examples, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_all_problems_are_said_at_once(tmp_path):
    examples = [make_example("one", after=np.zeros(0)), make_example("two", before=np.zeros(0))]
    with pytest.raises(ValueError, match=r"(?s)one: after.*two: before"):
        create_augmentation_page(examples, tmp_path / "page.html")


def draw(example):
    return plot_before_after(
        None if example.changes_frames else (example.before, example.after),
        (example.spectrogram_before, example.spectrogram_after),
        sr=SR,
        hop_length=256,
        band_hz=BAND_HZ,
    )


def test_axes_have_names_units_and_the_same_scales():
    example = make_example(seconds=0.8)
    top, top_after, low, low_after, bar = draw(example).axes
    assert (top.get_title("left"), top_after.get_title("left")) == ("before", "after")
    assert top.get_ylabel() == "Amplitude"
    assert low.get_ylabel() == "Frequency (Hz)"
    assert low.get_xlabel() == low_after.get_xlabel() == "Time (s)"
    assert bar.get_ylabel() == "Level (dB)"
    assert top.get_ylim() == top_after.get_ylim()
    one, two = (ax.images[0].get_clim() for ax in (low, low_after))
    assert one == two
    assert one[1] - one[0] == pytest.approx(RANGE_DB)
    assert low_after.get_xlim()[1] > low.get_xlim()[1]


def test_frequencies_are_named_at_their_bands():
    low = draw(make_example()).axes[2]
    words = {label.get_text(): place for place, label in
             zip(low.get_yticks(), low.get_yticklabels(), strict=True)}  # fmt: skip
    assert words["1,000"] == pytest.approx(np.interp(1000, BAND_HZ, np.arange(24)))


def test_waveforms_are_left_out_where_frames_are_changed():
    figure = draw(make_example(changes_frames=True))
    assert len(figure.axes) == 3


def test_long_waveforms_are_drawn_by_their_extremes():
    long = np.random.default_rng(0).uniform(-1, 1, 50_000).astype("f4")
    vertices = draw(make_example(after=long)).axes[1].collections[0].get_paths()[0].vertices
    assert len(vertices) < 3 * MAX_COLUMNS
    assert np.abs(vertices[:, 1]).max() == pytest.approx(np.abs(long).max(), abs=1e-3)
