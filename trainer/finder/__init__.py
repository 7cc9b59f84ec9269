"""Trains the face finder: composites of photographs, a small network that is distilled from YuNet, hard negatives."""
