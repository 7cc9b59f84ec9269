"""Real-time recognition of human emotion from face and voice."""
