"""mmedit-bench: measure what knowledge edits do to vision-language models."""

__version__ = "0.1.0"
