"""Every error that this package raises.

All derive from :class:`MultinodeError`, but for those of the REST API, which derive from
:class:`MultinodeApiException`.
"""

from typing import Any, Optional

from multinode.api_client.error_types import (
    ApiException,
    ApiKeyIsInvalid,
    ApiUnreachable,
    ExecutionAlreadyExists,
    ExecutionDoesNotExist,
    ExecutionHasAlreadyFinished,
    ExecutionHasAlreadyStarted,
    ExecutionHasNotFinished,
    ExecutionHasNotStarted,
    ExecutionIsAlreadyTerminated,
    FunctionAlreadyExists,
    FunctionDoesNotExist,
    InvocationAlreadyExists,
    InvocationDoesNotExist,
    InvocationIsAlreadyTerminated,
    MultinodeApiException,
    OffsetIsInvalid,
    ParentFunctionNameIsMissing,
    ParentInvocationDoesNotExist,
    ParentInvocationIdIsMissing,
    ProjectAlreadyExists,
    ProjectDoesNotExist,
    ProjectIsBeingDeleted,
    ProjectNameIsTooLong,
    VersionAlreadyExists,
    VersionDoesNotExist,
)


class MultinodeError(Exception):
    """Base of the errors that do not come from the REST API."""


class ParameterValidationError(MultinodeError):
    """A function was declared with a parameter that is not allowed."""


class InvalidUseError(MultinodeError):
    """Something was used where it cannot work; the text says what to use instead."""


class ConfigurationError(MultinodeError):
    """The configuration cannot be used, such as a damaged file or a malformed URL."""


class MissingEnvironmentVariableError(ConfigurationError):
    """Neither the environment nor a login says which API to use, and with which key."""


class SerializationError(MultinodeError):
    """A value cannot travel between an application and a worker."""


class FunctionInputSizeLimitExceeded(MultinodeError):
    """The encoded arguments of an invocation are longer than 250,000 characters."""


class FunctionOutputSizeLimitExceeded(MultinodeError):
    """The encoded result of an invocation is longer than 250,000 characters."""


class FunctionErrorMessageSizeLimitExceeded(MultinodeError):
    """The text of a function's error is longer than 16,384 characters."""


class _InvocationError(MultinodeError):
    """An invocation ended without a result."""

    def __init__(
        self,
        *args: Any,
        invocation_id: Optional[str] = None,
        function_name: Optional[str] = None,
        project_name: Optional[str] = None,
        error: Optional[str] = None,
    ) -> None:
        super().__init__(*args)
        self.invocation_id = invocation_id
        self.function_name = function_name
        self.project_name = project_name
        self.error = error


class InvocationFailedError(_InvocationError):
    """The invocation failed, on its last permitted try.

    The text begins with the function's own error, and goes on with whose it is.

    Attributes:
        invocation_id: the invocation, None where that is not known.
        function_name: its function, or None.
        project_name: its project, or None.
        error: the function's own error alone, such as ``"ValueError: no good"``, or None.
    """


class InvocationCancelledError(_InvocationError):
    """The invocation was cancelled.

    Raised where a result is awaited, and inside the function that is being cancelled, which
    then has two minutes to end. It has the attributes of :class:`InvocationFailedError`; inside
    the function they are None.
    """


class InvocationTimedOutError(_InvocationError):
    """The invocation ran longer than its function's timeout.

    Raised where a result is awaited, and inside the function whose time is up, which then has
    two minutes to end. It has the attributes of :class:`InvocationFailedError`; inside the
    function they are None.
    """


__all__ = [
    "ApiException",
    "ApiKeyIsInvalid",
    "ApiUnreachable",
    "ConfigurationError",
    "ExecutionAlreadyExists",
    "ExecutionDoesNotExist",
    "ExecutionHasAlreadyFinished",
    "ExecutionHasAlreadyStarted",
    "ExecutionHasNotFinished",
    "ExecutionHasNotStarted",
    "ExecutionIsAlreadyTerminated",
    "FunctionAlreadyExists",
    "FunctionDoesNotExist",
    "FunctionErrorMessageSizeLimitExceeded",
    "FunctionInputSizeLimitExceeded",
    "FunctionOutputSizeLimitExceeded",
    "InvalidUseError",
    "InvocationAlreadyExists",
    "InvocationCancelledError",
    "InvocationDoesNotExist",
    "InvocationFailedError",
    "InvocationIsAlreadyTerminated",
    "InvocationTimedOutError",
    "MissingEnvironmentVariableError",
    "MultinodeApiException",
    "MultinodeError",
    "OffsetIsInvalid",
    "ParameterValidationError",
    "ParentFunctionNameIsMissing",
    "ParentInvocationDoesNotExist",
    "ParentInvocationIdIsMissing",
    "ProjectAlreadyExists",
    "ProjectDoesNotExist",
    "ProjectIsBeingDeleted",
    "ProjectNameIsTooLong",
    "SerializationError",
    "VersionAlreadyExists",
    "VersionDoesNotExist",
]
