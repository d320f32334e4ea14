"""The program inside a worker: it runs one call of one of the user's functions.

The runner, a separate program, starts it as ``python -c "from
multinode._worker.harness import main; main()"`` (or ``python -m
multinode._worker``) with two pipes: commands come in on descriptor 3, events go
out on descriptor 4. What the user's code prints goes to descriptors 1 and 2 and
is never looked at here.

A frame is one byte of type, four bytes of length (big-endian), and a body.

==== ========= ==============================================================
 in   ``A``     JSON: ``project_dir``, ``function_name``, ``environment``
 in   ``I``     the input: jsonpickle text of ``[args, kwargs]``
 out  ``R``     ready: booted, interrupts are caught from here on
 out  ``S``     the user's function begins
 out  ``Y``     one yield, as jsonpickle text
 out  ``X``     an interrupt has reached the user's code
 out  ``O``     the final output, as jsonpickle text
 out  ``E``     JSON: ``kind`` (failed, cancelled, timed_out), ``message``
==== ========= ==============================================================

Exactly one of ``O`` and ``E`` ends the call. An end of the stream without either
is a crash, which the runner describes from the process's exit.

SIGTERM asks for a cancellation and SIGUSR1 says that the time is up: the first
of them is raised, once, as an exception in the user's code.
"""
