"""Runs a pipeline on Kubeflow Pipelines v2 and Vertex AI Pipelines."""
