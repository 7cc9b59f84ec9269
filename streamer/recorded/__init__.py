"""What was recorded, read again: events of a file or folder, or those that a clip gives at once."""
