"""The API server's cache: `api.TaskService` of Kubeflow's v1beta1 API, which driver and launcher call by gRPC."""

from __future__ import annotations

import concurrent.futures
import json
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "api.TaskService"
# Field numbers of backend/api/v1beta1/task.proto; protobuf keeps the fields that are left out here.
MESSAGES = {
    "Task": {"namespace": 2, "pipelineName": 3, "runId": 4, "mlmdExecutionID": 5, "fingerprint": 8},
    "ListTasksRequest": {"filter": 5},
}
LISTS = {"CreateTaskRequest": {"task": (1, False)}, "ListTasksResponse": {"tasks": (1, True)}}


class CacheService:
    """Keeps a task for each fingerprint; `hits` and `misses` are the fingerprints that were asked for."""

    def __init__(self) -> None:
        self.tasks: dict[str, Any] = {}
        self.hits: list[str] = []
        self.misses: list[str] = []
        self._messages = _messages()
        create = self._messages["CreateTaskRequest"], self._create
        find = self._messages["ListTasksRequest"], self._list
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(call, kind.FromString, lambda answer: answer.SerializeToString())
            for name, (kind, call) in {"CreateTaskV1": create, "ListTasksV1": find}.items()
        }
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def _create(self, request: Any, _: grpc.ServicerContext) -> Any:
        self.tasks[request.task.fingerprint] = request.task
        return request.task

    def _list(self, request: Any, _: grpc.ServicerContext) -> Any:
        wanted = {one["key"]: one["stringValue"] for one in json.loads(request.filter)["predicates"]}
        found = self.tasks.get(wanted["fingerprint"])
        if found is not None and found.pipelineName == wanted["pipelineName"]:
            self.hits.append(wanted["fingerprint"])
            return self._messages["ListTasksResponse"](tasks=[found])
        self.misses.append(wanted["fingerprint"])
        return self._messages["ListTasksResponse"]()


def _messages() -> dict[str, Any]:
    """Return the message classes by name."""
    file = descriptor_pb2.FileDescriptorProto(name="modelmill/tests/task.proto", package="api", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for key, number in fields.items():
            message.field.add(name=key, number=number, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    for name, members in LISTS.items():
        message = file.message_type.add(name=name)
        for key, (number, repeated) in members.items():
            label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            message.field.add(name=key, number=number, type=field.TYPE_MESSAGE, label=label, type_name=".api.Task")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"api.{name}")) for name in (*MESSAGES, *LISTS)
    }
