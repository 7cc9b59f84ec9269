"""The deep belief network's unsupervised training (paper, section III-B2)."""
