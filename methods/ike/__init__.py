"""In-context knowledge editing."""
