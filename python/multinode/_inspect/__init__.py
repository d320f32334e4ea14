"""``python -m multinode._inspect PROJECT_DIR``: which functions does a project have?

Imports the project's ``main.py`` exactly as a worker does, and prints one JSON document, on file
descriptor 3 where that is open and else on standard output::

    {"functions": [{"function_name": ..., "resource_spec": {...}, "execution_spec": {...}}]}

What the user's code prints meanwhile goes to standard error then. Where the project cannot be
used, it exits with 1 and says why on standard error, in words for the project's author; it exits
with 2 when called wrongly.
"""
