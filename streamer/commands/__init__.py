"""The commands of `emostream`, beside running a session: one file a command."""
