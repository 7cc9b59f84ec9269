"""How well face detectors find faces and eyes, on people and backgrounds that no finder was trained on."""
