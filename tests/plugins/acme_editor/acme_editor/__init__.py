"""Acme's editor."""
