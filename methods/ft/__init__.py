"""Fine-tuning of the last feed-forward layer."""
