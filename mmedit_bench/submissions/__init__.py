"""Submissions: what a folder that is handed in consists of. Nothing here runs anything."""
