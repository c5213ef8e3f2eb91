"""The nuisance audit: how far labels could be guessed from how the clips were recorded."""
