"""Writes and reads trained models: SavedModels, and what rebuilds the bare Keras model."""
