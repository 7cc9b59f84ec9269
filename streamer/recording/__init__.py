"""What `--record` writes: the events of a session, what they are, and pictures and sound where they were asked for."""
