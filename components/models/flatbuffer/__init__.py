"""Reads, edits and runs flatbuffers."""
