"""Data sets that come with modelmill, one file a data set, found by its name."""
