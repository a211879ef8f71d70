"""ML Metadata over gRPC: the service `metadata-grpc-service` of a cluster, by ML Metadata's own library over SQLite.

The Python wheel has the C++ library without its server; each RPC is handed to the library's function of the same name.
"""

from __future__ import annotations

import concurrent.futures
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import message_factory
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as library
from ml_metadata.proto import metadata_store_pb2, metadata_store_service_pb2

# The only `filter_query` that Kubeflow sends; ML Metadata 1.21 has no such field any more.
FILTER = re.compile(r"custom_properties\.parent_dag_id\.int_value = (\d+)")
CODES = {code.value[0]: code for code in grpc.StatusCode}


def serve(database: Path) -> tuple[grpc.Server, int]:
    """Start a server over the database; return it and its port."""
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    options = metadata_store_pb2.MigrationOptions()
    store = library.CreateMetadataStore(config.SerializeToString(), options.SerializeToString())
    lock = threading.Lock()  # one connection to SQLite
    service = metadata_store_service_pb2.DESCRIPTOR.services_by_name["MetadataStoreService"]
    handlers = {
        method.name: _handler(method, getattr(library, method.name), store, lock)
        for method in service.methods
        if hasattr(library, method.name)
    }
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def _handler(method: Any, function: Callable[[Any, bytes], Any], store: Any, lock: threading.Lock) -> Any:
    """Return the handler of one RPC."""
    request_class, response_class = (
        message_factory.GetMessageClass(t) for t in (method.input_type, method.output_type)
    )

    def call(request: Any, context: grpc.ServicerContext) -> Any:
        parent = _take_filter(request)
        with lock:
            content, error, code = function(store, request.SerializeToString())
        if code:
            context.abort(CODES[code], error.decode())
        response = response_class.FromString(content)
        if parent is not None:
            kept = [e for e in response.executions if e.custom_properties["parent_dag_id"].int_value == parent]
            del response.executions[:]
            response.executions.extend(kept)
        return response

    return grpc.unary_unary_rpc_method_handler(
        call, request_class.FromString, lambda response: response.SerializeToString()
    )


def _take_filter(request: Any) -> int | None:
    """Remove `options.filter_query` from a request; return the parent DAG that it names."""
    options = getattr(request, "options", None)
    if options is None or "filter_query" not in options.DESCRIPTOR.fields_by_name or not options.filter_query:
        return None
    found = FILTER.fullmatch(options.filter_query)
    assert found, f"unknown filter_query: {options.filter_query}"
    options.ClearField("filter_query")
    return int(found[1])
