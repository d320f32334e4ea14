"""Every error that this package raises.

All derive from :class:`MultinodeError`, but for those of the REST API, which derive from
:class:`MultinodeApiException`.
"""

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


class InvocationFailedError(MultinodeError):
    """The invocation failed, on its last permitted try; the text is the function's error."""


class InvocationCancelledError(MultinodeError):
    """The invocation was cancelled.

    Raised where a result is awaited, and inside the function that is being cancelled, which
    then has two minutes to end.
    """


class InvocationTimedOutError(MultinodeError):
    """The invocation ran longer than its function's timeout.

    Raised where a result is awaited, and inside the function whose time is up, which then has
    two minutes to end.
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
