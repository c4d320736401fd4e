"""A backbone, a suite and editors without torch: small enough to run a whole experiment in milliseconds."""
