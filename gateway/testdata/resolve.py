"""Reads errors as JSON, one a line, and says which the published client makes of each."""

import json
import sys

import multinode.errors
from multinode.api_client import ApiException
from multinode.api_client.error_types import resolve_error

known = {c.__name__ for c in multinode.errors.MultinodeApiException.__subclasses__()}
for line in sys.stdin:
    error = json.loads(line)
    original = ApiException(status=error["status"])
    original.body = json.dumps({"detail": error["detail"]})
    name = type(resolve_error(original)).__name__
    assert name == error["name"], (name, error)
    known.remove(name)
assert not known, f"nothing stands for {known}"
