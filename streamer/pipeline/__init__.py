"""A session: its streams, their threads, the worker that recognises, from frames and blocks to events."""
