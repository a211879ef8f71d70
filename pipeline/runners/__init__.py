"""Where a pipeline runs: on this machine (`local`) or on Kubeflow Pipelines and Vertex (`kubeflow`)."""
