"""Where blocks of audio and frames of video come from."""
