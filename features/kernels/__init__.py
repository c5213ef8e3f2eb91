"""Inner loops that several descriptors share, as machine code; each has a test against numpy."""
