"""The commands of `emostream-train`, one a file. They load torch only when they run."""
