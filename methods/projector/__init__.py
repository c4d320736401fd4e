"""Fine-tuning of the projection between vision and language."""
