"""The vocabulary of invocations; see :mod:`multinode.core.invocation`."""
