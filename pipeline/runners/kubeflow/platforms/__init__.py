"""Platforms that run a compiled pipeline, one file a platform, found by its name."""
