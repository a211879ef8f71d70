"""What a run leaves behind, and how it is found and read: summaries, node outcomes, ML Metadata."""
