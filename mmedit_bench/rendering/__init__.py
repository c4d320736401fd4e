"""Scores as tables: on a terminal, in Markdown, LaTeX and CSV."""
