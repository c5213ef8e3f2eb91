"""Runs: a backbone trained over all folds of a clip table, for a stack to trust."""
