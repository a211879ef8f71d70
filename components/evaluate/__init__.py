"""The nodes `evaluate` and `evaluate-compressed`: metrics per slice with intervals, and their gates."""
