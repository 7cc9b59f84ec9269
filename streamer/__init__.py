"""The live half of emostream: capture, segmentation, recognition and publishing of events."""
