"""Where the sound of a segment is: in a file of its own, or in the file of the whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from features.audio import AudioDecodeError, list_audio_files, read_info

NUMBER = re.compile(r"\d+(\.\d+)?")

# Videos end, and cutters round, a fraction of a second beside what a listing says.
TOLERANCE_S = 1.0


class SegmentSounds:
    """The sound files below a folder, found by the video and the start of a segment.

    Parameters
    ----------
    folder : Path
        Searched once. Files are called `<video>`, `<video>_<start>` or `<video>_<start>_<end>`, the
        start in seconds or milliseconds, with or without a `Y` in front, as copies of AudioSet are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: dict[tuple[str, float | None], str] = {}
        self._durations: dict[str, float | None] = {}
        for path in list_audio_files(folder):
            for key in _keys(path.stem):
                self._paths.setdefault(key, path.relative_to(folder).as_posix())

    def find(self, video: str, start_s: float) -> str | None:
        """Find the file of a segment, or else of its video.

        Parameters
        ----------
        video : str
            Its name.
        start_s : float
            Where in the video the segment starts, in seconds.

        Returns
        -------
        str or None
            Path below the folder.
        """
        for start in (round(start_s, 3), float(round(start_s * 1000)), None):
            if (video, start) in self._paths:
                return self._paths[video, start]
        return None

    def place(
        self,
        path: str,
        segment: tuple[float, float],
        span: tuple[float, float] | None = None,
    ) -> tuple[float | None, float | None]:
        """Tell which part of its file a segment is, or a span of it.

        Parameters
        ----------
        path : str
            The file, as found.
        segment : tuple of float
            Start and end of the segment in the video, in seconds.
        span : tuple of float or None
            The part of the segment that is wanted, in seconds of the video; None for all of it.

        Returns
        -------
        tuple of float or None
            Start and end in the file, in seconds; None for the file's own. The file's header tells
            whether it is the segment or longer. What cannot be read is taken to be longer; it fails
            by name where sound is read.
        """
        duration = self._duration(path)
        is_cut = duration is not None and duration <= segment[1] - segment[0] + TOLERANCE_S
        if span is None:
            if is_cut:
                return None, None
            span = segment
        offset = segment[0] if is_cut else 0.0
        # Milliseconds, as listings have them: 32.627 - 30 is 2.627.
        start, end = (round(bound - offset, 3) for bound in span)
        if duration is not None and duration < end <= duration + TOLERANCE_S:
            return start, None
        return start, end

    def _duration(self, path: str) -> float | None:
        if path not in self._durations:
            try:
                self._durations[path] = read_info(self._folder / path).duration_s
            except AudioDecodeError:
                self._durations[path] = None
        return self._durations[path]


def _keys(stem: str) -> Iterator[tuple[str, float | None]]:
    """Give all that a file name may mean: names of videos may hold `_` and start with `Y`."""
    for name in (stem, stem[1:]) if stem.startswith("Y") else (stem,):
        yield name, None
        for _ in range(2):
            name, _, number = name.rpartition("_")
            if not NUMBER.fullmatch(number):
                break
            yield name, round(float(number), 3)
