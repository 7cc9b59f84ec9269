"""Data sets of emotional recordings, each read from the layout its owners distribute."""
