"""What `emostream annotate` makes: a video with the results drawn in, tiers for ELAN, or subtitles."""
