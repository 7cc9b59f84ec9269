"""Trying cameras and microphones before a session: what they give, in numbers and words."""
