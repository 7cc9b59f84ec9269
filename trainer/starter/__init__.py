"""The starter: the bundle that emostream runs where none is named, from RAVDESS's voices and FER2013's faces."""
