"""Choosing an editor's options on the validation split."""
