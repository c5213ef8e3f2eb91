"""What each member and each view is worth: the ensemble without it, beside the whole."""
