"""Model families, one file a family, found by its name."""
