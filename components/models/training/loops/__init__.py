"""Training loops, one file a loop, found by its name."""
