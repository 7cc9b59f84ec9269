"""What publisher and subscribers agree on: events, replay requests and keys."""
