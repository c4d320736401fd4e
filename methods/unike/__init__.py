"""UniKE: intrinsic key-value pairs, a memory of hidden states, and their collaboration."""
