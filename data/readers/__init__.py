"""Reads files, tables and TFRecords into raw examples."""
