"""The node `push`: copies a blessed bundle to its destination, whole or not at all."""
