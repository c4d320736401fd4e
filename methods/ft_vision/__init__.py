"""Fine-tuning of the vision bridge."""
