"""Charts of the report, as Altair specifications and SVG."""
