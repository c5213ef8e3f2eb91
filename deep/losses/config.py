"""What a loss is for and what can be set: its description, and the check of given settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Any

from torch import Tensor

# Lowest value, and the value to stay below.
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LossConfig:
    """What a user should know of a loss before using it.

    Parameters
    ----------
    name : str
        Name in the registry.
    single_label, multi_label : callable or None
        What computes it for each task, None where it is not fit for the task:
        ``(logits, targets, *, weight, label_smoothing, **options) -> scalar``, or for a term
        ``(logits or embeddings, targets, **options) -> scalar``.
    ranges : mapping of str to (float, float)
        Options that are numbers: lowest value, and the value to stay below.
    flags : tuple of str
        Options that are true or false.
    others : tuple of str
        Other options, of which `create_losses` makes something first.
    is_term : bool
        Whether it is added to another loss, ``main``, with the weight ``alpha``.
    needs_embeddings : bool
        Whether it must be given embeddings beside logits.
    needs_cosine_head : bool
        Whether logits must come from a `CosineHead`.
    """

    name: str
    single_label: Callable[..., Tensor] | None = None
    multi_label: Callable[..., Tensor] | None = None
    ranges: Mapping[str, Range] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    is_term: bool = False
    needs_embeddings: bool = False
    needs_cosine_head: bool = False

    def of_task(self, *, multi_label: bool) -> Callable[..., Tensor] | None:
        """Give what computes the loss.

        Parameters
        ----------
        multi_label : bool
            Whether labels are decided one by one.

        Returns
        -------
        callable or None
            None if the loss is not fit for the task.
        """
        return self.multi_label if multi_label else self.single_label

    def options(self) -> list[str]:
        """List what can be set.

        Returns
        -------
        list of str
            Names; those of the loss that a term is added to are not among them.
        """
        of_terms = ("alpha", "main") if self.is_term else ()
        return [*self.ranges, *self.flags, *self.others, *of_terms]

    def with_options(
        self, options: Mapping[str, Any], *, multi_label: bool
    ) -> Callable[..., Tensor]:
        """Give what computes the loss, with its numbers and flags set.

        Parameters
        ----------
        options : mapping
            Given options, perhaps also of another loss.
        multi_label : bool
            Whether labels are decided one by one.

        Returns
        -------
        callable
            See `LossConfig`.

        Raises
        ------
        ValueError
            If the loss is not fit for the task.
        """
        function = self.of_task(multi_label=multi_label)
        if function is None:
            task = "multi-label" if multi_label else "single-label"
            raise ValueError(f"the loss {self.name!r} is not for {task} targets")
        own = {key: options[key] for key in (*self.ranges, *self.flags) if key in options}
        return partial(function, **own)


def find_wrong(options: Mapping[str, Any], *configs: LossConfig) -> list[str]:
    """Say what is wrong with given options.

    Parameters
    ----------
    options : mapping
        Given options.
    *configs : LossConfig
        The losses they are for.

    Returns
    -------
    list of str
        One sentence for each problem; empty if all is well.
    """
    allowed = sorted({option for config in configs for option in config.options()})
    wrong = []
    if stray := sorted(options.keys() - set(allowed)):
        names = " with ".join(repr(config.name) for config in configs)
        wrong.append(f"options of the loss {names} must be among {allowed}, got {stray}")
    for config in configs:
        for option in sorted(config.ranges.keys() & options.keys()):
            wrong += find_out_of_range(option, options[option], config.ranges[option])
        for flag in config.flags:
            if not isinstance(options.get(flag, False), bool):
                wrong.append(f"{flag} must be true or false, got {options[flag]!r}")
    return wrong


def find_out_of_range(name: str, value: Any, allowed: Range) -> list[str]:
    """Say whether a number is out of range.

    Parameters
    ----------
    name : str
        What the number is called.
    value : object
        What was given.
    allowed : (float, float)
        Lowest value, and the value to stay below.

    Returns
    -------
    list of str
        One sentence, or none if all is well.
    """
    low, limit = allowed
    number = isinstance(value, Real) and not isinstance(value, bool)
    if number and low <= value < limit:
        return []
    return [f"{name} must be a number in [{low:g}, {limit:.4g}), got {value!r}"]
