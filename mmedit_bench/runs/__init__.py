"""A run as files: its spec, its manifest, its records, and the folder that holds them."""
