"""In-context editing as its first multimodal port does it."""
