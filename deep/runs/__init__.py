"""Runs: a backbone trained over all folds of a clip table, for a stack to trust."""

from deep.runs.run import train_run

__all__ = ["train_run"]
