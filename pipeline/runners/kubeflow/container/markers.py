"""Objects of no bytes that stand for folders in Cloud Storage.

TensorFlow makes them when it writes gs:// itself; KFP's launcher then fails to fetch such an artifact
(kubeflow/pipelines#13476). Only outputs that were not written through a mount can have any.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Blob(Protocol):
    """What is used of google.cloud.storage's."""

    name: str
    size: int

    def delete(self) -> None:
        """Deletes the object."""


class Store(Protocol):
    """What is used of google.cloud.storage.Client."""

    def list_blobs(self, bucket: str, prefix: str) -> Iterable[Blob]:
        """All objects of a bucket that begin with the prefix."""


def remove(uris: list[str], store: Store | None = None) -> int:
    """Deletes the markers under the URIs; how many there were.

    Args:
      uris: gs://BUCKET/KEY.
      store: Google's client if absent.
    """
    count = 0
    for uri in uris:
        bucket, _, key = uri.removeprefix("gs://").partition("/")
        for blob in (store or _client()).list_blobs(bucket, prefix=key.rstrip("/") + "/"):
            if blob.name.endswith("/") and not blob.size:
                blob.delete()
                count += 1
    return count


def _client() -> Store:
    from google.cloud import storage

    client: Store = storage.Client()
    return client
