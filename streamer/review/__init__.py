"""What `emostream review` makes: a report of a recording, in one file that asks nobody for anything."""
