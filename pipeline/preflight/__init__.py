"""What is done before a run: new projects, `check`, `doctor`, and estimates of time and memory."""
