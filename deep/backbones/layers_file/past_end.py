"""What stands past each clip's end."""

from __future__ import annotations

from torch import Tensor

from deep.frontends.padding import valid_mask


def fill_past_end(values: Tensor, n_steps: Tensor, *, axis: int, filling: float = 0.0) -> Tensor:
    """Put one value past each clip's end, as a layer sees it beyond a clip alone.

    Parameters
    ----------
    values : Tensor of shape (n_samples, ...)
        Whatever past each clip's end.
    n_steps : Tensor of shape (n_samples,), int64, on the CPU
        Valid steps of each clip.
    axis : int
        Which axis of `values` is time.
    filling : float
        The value.

    Returns
    -------
    Tensor of shape (n_samples, ...)
        As given before each clip's end.
    """
    width = values.shape[axis]
    if not (n_steps < width).any():
        return values
    valid = valid_mask(n_steps, width, device=values.device)
    shape = [1] * values.ndim
    shape[0], shape[axis] = valid.shape
    return values.masked_fill(~valid.reshape(shape), filling)
