"""Attributions: which parts of an input decided on a prediction."""
