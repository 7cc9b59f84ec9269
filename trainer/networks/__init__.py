"""The three networks of the hybrid model (paper, section III-B)."""
