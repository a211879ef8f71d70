"""What runs inside the container of a task: the entry point between launcher and TFX executor."""
