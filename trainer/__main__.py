"""`python -m emostream.trainer` is the command `emostream-train`."""

from emostream.trainer.cli import main

if __name__ == "__main__":  # processes of its own import this file again
    main()
