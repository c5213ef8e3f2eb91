"""The training engine: a small loop of plain functions over a network and a store of waveforms.

Plain functions rather than skorch: exact resume, randomness as a function of seed, epoch and step,
scores of whole clips over their windows, and targets that are partly unknown all need the loop
itself, and a library around it would be overridden everywhere.

Conventions: epochs, steps and numbers shown count from one. Everything random comes from the seed,
the epoch, the step and the part of the batch; the clock alone may end a run early, and then the
record says so.
"""

from deep.training.checkpoints import Checkpoints
from deep.training.clock import Clock
from deep.training.loop import train_network
from deep.training.record import TrainingRecord
from deep.training.settings import TrainingSettings

__all__ = ["Checkpoints", "Clock", "TrainingRecord", "TrainingSettings", "train_network"]
