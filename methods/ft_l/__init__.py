"""Constrained fine-tuning of one feed-forward layer."""
