"""A codebook of edited questions at one layer."""
