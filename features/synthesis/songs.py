"""What is planned: single players, and songs cut into excerpts, both dealt evenly over the labels.

A clip of one player is one instrument in one program and pitch band. A song is several instruments
in one room at fixed levels; its excerpts let all of them or some of them play, as the testing songs
of IRMAS do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.synthesis.instruments import SPLITS, Instrument
from features.synthesis.orchestra import Orchestra
from features.synthesis.room import draw_room
from features.synthesis.score import Part, Take, make_rng

CLIPS_PER_SONG = 6
# How many songs have one, two, three, four players, in twenty; dealt like cards, so that both
# splits are alike. As many have five or more as have four.
SONG_SHARES = (6, 8, 4, 2)

# Of a song's pitches; four pitches of one split span an octave and a fourth.
REGISTER_SIZE = 4

# Of a player, against the others of a song.
MIN_GAIN_DB = -6.0


@dataclass(slots=True)
class _Song:
    """Who is in a song, and who of them plays in each of its excerpts, by number."""

    number: int
    cast: list[int]
    excerpts: list[list[int]]


_Excerpt = tuple[_Song, list[int]]


def plan_clips(
    orchestra: Orchestra, split: str, n_clips: int, *, seed: int, voices: tuple[int, int]
) -> list[Take]:
    """Plan the clips of a split.

    Parameters
    ----------
    orchestra : Orchestra
        Who can play.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    n_clips : int
        How many in all.
    seed : int
        Of the corpus.
    voices : tuple of int
        Fewest and most labels of a clip; (1, 1) means single players, anything else songs.

    Returns
    -------
    list of Take
        Each label in about as many as any other; in training clips of single players and wherever
        excerpts allow it, within one.
    """
    if voices == (1, 1):
        return plan_singles(orchestra, split, n_clips, seed=seed)
    return plan_songs(orchestra, split, n_clips, seed=seed, voices=voices)


def plan_singles(orchestra: Orchestra, split: str, n_clips: int, *, seed: int) -> list[Take]:
    """Plan clips of one instrument each, dealt evenly over instruments, programs, bands and fonts.

    Parameters
    ----------
    orchestra, split, n_clips, seed
        See `plan_clips`.

    Returns
    -------
    list of Take
        One part each; group is instrument, program and lowest pitch of the band.
    """
    instruments = orchestra.instruments
    groups = {each.code: _single_groups(orchestra, each, split) for each in instruments}
    takes = []
    for number in range(n_clips):
        turn, instrument_number = divmod(number, len(instruments))
        of_instrument = groups[instruments[instrument_number].code]
        round_number, place = divmod(turn, len(of_instrument))
        group, parts = of_instrument[place]
        # Shifted by one each round, lest a band meets the same soundfont every time.
        part = parts[(place + round_number) % len(parts)]
        key = (SPLITS.index(split), number)
        room = draw_room(make_rng(seed, (*key, 0)))
        takes.append(Take(split, group, f"{group}_{turn:03d}", (part,), room, (*key, 1)))
    return takes


def _single_groups(
    orchestra: Orchestra, instrument: Instrument, split: str
) -> list[tuple[str, list[Part]]]:
    """Give each group with its part on every soundfont."""
    prefix = "" if split == "train" else f"{split}-"
    groups = []
    for player in orchestra.players(instrument, split):
        program = player.program
        for low, high in program.bands():
            pitches = tuple(p for p in program.pitches(split) if low <= p <= high)
            parts = [Part(instrument, program, pitches, font) for font in player.soundfonts]
            if pitches:
                groups.append((f"{prefix}{instrument.code}-{program.number}-p{low}", parts))
    return groups


def plan_songs(
    orchestra: Orchestra, split: str, n_clips: int, *, seed: int, voices: tuple[int, int]
) -> list[Take]:
    """Plan excerpts of songs, six to a song.

    Parameters
    ----------
    orchestra, split, n_clips, seed, voices
        See `plan_clips`.

    Returns
    -------
    list of Take
        Group is the song.
    """
    split_number = SPLITS.index(split)
    casting = make_rng(seed, (split_number,))
    songs = _cast_songs(len(orchestra.instruments), n_clips, voices, casting)
    _balance(songs, len(orchestra.instruments), casting, fewest=voices[0])
    takes = []
    for song in songs:
        rng = make_rng(seed, (split_number, song.number, 0))
        parts = {
            player: _draw_part(orchestra, orchestra.instruments[player], split, rng)
            for player in song.cast
        }
        room = draw_room(rng)
        group = f"{split}-song-{song.number:03d}"
        takes += [
            Take(
                split,
                group,
                f"{group}_{number}",
                tuple(parts[player] for player in playing),
                room,
                (split_number, song.number, 1 + number),
            )
            for number, playing in enumerate(song.excerpts)
        ]
    return takes


def _cast_songs(
    n_instruments: int, n_clips: int, voices: tuple[int, int], rng: np.random.Generator
) -> list[_Song]:
    fewest, most = voices
    deck = [
        size
        for size in range(fewest, most + 1)
        for _ in range(SONG_SHARES[min(size, len(SONG_SHARES)) - 1])
    ]
    counts = np.zeros(n_instruments)
    sizes: list[int] = []
    songs = []
    for number in range(-(-n_clips // CLIPS_PER_SONG)):
        sizes = sizes or rng.permutation(deck).tolist()
        size = sizes.pop()
        # Those that have played in the fewest clips come first, loosely.
        eagerness = counts + CLIPS_PER_SONG * rng.random(n_instruments)
        cast = np.sort(np.argsort(eagerness)[:size])
        n_excerpts = min(CLIPS_PER_SONG, n_clips - CLIPS_PER_SONG * number)
        excerpts = [_draw_playing(cast, fewest, rng) for _ in range(n_excerpts)]
        for playing in excerpts:
            counts[playing] += 1
        songs.append(_Song(number, cast.tolist(), excerpts))
    return songs


def _draw_playing(cast: np.ndarray, fewest: int, rng: np.random.Generator) -> list[int]:
    """Half the time everyone, else a part of them."""
    if rng.random() < 0.5:
        return cast.tolist()
    n_playing = int(rng.integers(fewest, len(cast) + 1))
    return np.sort(rng.permutation(cast)[:n_playing]).tolist()


def _balance(
    songs: Sequence[_Song], n_instruments: int, rng: np.random.Generator, *, fewest: int
) -> None:
    """Let those who play too often sit out, and those who play too seldom join in.

    One change at a time, until all play equally often, within one, or no change helps.
    """
    counts = np.zeros(n_instruments, dtype=int)
    excerpts = [(song, playing) for song in songs for playing in song.excerpts]
    for _, playing in excerpts:
        counts[playing] += 1
    # Their order is that in which they are tried.
    excerpts = [excerpts[i] for i in rng.permutation(len(excerpts))]
    n_voices = counts.sum()
    for _ in range(len(excerpts) * n_instruments):
        if counts.max() - counts.min() <= 1:
            return
        # Clips keep as many voices, on average, as were drawn.
        moves = (_sit_out, _join_in) if counts.sum() > n_voices else (_join_in, _sit_out)
        if not any(move(excerpts, counts, fewest) for move in (_stand_in, *moves)):
            return


def _stand_in(excerpts: Sequence[_Excerpt], counts: np.ndarray, fewest: int) -> bool:
    """Put one of the rarest in the place of one who plays more often; whether any could."""
    for often in np.argsort(-counts, kind="stable").tolist():
        for seldom in np.flatnonzero(counts == counts.min()).tolist():
            for song, playing in excerpts:
                if (
                    counts[often] > counts[seldom] + 1
                    and often in playing
                    and seldom in song.cast
                    and seldom not in playing
                ):
                    _change(playing, counts, leaves=often, joins=seldom)
                    return True
    return False


def _sit_out(excerpts: Sequence[_Excerpt], counts: np.ndarray, fewest: int) -> bool:
    """Take one of the most frequent out of an excerpt; whether any could."""
    for player in np.flatnonzero(counts == counts.max()).tolist():
        for _, playing in excerpts:
            if player in playing and len(playing) > fewest:
                _change(playing, counts, leaves=player)
                return True
    return False


def _join_in(excerpts: Sequence[_Excerpt], counts: np.ndarray, fewest: int) -> bool:
    """Put one of the rarest into an excerpt of a song that has one; whether any could."""
    for player in np.flatnonzero(counts == counts.min()).tolist():
        for song, playing in excerpts:
            if player in song.cast and player not in playing:
                _change(playing, counts, joins=player)
                return True
    return False


def _change(
    playing: list[int], counts: np.ndarray, *, leaves: int | None = None, joins: int | None = None
) -> None:
    if leaves is not None:
        playing.remove(leaves)
        counts[leaves] -= 1
    if joins is not None:
        playing.append(joins)
        playing.sort()
        counts[joins] += 1


def _draw_part(
    orchestra: Orchestra, instrument: Instrument, split: str, rng: np.random.Generator
) -> Part:
    players = orchestra.players(instrument, split)
    player = players[rng.integers(len(players))]
    pitches = player.program.pitches(split)
    lowest = int(rng.integers(max(1, len(pitches) - REGISTER_SIZE + 1)))
    register = pitches[lowest : lowest + REGISTER_SIZE]
    font = player.soundfonts[rng.integers(len(player.soundfonts))]
    gain_db = round(float(rng.uniform(MIN_GAIN_DB, 0)), 2)
    return Part(instrument, player.program, register, font, gain_db)
