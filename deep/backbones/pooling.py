"""Pooling over time: embeddings of a clip's steps to one embedding of the clip."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from deep.frontends.padding import valid_mask

# Words of a dictionary, as in the instrument recogniser of Zhong et al., 2023.
N_WORDS = 8


class Pooling(nn.Module):
    """Steps to embeddings, called as ``pooling(steps, n_steps) -> embeddings``.

    What follows a clip's last valid step does not matter.

    Parameters
    ----------
    embedding_size : int
        Values per embedding.
    """

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.embedding_size = embedding_size

    def forward(self, steps: Tensor, n_steps: Tensor) -> Tensor:
        """Pool.

        Parameters
        ----------
        steps : Tensor of shape (n_samples, n_steps, n_values)
            Embeddings of steps.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip, at least one.

        Returns
        -------
        Tensor of shape (n_samples, embedding_size)
            Embeddings of clips.

        Raises
        ------
        NotImplementedError
            If a pooling does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward")


class WeighingPooling(Pooling):
    """A pooling that weighs steps, and can tell how; subclasses define `scores` and `forward`."""

    def scores(self, steps: Tensor) -> Tensor:
        """Score steps; the higher a score, the more a step counts.

        Parameters
        ----------
        steps : Tensor of shape (n_samples, n_steps, n_values)
            Embeddings of steps.

        Returns
        -------
        Tensor of shape (n_samples, n_steps, n_weights)
            Logarithms of weights, but for what is added to all of a clip.

        Raises
        ------
        NotImplementedError
            If a pooling does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define scores")

    def weights(self, steps: Tensor, n_steps: Tensor) -> Tensor:
        """Weigh steps.

        Parameters
        ----------
        steps : Tensor of shape (n_samples, n_steps, n_values)
            Embeddings of steps.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip, at least one.

        Returns
        -------
        Tensor of shape (n_samples, n_steps, n_weights), float32
            Each of a step's weights sums to one over a clip's valid steps and is zero past them.
        """
        # A softmax over hundreds of steps is too much for the 8 bits of bfloat16.
        scores = self.scores(steps).float()
        return scores.masked_fill(~_valid(steps, n_steps), -torch.inf).softmax(dim=1)


class MeanMaxPooling(Pooling):
    """The mean over a clip's steps plus their maximum: a sound counts wherever in the clip it is.

    Parameters
    ----------
    embedding_size : int
        Values per step, and of the result.

    References
    ----------
    Q. Kong et al., PANNs: large-scale pretrained audio neural networks, IEEE/ACM TASLP 28, 2020.
    """

    def forward(self, steps: Tensor, n_steps: Tensor) -> Tensor:  # noqa: D102 - see Pooling
        valid = _valid(steps, n_steps)
        mean = (steps * valid).sum(dim=1) / n_steps.to(steps.device)[:, None]
        return mean + steps.masked_fill(~valid, -torch.inf).amax(dim=1)


class AttentionPooling(WeighingPooling):
    """Weighted means over a clip's steps, by weights that are learned from the steps themselves.

    Values are dealt into as many parts as there are weights a step, so that one part may listen to
    an onset while another one waits for what sounds after it.

    Parameters
    ----------
    n_values : int
        Values per step, and of the result.
    n_weights : int
        Weights per step; a divisor of `n_values`.

    Raises
    ------
    ValueError
        If values cannot be dealt evenly.

    References
    ----------
    Q. Kong et al., Audio Set classification with attention model: a probabilistic perspective,
    ICASSP 2018; weights there are of classes, here of parts of the embedding.
    """

    def __init__(self, n_values: int, *, n_weights: int = 16) -> None:
        super().__init__(n_values)
        if n_values % n_weights:
            raise ValueError(f"n_weights must divide the {n_values} values, got {n_weights}")
        self.weigh = nn.Linear(n_values, n_weights)

    def scores(self, steps: Tensor) -> Tensor:  # noqa: D102 - see WeighingPooling
        return self.weigh(steps)

    def forward(self, steps: Tensor, n_steps: Tensor) -> Tensor:  # noqa: D102 - see Pooling
        weights = self.weights(steps, n_steps)
        parts = steps.unflatten(2, (weights.shape[2], -1))
        return (weights[..., None] * parts).sum(dim=1).flatten(start_dim=1)


class AdditiveAttentionPooling(WeighingPooling):
    """The mean over a clip's steps, each weighed by what a small network thinks of it.

    ``weight[t] = softmax_t(v @ tanh(W @ step[t] + b) / sqrt(n_values))``: with one hidden layer
    where `AttentionPooling` has none, and one weight for all values of a step.

    Parameters
    ----------
    n_values : int
        Values per step, and of the result.

    References
    ----------
    D. Bahdanau, K. Cho and Y. Bengio, Neural machine translation by jointly learning to align and
    translate, ICLR 2015, section 3; there is no state to compare steps with here.
    """

    def __init__(self, n_values: int) -> None:
        super().__init__(n_values)
        self.hidden = nn.Linear(n_values, n_values)
        # A constant added to all scores would change no weight.
        self.score = nn.Linear(n_values, 1, bias=False)

    def scores(self, steps: Tensor) -> Tensor:  # noqa: D102 - see WeighingPooling
        return self.score(torch.tanh(self.hidden(steps))) / self.embedding_size**0.5

    def forward(self, steps: Tensor, n_steps: Tensor) -> Tensor:  # noqa: D102 - see Pooling
        return (self.weights(steps, n_steps) * steps).sum(dim=1)


class DictionaryPooling(WeighingPooling):
    """How far a clip's steps lie from each word of a learned dictionary, on average.

    A step belongs to word d by the share ``share[t, d] = softmax_d(-scale[d]**2 * |step[t] -
    word[d]|**2)``, and the embedding is, word after word, the mean of ``step[t] - word[d]`` over
    the clip's steps weighed by their shares: what a histogram of sounds would count, and where
    within each of its bins they lie. Computed in float32 under autocast too.

    Parameters
    ----------
    n_values : int
        Values per step.
    n_words : int
        Words; the embedding has `n_values` for each.

    References
    ----------
    W. Cai, Z. Cai, X. Zhang, X. Wang and M. Li, A novel learnable dictionary encoding layer for
    end-to-end language identification, ICASSP 2018, equations 4 and 5.
    """

    def __init__(self, n_values: int, *, n_words: int = N_WORDS) -> None:
        super().__init__(n_values * n_words)
        self.words = nn.Parameter(torch.empty(n_words, n_values).uniform_(-1, 1))
        self.scales = nn.Parameter(torch.ones(n_words))

    def scores(self, steps: Tensor) -> Tensor:  # noqa: D102 - see WeighingPooling
        with torch.autocast(steps.device.type, enabled=False):
            distances = (steps.float()[:, :, None] - self.words).square().sum(dim=3)
            # Logarithms: the mean of a word that no step is near would be zero by zero.
            return (-self.scales.square() * distances).log_softmax(dim=2)

    def forward(self, steps: Tensor, n_steps: Tensor) -> Tensor:  # noqa: D102 - see Pooling
        with torch.autocast(steps.device.type, enabled=False):
            # Weights sum to one over time: the mean distance is the mean less the word.
            means = self.weights(steps, n_steps).transpose(1, 2) @ steps.float()
            return (means - self.words).flatten(start_dim=1)


def _valid(steps: Tensor, n_steps: Tensor) -> Tensor:
    """Mark valid steps, (n_samples, n_steps, 1)."""
    return valid_mask(n_steps, steps.shape[1], device=steps.device)[..., None]


_POOLINGS: dict[str, Callable[[int], Pooling]] = {
    "mean-max": MeanMaxPooling,
    "attention": AttentionPooling,
    "additive": AdditiveAttentionPooling,
    "dictionary": DictionaryPooling,
}
POOLINGS = tuple(_POOLINGS)


def create_pooling(name: str, n_values: int) -> Pooling:
    """Make a pooling by name.

    Parameters
    ----------
    name : str
        One of `POOLINGS`.
    n_values : int
        Values per step.

    Returns
    -------
    Pooling
        Untrained.

    Raises
    ------
    ValueError
        If there is no such pooling.
    """
    if name not in _POOLINGS:
        raise ValueError(f"pooling must be one of {POOLINGS}, got {name!r}")
    return _POOLINGS[name](n_values)
