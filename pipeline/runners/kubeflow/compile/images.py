"""Names of container images."""

from __future__ import annotations

import re

from modelmill.pipeline.runners.kubeflow.errors import DeployError

IMAGE = re.compile(
    r"(?P<name>[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*)"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?"
)


def image(given: str | None, allow_latest: bool) -> str:
    """The image, if it is named so that it stays the same.

    Raises:
      DeployError: none is given, it is no image, or it has neither a tag nor a digest.
    """
    if not given:
        raise DeployError("--image: missing; give the image that holds modelmill, such as registry/modelmill:0.1.0")
    found = IMAGE.fullmatch(given)
    if not found:
        raise DeployError(f"--image: found {given!r}; give REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST")
    if not found["digest"] and found["tag"] in (None, "latest") and not allow_latest:
        what = "the tag 'latest'" if found["tag"] else "neither tag nor digest"
        raise DeployError(
            f"--image: {given!r} has {what}: what runs would change by itself, and the cache would not know. "
            "Give a version, or --allow-latest"
        )
    return given
