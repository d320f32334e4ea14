"""What a function asks for, in the words of the REST API."""

from typing import Any, Dict, NamedTuple, Optional


class ResourceSpec(NamedTuple):
    """What each worker of a function gets, and how many may run at once."""

    virtual_cpus: float
    memory_gbs: float  # GiB, in spite of its name
    max_concurrency: int


class ExecutionSpec(NamedTuple):
    """How long an execution may take, and how often a failed one is tried again."""

    max_retries: int
    timeout_seconds: int


class FunctionSpec(NamedTuple):
    """A function's name and what it asks for."""

    function_name: str
    resource_spec: ResourceSpec
    execution_spec: ExecutionSpec
    docker_image_override: Optional[str] = None

    def to_wire(self) -> Dict[str, Any]:
        """Return it as the REST API's FunctionSpec."""
        return {
            "function_name": self.function_name,
            "resource_spec": self.resource_spec._asdict(),
            "execution_spec": self.execution_spec._asdict(),
            **(
                {"docker_image_override": self.docker_image_override}
                if self.docker_image_override
                else {}
            ),
        }

    @classmethod
    def from_wire(cls, info: Dict[str, Any]) -> "FunctionSpec":
        """Read it from the REST API's FunctionInfo; fields unknown here are left out."""
        resources, execution = info["resource_spec"], info["execution_spec"]
        return cls(
            info["function_name"],
            ResourceSpec(*(resources[name] for name in ResourceSpec._fields)),
            ExecutionSpec(*(execution[name] for name in ExecutionSpec._fields)),
        )
