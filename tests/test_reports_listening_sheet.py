"""The listening sheet: what it plays, draws, tells and refuses, and names that stay text."""

import base64
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile

import reports.listening_sheet
from reports.clip_choice import choose_samples
from reports.embedded_sound import encode_flac, encode_within
from reports.listening_sheet import Sample, create_listening_sheet, deal_colours
from reports.sheet_drawing import LEFT, WIDTH, draw_sample
from reports.spectrogram import N_BANDS, RANGE_DB, compute_log_mel, hz_to_mel, render_png

SR = 22050
HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>'


def tone(frequency, *, seconds=1.0, sr=SR, level=0.5):
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * sr)) / sr)).astype("f4")


def make_samples():
    return [
        Sample("one.wav", ["cello"], tone(220), SR, [("cello", 0.1, 0.6)], {"snr": "30 dB"}),
        Sample("two.wav", ["flute", "cello"], tone(880, seconds=2), SR,
               [("flute", 0.0, 1.0), ("drums", 1.0, 2.5)]),
        Sample("none.wav", [], np.zeros(SR, dtype="f4"), SR),
    ]  # fmt: skip


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
def sheet(tmp_path_factory):
    path = tmp_path_factory.mktemp("sheet") / "deep" / "sheet.html"
    summary = create_listening_sheet(make_samples(), path, title="A few clips", notes=["Listen."])
    return path, summary


def test_the_summary_counts_clips_labels_and_seconds(sheet):
    path, summary = sheet
    assert summary == {"page": str(path), "clips": 3, "labels": 2, "seconds": 4.0,
                       "bytes": path.stat().st_size, "cut": 0}  # fmt: skip
    assert [found.name for found in path.parent.iterdir()] == ["sheet.html"]


def test_every_player_holds_its_clip(sheet):
    players = read_page(sheet[0]).found["audio"]
    assert [player["aria-label"] for player in players] == [
        "Play one.wav", "Play two.wav", "Play none.wav"
    ]  # fmt: skip
    for player, sample in zip(players, make_samples(), strict=True):
        assert "controls" in player
        kind, content = player["src"].split(";base64,")
        assert kind == "data:audio/flac"
        waveform, sr = soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32")
        assert sr == SR
        np.testing.assert_allclose(waveform, sample.waveform, atol=2**-15)


def test_the_page_refers_to_nothing_outside_itself(sheet):
    text = re.sub(r"base64,[^\"]*", "", sheet[0].read_text(encoding="utf-8"))
    assert not re.search(r"https?:|url\(|@import", text)
    found = read_page(sheet[0]).found
    assert not {"link", "iframe", "object"} & set(found)
    assert all("src" not in script for script in found["script"])


def test_the_page_works_without_its_script(sheet):
    found = read_page(sheet[0]).found
    assert "hidden" in found["form"][0]
    assert not any("hidden" in card for card in found["article"])
    lines = [group for group in found["g"] if group.get("class") == "playhead"]
    assert [line["visibility"] for line in lines] == ["hidden"] * 3


def test_cards_tell_labels_voices_level_and_what_is_not_known(sheet):
    words = " ".join("".join(read_page(sheet[0]).text).split())
    assert "1 voice, 1 s, 22,050 Hz, peak \N{MINUS SIGN}6.0 dBFS" in words
    assert "2 voices, 2 s" in words
    assert "0 voices, 1 s, 22,050 Hz, silent" in words
    assert "snr30 dB" in words
    assert "0 to 2" in words
    assert "Listen." in words


def test_pictures_have_words_for_those_who_cannot_see_them(sheet):
    drawings = read_page(sheet[0]).found["svg"]
    assert drawings[1]["aria-label"] == (
        "Log-mel spectrogram of two.wav, 2 s; flute: 1 event; cello: 0 events; drums: 1 event"
    )
    assert all(drawing["role"] == "img" for drawing in drawings)


def test_bars_lie_where_the_label_sounds():
    drawing = draw_sample(
        [("a", 0.5, 1.0), ("b", 1.5, 9.0), ("a", 3.0, 4.0)], {"a": 4}, played_s=2.0, sr=SR
    )
    span = drawing["span"]
    assert LEFT + span < WIDTH
    first, second = drawing["lanes"]
    assert (first["name"], first["colour"]) == ("a", 4)
    assert first["bars"] == [pytest.approx((LEFT + span / 4, span / 4))]
    assert (second["name"], second["colour"]) == ("b", None)
    assert second["bars"] == [pytest.approx((LEFT + 0.75 * span, span / 4))]


@pytest.mark.parametrize("played_s", [0.004, 0.3, 1.0, 3.0, 10.0, 61.0, 700.0])
def test_the_time_axis_has_a_few_round_ticks(played_s):
    times = draw_sample([], {}, played_s=played_s, sr=SR)["times"]
    assert 3 <= len(times) <= 7
    assert times[0] == (LEFT, "0")
    assert all(float(text) <= played_s * 1.001 for _, text in times)


@pytest.mark.parametrize("sr", [100, 8000, 22050, 96000])
def test_frequency_ticks_stay_inside_the_picture_and_apart(sr):
    drawing = draw_sample([], {}, played_s=1.0, sr=sr)
    heights = [y for y, _ in drawing["pitches"]]
    assert all(drawing["top"] <= y <= drawing["top"] + drawing["picture_height"] for y in heights)
    assert (np.diff(heights) <= -13).all()


@pytest.mark.parametrize("frequency", [110, 440, 3000])
@pytest.mark.parametrize("sr", [8000, 44100])
def test_a_tone_is_loudest_in_its_band(frequency, sr):
    log_mel = compute_log_mel(tone(frequency, sr=sr), sr)
    assert log_mel.shape[0] == N_BANDS
    assert log_mel.max() == 0
    band = log_mel[:, log_mel.shape[1] // 2].argmax()
    expected = hz_to_mel(frequency) / hz_to_mel(sr / 2) * (N_BANDS + 1) - 1
    assert band == pytest.approx(expected, abs=1)


def test_silence_and_a_single_sample_are_drawn_as_nothing():
    assert (compute_log_mel(np.zeros(500, "f4"), SR) == -RANGE_DB).all()
    assert render_png(compute_log_mel(np.zeros(1, "f4"), SR)).startswith(b"\x89PNG")


def test_a_click_in_a_long_sound_is_not_lost_between_columns():
    waveform = np.zeros(60 * 8000, dtype="f4")
    waveform[123_456] = 1.0
    log_mel = compute_log_mel(waveform, 8000)
    loudest = log_mel.max(axis=0).argmax()
    assert loudest == pytest.approx(123_456 / len(waveform) * log_mel.shape[1], abs=1)


def test_the_spectrogram_does_not_change_with_gain(rng):
    waveform = rng.normal(size=SR).astype("f4")
    np.testing.assert_allclose(
        compute_log_mel(waveform, SR), compute_log_mel(0.1 * waveform, SR), atol=1e-4
    )


def test_long_clips_lose_their_end_and_say_so(tmp_path, monkeypatch, rng):
    monkeypatch.setattr(reports.listening_sheet, "MAX_PAGE_BYTES", 600_000)
    noise = rng.uniform(-0.5, 0.5, size=10 * SR).astype("f4")
    samples = [Sample("long.wav", ["x"], noise, SR), Sample("short.wav", ["x"], noise[:SR], SR)]
    summary = create_listening_sheet(samples, tmp_path / "sheet.html", title="t")
    assert summary["cut"] == 1
    assert 450_000 < summary["bytes"] <= 600_000
    reader = read_page(tmp_path / "sheet.html")
    words = " ".join("".join(reader.text).split())
    played = float(re.search(r"10 s, .*? here its first ([0-9.]+) s", words).group(1))
    sizes = [len(player["src"]) for player in reader.found["audio"]]
    assert sizes[0] > sizes[1]
    assert float(reader.found["svg"][0]["data-seconds"]) == pytest.approx(played, abs=0.06)


def test_sounds_that_fit_are_left_whole_and_too_many_refused(rng):
    noise = [rng.uniform(-0.5, 0.5, size=n).astype("f4") for n in (SR, 4 * SR)]
    total = sum(len(encode_flac(waveform, SR)) for waveform in noise)
    whole = encode_within(noise, [SR, SR], max_bytes=total)
    assert [kept for _, kept in whole] == [SR, 4 * SR]
    cut = encode_within(noise, [SR, SR], max_bytes=total // 2)
    assert cut[0][1] == SR
    assert SR < cut[1][1] < 2 * SR
    assert sum(len(content) for content, _ in cut) <= total // 2
    with pytest.raises(ValueError, match=r"2 sounds must fit .* at least 1 s .* give fewer"):
        encode_within(noise, [SR, SR], max_bytes=total // 8)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (Sample("a", [], np.zeros(0, "f4"), SR), r"'a': waveform must have shape .* got \(0,\)"),
        (Sample("a", [], np.zeros((2, 9), "f4"), SR), r"got \(2, 9\)"),
        (Sample("a", [], np.full(9, np.nan, "f4"), SR), "must be finite"),
        (Sample("a", [], np.zeros(9, "f4"), 0), "sr must be at least 1 Hz, got 0"),
        (Sample("a", [], np.zeros(9, "f4"), SR, [("x", 2.0, 1.0)]), "got 'x' 2.0 to 1.0"),
    ],
    ids=["empty", "stereo", "nan", "sr", "event"],
)
def test_a_sample_that_cannot_be_shown_is_refused(tmp_path, sample, message):
    with pytest.raises(ValueError, match=message):
        create_listening_sheet([sample], tmp_path / "sheet.html", title="t")


def test_a_sheet_without_clips_or_in_place_of_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one clip"):
        create_listening_sheet([], tmp_path / "sheet.html", title="t")
    with pytest.raises(IsADirectoryError, match="name a file"):
        create_listening_sheet(make_samples(), tmp_path, title="t")


@pytest.fixture(scope="module")
def hostile_sheet(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "sheet.html"
    samples = [
        Sample(f"{HOSTILE} {number}", [HOSTILE, "it's"][: number + 1], tone(440), SR,
               [(HOSTILE, 0.0, 0.5)], {HOSTILE: HOSTILE})
        for number in range(2)
    ]  # fmt: skip
    create_listening_sheet(samples, path, title=HOSTILE, notes=[HOSTILE])
    return path


def test_markup_in_names_is_shown_and_never_run(hostile_sheet):
    reader = read_page(hostile_sheet)
    assert len(reader.found["script"]) == 1
    assert "img" not in reader.found
    assert HOSTILE in "".join(reader.text)
    assert reader.found["audio"][0]["aria-label"] == f"Play {HOSTILE} 0"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
def test_a_browser_plays_moves_the_line_filters_and_runs_no_name(hostile_sheet, tmp_path):
    probe = """<script>(async () => {
      const audio = document.querySelector("audio");
      const happened = (name) => new Promise((done) => audio.addEventListener(name, done));
      if (!(audio.duration > 0)) await happened("loadedmetadata");
      const moved = happened("seeking");
      audio.currentTime = 0.5;
      await moved;
      const filters = document.getElementById("filters");
      filters.elements.voices.value = "2";
      filters.dispatchEvent(new Event("change"));
      const line = document.querySelector(".playhead").getAttribute("transform");
      const shown = document.getElementById("shown").textContent;
      const hidden = [...document.querySelectorAll(".clip")].map((clip) => clip.hidden);
      document.body.dataset.found = [audio.duration, line, shown, hidden, filters.hidden].join("|");
    })();</script></body>"""
    page = tmp_path / "probe.html"
    text = hostile_sheet.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", probe), encoding="utf-8")
    dom = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000", "--dump-dom",
         page.as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    span = draw_sample([], {}, played_s=1.0, sr=SR)["span"]
    found = re.search(r'data-found="([^"]*)"', dom)
    assert found is not None
    assert found.group(1).split("|") == [
        "1", f"translate({span / 2:g} 0)", "1 of 2 clips shown", "true,false", "false"
    ]  # fmt: skip
    assert "<title>owned" not in dom


TABLE = pd.DataFrame(
    {"labels": ["a"] * 50 + ["b"] * 50 + ["a;b"] * 5 + ["c;a;b"] + [""] * 3},
    index=range(100, 209),
)


def test_chosen_clips_show_every_label_and_number_of_voices():
    chosen = choose_samples(TABLE, n=8, seed=3)
    voices = chosen["labels"].map(lambda cell: len(set(cell.split(";")) - {""}))
    assert voices.value_counts().to_dict() == {0: 2, 1: 3, 2: 2, 3: 1}
    assert voices.is_monotonic_increasing
    assert set(";".join(chosen["labels"]).split(";")) >= {"a", "b", "c"}
    assert set(chosen.index) <= set(TABLE.index)


def test_labels_are_shown_evenly():
    table = pd.DataFrame({"labels": ["a"] * 90 + ["b"] * 6 + ["c"] * 4})
    chosen = choose_samples(table, n=9, seed=0)
    assert chosen["labels"].value_counts().to_dict() == {"a": 3, "b": 3, "c": 3}


def test_the_choice_is_that_of_its_seed():
    first, again, other = (choose_samples(TABLE, n=6, seed=seed).index for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_few_clips_are_all_chosen():
    assert len(choose_samples(TABLE.iloc[:3], n=24)) == 3
    assert choose_samples(TABLE.iloc[:0], n=24).empty


def test_labels_that_do_not_fit_are_named():
    table = pd.DataFrame({"labels": [f"l{number}" for number in range(30)]})
    with pytest.warns(UserWarning, match="5 clips cannot show all .* missing are l"):
        assert len(choose_samples(table, n=5)) == 5


@pytest.mark.parametrize(
    ("table", "n", "message"),
    [(TABLE, 0, "n must be at least 1, got 0"), (TABLE.rename(columns=str.upper), 3, "LABELS")],
    ids=["n", "column"],
)
def test_an_impossible_choice_is_refused(table, n, message):
    with pytest.raises(ValueError, match=message):
        choose_samples(table, n=n)


def test_labels_of_one_clip_differ_in_colour_however_many_labels_there_are():
    label_sets = [[f"label {i}", f"label {i + 8}"] for i in range(8)] + [["label 0", "label 3"]]
    colours = deal_colours(label_sets, n_colours=8)
    assert set(colours.values()) <= set(range(8))
    assert all(colours[a] != colours[b] for a, b in label_sets)


def test_few_labels_have_a_colour_each():
    colours = deal_colours([["a"], ["b"], ["c", "d"]], n_colours=8)
    assert sorted(colours.values()) == [0, 1, 2, 3]
