"""What schemathesis has to be told beside its configuration."""

import schemathesis

# A code archive is bytes like any other.
schemathesis.serializer.alias("application/gzip", "application/octet-stream")
