"""Search for better settings of members and stack, and what the search is worth."""
