"""The workshop of emostream: networks, their training, and the bundles they end in."""
