"""Modalities, one folder a modality, found by its name."""
