"""Face detectors: one file each; `choose.py` says which one is used."""
