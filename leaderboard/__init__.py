"""The board: run folders in, one self-contained page out. Imports no model and no editor."""
