"""WISE: a side memory that is read where an edit is recognised."""
