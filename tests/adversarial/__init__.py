"""Editors that cheat."""
