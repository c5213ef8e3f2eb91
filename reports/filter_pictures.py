"""Which pictures show what a frontend has learned, and what stands under each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from reports.picture import Picture

# Curves of single filters that are shown.
MAX_CURVES = 6
_COLOURS = ("red", "green", "blue")


def make_filter_pictures(
    responses: tuple[np.ndarray, np.ndarray],
    *,
    frequencies_hz: np.ndarray,
    windows: tuple[np.ndarray, np.ndarray] | None = None,
) -> Iterator[Picture]:
    """Draw all pictures of learned windows and filters, one at a time.

    Parameters
    ----------
    responses : tuple of two np.ndarray of shape (n_stfts, n_filters, n_frequencies)
        Magnitude responses at the start and learned.
    frequencies_hz : np.ndarray of shape (n_frequencies,)
        What they are at: evenly spaced, from 0 to half the sampling rate, in Hz.
    windows : tuple of two np.ndarray of shape (n_stfts, n_timepoints), or None
        At the start and learned; None where there are none of their own.

    Yields
    ------
    Picture
        Windows, if there are any; all filters; and those that changed most, if any did.
    """
    names = _transform_names(len(responses[0]))
    if windows is not None:
        yield _windows(windows, round(2 * float(frequencies_hz[-1])), names)
    yield _responses(responses, frequencies_hz, names)
    yield from _most_moved(responses, frequencies_hz, names)


def _transform_names(n_stfts: int) -> list[str]:
    if n_stfts == len(_COLOURS):
        return [f"Transform {number} ({colour})" for number, colour in enumerate(_COLOURS, start=1)]
    return [f"Transform {number}" for number in range(1, n_stfts + 1)]


def _windows(windows: tuple[np.ndarray, np.ndarray], sr: int, names: Sequence[str]) -> Picture:
    from reports.plots.filters import RANGE_DB, plot_windows

    before, after = windows
    moved = np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    how_far = ", ".join(f"{100 * share:.1f} %" for share in moved)
    return Picture(
        "filters",
        "windows",
        "The window, as it began and as it was learned",
        "Left: the weight of each sample of a frame. Right: how a sinusoid spreads over its "
        f"neighbours, in dB below its own strength; what lies below -{RANGE_DB:.0f} dB is drawn "
        "there. A narrow peak tells close tones apart, low lobes beside it keep loud sounds from "
        f"hiding soft ones. Size of the change relative to the window: {how_far}.",
        plot_windows(before, after, sr=sr, names=names),
    )


def _responses(
    responses: tuple[np.ndarray, np.ndarray], frequencies_hz: np.ndarray, names: Sequence[str]
) -> Picture:
    from reports.plots.filters import RANGE_DB, plot_responses

    return Picture(
        "filters",
        "filter_responses",
        "What each filter responds to",
        "One row of the picture for each filter; bright is what it lets through, in dB below the "
        f"strongest response of its transform, black -{RANGE_DB:.0f} dB and less. Filters of a "
        "Fourier transform lie on a diagonal; light beside it has been learned.",
        plot_responses(*responses, frequencies_hz=frequencies_hz, names=names),
    )


def _most_moved(
    responses: tuple[np.ndarray, np.ndarray], frequencies_hz: np.ndarray, names: Sequence[str]
) -> Iterator[Picture]:
    before, after = responses
    sizes = np.linalg.norm(before, axis=2)
    relative = np.linalg.norm(after - before, axis=2) / np.where(sizes > 0, sizes, 1.0)
    ranked = np.argsort(-relative, axis=None, kind="stable")[:MAX_CURVES]
    chosen = [place for place in zip(*np.unravel_index(ranked, relative.shape), strict=True)
              if relative[place] > 0]  # fmt: skip
    if not chosen:
        return
    from reports.plots.filters import plot_moved_filters

    titles = [
        f"{f'{names[stft]}, filter' if len(names) > 1 else 'Filter'} {number + 1}, "
        f"{100 * relative[stft, number]:.0f} % changed"
        for stft, number in chosen
    ]
    rows, columns = (list(places) for places in zip(*chosen, strict=True))
    yield Picture(
        "filters",
        "most_moved_filters",
        f"The {len(chosen)} filters that changed most",
        "In %, the size of the change of the response relative to the response at the start, "
        "largest first. Each panel is in dB below the higher of its two maxima.",
        plot_moved_filters(
            before[rows, columns],
            after[rows, columns],
            frequencies_hz=frequencies_hz,
            names=titles,
        ),
    )
