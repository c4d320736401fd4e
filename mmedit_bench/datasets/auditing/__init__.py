"""Leaks and shortcuts of a suite, found in its cases alone: no model is asked."""
