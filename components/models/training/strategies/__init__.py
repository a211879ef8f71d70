"""Distribution strategies, one file a strategy, found by its name."""
