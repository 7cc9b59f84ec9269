"""What leaves a session: events on sockets, their replay, and files."""
