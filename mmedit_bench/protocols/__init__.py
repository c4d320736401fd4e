"""Editing protocols: in which order edits are applied, asked about and dropped."""
