"""Doubtful labels: finding them, what cleaning gains, and splitting a label too coarse."""
