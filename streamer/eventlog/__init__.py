"""Events that were written, read again from a file or a folder."""
