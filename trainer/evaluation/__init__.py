"""How good a bundle is on a data set, and the report of it."""
