"""The board's site: a board folder in, static pages and data files out. Imports no model and no editor."""
