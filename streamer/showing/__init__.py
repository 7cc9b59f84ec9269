"""What a session shows: on a terminal, and to Prometheus."""
