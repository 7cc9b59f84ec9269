"""Still faces as the streamer would see them: aligned by the eyes, varied, and set in motion as clips."""
