"""How a voice and a face become the inputs of the networks (paper, section III-A)."""
