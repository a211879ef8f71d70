"""Artifact URIs and the local folders where the KFP launcher (or Vertex) has them: gs://b/x is /gcs/b/x.

TensorFlow reads no minio:// and s3://, and half of our nodes use plain files: so gs:// goes by its mount, too. The
launcher fetches inputs there before a task and takes outputs from there after it.
"""

from __future__ import annotations

import os

MOUNTS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
# Where the mounts lie; only set to run a task outside of a cluster.
ENV = "MODELMILL_MOUNTS"


def local(uri: str) -> str:
    """The local path of a URI, or of a path that names a mount; another path stays what it is."""
    base = os.environ.get(ENV, "").rstrip("/")
    for scheme, folder in MOUNTS.items():
        if uri.startswith(scheme):
            return base + folder + uri.removeprefix(scheme)
        if uri.startswith(folder):
            return base + uri
    return uri


def remote(path: str) -> str:
    """The URI of a local path; the inverse of `local`."""
    base = os.environ.get(ENV, "").rstrip("/")
    for scheme, folder in MOUNTS.items():
        if path.startswith(base + folder):
            return scheme + path.removeprefix(base + folder)
    return path
