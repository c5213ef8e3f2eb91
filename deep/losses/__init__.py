"""Losses over logits and targets, one file each.

Conventions: targets are float (n_samples, n_classes). Single-label rows sum to one; multi-label
rows hold 1, 0 or anything between (mixed clips). A label that was never annotated is -1, and has
no loss and no gradient; in a single-label row it stands for the whole row. Every loss is computed
in float32 or wider, also under autocast, and is finite for logits of any size.
"""

from deep.losses.arcface import arcface
from deep.losses.asymmetric import asymmetric
from deep.losses.binary_cross_entropy import masked_binary_cross_entropy
from deep.losses.class_weights import balanced_weights
from deep.losses.config import LossConfig
from deep.losses.cross_entropy import cross_entropy
from deep.losses.family import family_loss, family_members
from deep.losses.focal import binary_focal, softmax_focal
from deep.losses.objective import Loss, Objective
from deep.losses.registry import create_losses, get_loss_config, list_losses
from deep.losses.triplet import triplet

__all__ = [
    "Loss",
    "LossConfig",
    "Objective",
    "arcface",
    "asymmetric",
    "balanced_weights",
    "binary_focal",
    "create_losses",
    "cross_entropy",
    "family_loss",
    "family_members",
    "get_loss_config",
    "list_losses",
    "masked_binary_cross_entropy",
    "softmax_focal",
    "triplet",
]
