"""Reads pretrained weights from files."""
