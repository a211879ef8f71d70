"""Compression methods, one file a method, found by its name."""
