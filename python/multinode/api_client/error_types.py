"""The errors of the REST API, one class each.

The API tells its errors apart by HTTP status and exact text; so does :func:`resolve_error`.
"""

from typing import ClassVar, Dict, Optional, Tuple, Type


class MultinodeApiException(Exception):
    """Base of all errors that a request to the Multinode API can end with.

    Attributes:
        status: the HTTP status of the answer; 0 if there was no answer.
        detail: the API's own text.
    """

    status: int = 0
    detail: str = ""

    def __init__(self, message: Optional[str] = None) -> None:
        super().__init__(self.detail if message is None else message)


class ApiException(MultinodeApiException):
    """An answer that none of the other errors stands for, such as 422 or 503."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"The Multinode API answered with status {status}: {detail}")
        self.status = status
        self.detail = detail

    def __reduce__(self) -> Tuple[Type["ApiException"], Tuple[int, str]]:
        return type(self), (self.status, self.detail)


class ApiUnreachable(MultinodeApiException):
    """The Multinode API could not be reached, also not after several tries."""


class _NamedError(MultinodeApiException):
    """An error with a status and a text of its own."""

    _by_answer: ClassVar[Dict[Tuple[int, str], Type["_NamedError"]]] = {}

    def __init_subclass__(cls) -> None:
        cls._by_answer[cls.status, cls.detail] = cls


class ApiKeyIsInvalid(_NamedError):
    """The API key is unknown, or does not allow this request."""

    status = 403
    detail = "The API key is invalid"


class OffsetIsInvalid(_NamedError):
    """The offset was not one that an earlier page gave."""

    status = 400
    detail = "The next offset is in an invalid format"


class ParentFunctionNameIsMissing(_NamedError):
    """A parent's invocation ID came without its function's name."""

    status = 400
    detail = "The parent function name is missing"


class ParentInvocationIdIsMissing(_NamedError):
    """A parent's function name came without its invocation ID."""

    status = 400
    detail = "The parent invocation ID is missing"


class ParentInvocationDoesNotExist(_NamedError):
    """The parent is not an invocation of this project."""

    status = 400
    detail = "The ID of the parent invocation is invalid"


class ProjectNameIsTooLong(_NamedError):
    """A project's name has at most 64 characters."""

    status = 400
    detail = "The project name is too long"


class ProjectIsBeingDeleted(_NamedError):
    """The project is being undeployed and takes nothing new."""

    status = 400
    detail = "The project is being deleted"


class ProjectAlreadyExists(_NamedError):
    """A project with this name is deployed."""

    status = 409
    detail = "A project with this name already exists."


class ProjectDoesNotExist(_NamedError):
    """No project with this name is deployed."""

    status = 404
    detail = "A project with this name does not exist"


class VersionAlreadyExists(_NamedError):
    """The project has a version with this ID."""

    status = 409
    detail = "A version with this ID already exists for this project"


class VersionDoesNotExist(_NamedError):
    """The project has no version with this ID, or no version at all."""

    status = 404
    detail = "A version with this ID does not exist for this project"


class FunctionAlreadyExists(_NamedError):
    """The version has a function with this name."""

    status = 409
    detail = "A function with this name already exists for this project version"


class FunctionDoesNotExist(_NamedError):
    """The version has no function with this name."""

    status = 404
    detail = "A function with this name does not exist for this project version"


class InvocationAlreadyExists(_NamedError):
    """The function has an invocation with this ID."""

    status = 409
    detail = "An invocation with this ID already exists for this function"


class InvocationDoesNotExist(_NamedError):
    """The function has no invocation with this ID."""

    status = 404
    detail = "An invocation with this ID does not exist for this function"


class InvocationIsAlreadyTerminated(_NamedError):
    """The invocation has ended, so that it cannot be cancelled."""

    status = 409
    detail = "This invocation has already terminated"


class ExecutionAlreadyExists(_NamedError):
    """The invocation has an execution with this ID."""

    status = 409
    detail = "An execution with this ID already exists for this invocation"


class ExecutionDoesNotExist(_NamedError):
    """The invocation has no execution with this ID."""

    status = 404
    detail = "An execution with this ID does not exist for this invocation"


class ExecutionHasAlreadyStarted(_NamedError):
    """The execution can start only once."""

    status = 409
    detail = "This execution has already started"


class ExecutionHasNotStarted(_NamedError):
    """The execution must start first."""

    status = 409
    detail = "This execution has not yet started"


class ExecutionHasAlreadyFinished(_NamedError):
    """The execution has its outcome."""

    status = 409
    detail = "This execution has already finished"


class ExecutionHasNotFinished(_NamedError):
    """The execution has no outcome yet."""

    status = 409
    detail = "This execution has not yet finished"


class ExecutionIsAlreadyTerminated(_NamedError):
    """The execution's worker is gone."""

    status = 409
    detail = "This execution has already terminated"


def resolve_error(status: int, detail: str) -> MultinodeApiException:
    """Return the error that an answer stands for.

    Args:
        status: the HTTP status, 400 or above.
        detail: the text in the answer's body.
    """
    named = _NamedError._by_answer.get((status, detail))
    return ApiException(status, detail) if named is None else named()


__all__ = [
    "ApiException",
    "ApiKeyIsInvalid",
    "ApiUnreachable",
    "ExecutionAlreadyExists",
    "ExecutionDoesNotExist",
    "ExecutionHasAlreadyFinished",
    "ExecutionHasAlreadyStarted",
    "ExecutionHasNotFinished",
    "ExecutionHasNotStarted",
    "ExecutionIsAlreadyTerminated",
    "FunctionAlreadyExists",
    "FunctionDoesNotExist",
    "InvocationAlreadyExists",
    "InvocationDoesNotExist",
    "InvocationIsAlreadyTerminated",
    "MultinodeApiException",
    "OffsetIsInvalid",
    "ParentFunctionNameIsMissing",
    "ParentInvocationDoesNotExist",
    "ParentInvocationIdIsMissing",
    "ProjectAlreadyExists",
    "ProjectDoesNotExist",
    "ProjectIsBeingDeleted",
    "ProjectNameIsTooLong",
    "VersionAlreadyExists",
    "VersionDoesNotExist",
    "resolve_error",
]
