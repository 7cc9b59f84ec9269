"""Training the networks: data, recipes, and the loop."""
