"""The live page: what a session sees, hears and says, in a browser."""
