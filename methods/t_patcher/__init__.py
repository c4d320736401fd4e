"""T-Patcher: one neuron per mistaken token."""
