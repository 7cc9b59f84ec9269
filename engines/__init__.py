"""The ground floor of emostream: what a bundle is, and how signals become scores."""
