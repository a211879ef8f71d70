"""Tasks, one file a task, found by its name: labels, losses, metrics."""
