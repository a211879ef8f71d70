"""The node `transform`: TFX's Transform with the modality's preprocessing."""
