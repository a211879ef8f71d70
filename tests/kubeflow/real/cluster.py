"""What Kubeflow's driver and launcher talk to in a cluster, all on loopback, with volumes in folders."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.kubeflow.real import kubernetes_api, metadata_server, object_store
from tests.kubeflow.real.cache_service import CacheService
from tests.kubeflow.real.package import Servers

DRIVER, LAUNCHER, COMPILER = "KFP_DRIVER", "KFP_LAUNCHER", "KFP_COMPILER"
STORE_SECRET = "mlpipeline-minio-artifact"
ROOT = "minio://mlpipeline/v2/artifacts"


def missing() -> str | None:
    """Return what has to be given, None if all is there."""
    absent = [name for name in (DRIVER, LAUNCHER) if not os.access(os.environ.get(name, ""), os.X_OK)]
    if not absent:
        return None
    return (
        f"{' and '.join(absent)}: give the paths of Kubeflow's own programs. They are in the images of a release: "
        "/bin/driver in kfp-driver:2.17.0, /bin/launcher-v2 in kfp-launcher:2.17.0; docs/kubeflow.md says how to take "
        "them out"
    )


class Cluster:
    """The services, as a context; `claims` is the folder of the persistent volumes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.claims = folder / "claims"
        self.claims.mkdir(parents=True)
        self.driver = Path(os.environ[DRIVER]).resolve()
        self.launcher = folder / "launch"

    def __enter__(self) -> Self:
        # An init container does this in each pod.
        subprocess.run([os.environ[LAUNCHER], "--copy", str(self.launcher)], check=True)
        self.kubernetes = kubernetes_api.KubernetesApi(self.folder / "kubernetes")
        self.cache = CacheService()
        self.metadata, self.metadata_port = metadata_server.serve(self.folder / "metadata.sqlite")
        self.store = object_store.ObjectStore(self.folder / "moto.txt", "mlpipeline", "lake")
        self.kubernetes.secret(
            STORE_SECRET, {"accesskey": object_store.ACCESS_KEY, "secretkey": object_store.SECRET_KEY}
        )
        self.kubernetes.config_map("kfp-launcher", {"defaultPipelineRoot": ROOT, "providers": self._providers()})
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self.metadata.stop(None)
        self.cache.server.stop(None)
        self.kubernetes.close()

    @property
    def variables(self) -> dict[str, str]:
        """What Kubernetes puts into the environment of every container."""
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.kubernetes.port)}

    @property
    def servers(self) -> Servers:
        """The addresses that driver and launcher are told."""
        return Servers(self.metadata_port, self.cache.port)

    def claim(self, name: str) -> Path:
        """Return the folder of a persistent volume claim."""
        folder = self.claims / name
        folder.mkdir(exist_ok=True)
        return folder

    def _providers(self) -> str:
        """Return the object stores as the ConfigMap `kfp-launcher` names them; JSON is YAML, too."""
        secret = {"secretName": STORE_SECRET, "accessKeyKey": "accesskey", "secretKeyKey": "secretkey"}
        default: dict[str, Any] = {
            "endpoint": self.store.endpoint,
            "disableSSL": True,
            "region": object_store.REGION,
            "forcePathStyle": True,
            "credentials": {"fromEnv": False, "secretRef": secret},
        }
        return json.dumps({"minio": {"default": default}})
