"""The node `train`: TFX's Trainer, run in a child process."""
