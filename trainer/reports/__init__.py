"""Reports: the paper's tables and figures with ours beside them, on disk and in the terminal."""
