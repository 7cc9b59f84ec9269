"""The protocol: how methods decide, how they are compared, and how sure the figures are."""
