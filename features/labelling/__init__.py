"""What clips are called: labels renamed, merged, dropped, corrected and compared."""
