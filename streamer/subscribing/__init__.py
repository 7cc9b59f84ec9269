"""What a subscriber makes of what it receives. It loads pyzmq, msgspec and the standard library only."""
