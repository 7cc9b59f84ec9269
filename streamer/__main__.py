"""`python -m streamer` is the command `emostream`."""

from streamer.cli import main

main()
