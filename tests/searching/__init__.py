"""Choosing options."""
