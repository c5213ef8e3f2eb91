"""Checks of a manifest and its sound: everything that is wrong, at once, as a table."""
