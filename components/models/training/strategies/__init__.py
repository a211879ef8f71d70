"""Distribution strategies, one file a strategy, found by its name; what one must offer is in strategy.py."""
