"""What changed between two results folders, as one self-contained page."""
