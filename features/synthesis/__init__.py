"""Synthesis: labelled clips rendered from a sampled soundfont."""

from features.synthesis.families import list_families
from features.synthesis.instruments import Instrument, Program, list_instruments
from features.synthesis.render import render_corpus
from features.synthesis.sampler import render_note
from features.synthesis.soundfont import Soundfont, find_soundfont

__all__ = [
    "Instrument",
    "Program",
    "Soundfont",
    "find_soundfont",
    "list_families",
    "list_instruments",
    "render_corpus",
    "render_note",
]
