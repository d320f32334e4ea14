"""The environment variables that configure a client and describe a worker."""

import os
from typing import NamedTuple, Optional

API_URL = "MULTINODE_API_URL"
API_KEY = "MULTINODE_API_KEY"
PROJECT_NAME = "MULTINODE_PROJECT_NAME"
VERSION_ID = "MULTINODE_VERSION_ID"
FUNCTION_NAME = "MULTINODE_FUNCTION_NAME"
INVOCATION_ID = "MULTINODE_INVOCATION_ID"
BINARY = "MULTINODE_BINARY"


class WorkerContext(NamedTuple):
    """The invocation that this process runs."""

    project_name: str
    version_id: str
    function_name: str
    invocation_id: str


def worker_context() -> Optional[WorkerContext]:
    """Return what this process runs as a worker, or None outside of a worker."""
    values = [os.environ.get(n) for n in (PROJECT_NAME, VERSION_ID, FUNCTION_NAME, INVOCATION_ID)]
    project_name, version_id, function_name, invocation_id = values
    if project_name and version_id and function_name and invocation_id:
        return WorkerContext(project_name, version_id, function_name, invocation_id)
    return None
