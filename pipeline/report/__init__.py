"""The report page of a run, comparisons of runs and the preview of examples."""
