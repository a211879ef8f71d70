"""The node `ingest`: TFX's file-based ExampleGen with our reader."""
