"""In-context editing behind a gate."""
