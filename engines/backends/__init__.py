"""The runtimes that a bundle's networks can run on."""
