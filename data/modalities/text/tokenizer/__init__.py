"""Tokenizers: learned over the train split, and run inside the graph."""
