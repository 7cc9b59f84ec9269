"""Events on sockets, and their replay."""
