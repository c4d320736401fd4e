"""Verifying a submission: what its records are measured against is made anew, and a part is asked again."""
