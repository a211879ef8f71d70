"""Models: families, layers, training, export and flatbuffers. Knows no node."""
