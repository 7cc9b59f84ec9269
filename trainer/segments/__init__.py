"""Recordings cut into segments once, and kept on disk for every training after."""
