"""Changes of a Keras model that keep its function as far as they can, shared by the methods."""
