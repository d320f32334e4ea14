"""Reads invocations as JSON, one a line, and says what the published client makes of each."""

import json
import sys

from multinode.api_client import InvocationInfo
from multinode.core.invocation import Invocation

for line in sys.stdin:
    derived = Invocation.from_invocation_info(InvocationInfo.from_dict(json.loads(line)))
    json.dump(
        {
            "status": derived.status.value,
            "result": derived.result,
            "error": derived.error,
            "terminated": derived.terminated,
            "failures": derived.num_failed_attempts,
        },
        sys.stdout,
    )
    sys.stdout.write("\n")
