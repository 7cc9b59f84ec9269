"""What the threads of a session do, from frames and blocks to events."""
