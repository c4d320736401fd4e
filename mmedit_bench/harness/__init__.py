"""Runs an editor: plans, asks, records, and proves that the backbone stayed as it was."""
