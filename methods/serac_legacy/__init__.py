"""SERAC as its first multimodal port trains it: jointly, unsupervised, blind to pictures."""
