"""The page of suspect labels: what it shows, what it saves, and names that stay text."""

import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import reports.listening_sheet
from features.labelling.relabelling import apply_relabelling
from features.manifest import make_manifest
from reports.label_audit_page import Suspect, create_label_audit_page
from reports.listening_sheet import Sample

SR = 22050
HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>'


def tone(seconds=0.5):
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * SR)) / SR)).astype("f4")


def rates_of(labels):
    shares = {
        f"{kind}_{part}": value
        for kind in ("wrong", "missing")
        for part, value in (("share", 0.1), ("low", 0.05), ("high", 0.2))
    }
    rates = pd.DataFrame({"label": labels, "clips": 1200, "wrong": 3, "missing": 4, **shares})
    return rates.assign(missing_found=0.75, roc_auc=0.98)


def suspects_of(n=2):
    return [
        Suspect(Sample(f"{i}.wav", ["cello"], tone(), SR), ["viola"],
                {"cello": 0.02, "viola": 0.9, "flute": 0.05, "tuba": 0.02, "bass": 0.01},
                "cello is given at 0.02")
        for i in range(n)
    ]  # fmt: skip


def create(suspects, path, **settings):
    rates = settings.pop("rates", rates_of(["cello", "viola"]))
    given = {"title": "t", "sentences": ["Two."], "rates": rates} | settings
    return create_label_audit_page(suspects, path, **given)


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
    return reader, " ".join(" ".join(reader.text).split())


def run_browser(page, script, tmp_path):
    """Run a script in a page; what it puts into `document.body.dataset.found` is given."""
    probe = tmp_path / "probe.html"
    text = page.read_text(encoding="utf-8")
    probe.write_text(text.replace("</body>", f"<script>{script}</script></body>"), "utf-8")
    dom = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", "--dump-dom",
         probe.as_uri()],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    reader = _Reader()
    reader.feed(dom)
    assert "<title>owned" not in dom
    return reader.found["body"][0]["data-found"]


def test_a_page_shows_players_what_is_given_and_suggested_and_rates(tmp_path):
    summary = create(suspects_of(), tmp_path / "page.html", n_suspects=1500, notes=["a note"])
    reader, words = read_page(tmp_path / "page.html")
    assert summary["clips"] == 2
    assert summary["cut"] == 0
    assert len(reader.found["audio"]) == 2
    assert "Given cello in doubt Suggested viola instead" in words
    assert "viola 0.90 flute 0.05 cello 0.02 tuba 0.02 0.5 s" in words
    assert "The 2 most suspect of 1,500 clips" in words
    assert "cello 1,200 3 (10.0 %) 5.0 to 20.0 % 4 (10.0 %) 5.0 to 20.0 % 75 % 0.980" in words
    assert "a note" in words


def test_an_audit_without_suspects_still_has_a_page(tmp_path):
    summary = create([], tmp_path / "page.html")
    reader, words = read_page(tmp_path / "page.html")
    assert summary["clips"] == 0
    assert "audio" not in reader.found
    assert "script" not in reader.found
    assert "Two." in words


def test_a_rate_that_is_not_known_is_no_number(tmp_path):
    rates = rates_of(["cello"]).assign(wrong_low=np.nan, wrong_high=np.nan, roc_auc=np.nan)
    create([], tmp_path / "page.html", rates=rates)
    assert "nan" not in read_page(tmp_path / "page.html")[1]


def test_a_page_stays_small_by_cutting_long_sounds(tmp_path, monkeypatch, rng):
    noise = rng.uniform(-0.5, 0.5, size=20 * SR).astype("f4")
    loud = Suspect(Sample("a.wav", ["cello"], noise, SR), ["viola"],
                   {"cello": 0.1, "viola": 0.9}, "r")  # fmt: skip
    monkeypatch.setattr(reports.listening_sheet, "MAX_PAGE_BYTES", 600_000)
    summary = create([loud], tmp_path / "page.html")
    assert summary["cut"] == 1
    assert summary["bytes"] <= 600_000
    assert "here its first" in read_page(tmp_path / "page.html")[1]


def test_rates_that_lack_a_column_are_refused(tmp_path):
    rates = rates_of(["cello"]).drop(columns="roc_auc")
    with pytest.raises(ValueError, match=r"missing \['roc_auc'\]"):
        create([], tmp_path / "page.html", rates=rates)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
def test_what_is_decided_on_the_page_is_read_by_relabel(tmp_path):
    odd, sure = 'a "quoted", name.wav', {"cello": 0.0, "viola": 1.0}
    suspects = [
        Suspect(Sample("one.wav", ["cello"], tone(), SR), ["viola"], sure, "r"),
        Suspect(Sample(odd, ["cello"], tone(), SR), ["viola"], sure, "r"),
        Suspect(Sample("parent", ["cello"], tone(), SR), [], {"cello": 0.0, "viola": 0.5}, "r",
                ["tuba", "viola"], ["w1.wav", "w2.wav"]),
        Suspect(Sample("last.wav", ["cello"], tone(), SR), ["viola"], sure, "r"),
    ]  # fmt: skip
    create(suspects, tmp_path / "page.html")
    script = """
      const set = (place, kind) => clips[place].querySelector(`input[value=${kind}]`).click();
      set(0, "suggested"); set(1, "given"); set(3, "other");
      const text = clips[2].querySelector("input[type=text]");
      text.value = " viola ; flute;viola "; text.dispatchEvent(new Event("input", {bubbles: true}));
      document.body.dataset.found = told.textContent + "|" + table();
    """
    told, table = run_browser(tmp_path / "page.html", script, tmp_path).split("|")
    assert told == "3 of 4 clips decided"
    (tmp_path / "relabel.csv").write_text(table, encoding="utf-8")
    paths = ["one.wav", odd, "w1.wav", "w2.wav", "last.wav"]
    clips = pd.DataFrame({"path": paths, "group": paths, "labels": "cello"})
    after = apply_relabelling(make_manifest(clips, tmp_path), tmp_path / "relabel.csv").clips
    assert after["labels"].tolist() == ["viola", "cello", "flute;viola", "flute;viola", "cello"]
    assert after["unknown_labels"].tolist() == ["", "", "tuba", "tuba", ""]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
def test_markup_in_names_is_shown_and_never_run(tmp_path):
    suspect = Suspect(Sample(HOSTILE, [HOSTILE], tone(), SR, details={HOSTILE: HOSTILE}), ["it's"],
                      {HOSTILE: 0.1, "it's": 0.9}, HOSTILE, [], [HOSTILE])  # fmt: skip
    create([suspect], tmp_path / "page.html", title=HOSTILE, sentences=[HOSTILE], notes=[HOSTILE],
           rates=rates_of([HOSTILE]))  # fmt: skip
    reader, _ = read_page(tmp_path / "page.html")
    assert len(reader.found["script"]) == 1
    assert "img" not in reader.found
    script = """clips[0].querySelector("input[value=given]").click();
      document.body.dataset.found = table();"""
    assert HOSTILE.replace('"', '""') in run_browser(tmp_path / "page.html", script, tmp_path)
