"""Keras layers of our own that convert to flatbuffers."""
