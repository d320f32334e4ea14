"""What the REST API can answer; see :mod:`multinode.api_client.error_types`."""
