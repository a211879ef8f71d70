"""Training: input pipelines, optimizers, checkpoints, precision and strategies."""
