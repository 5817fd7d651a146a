"""The page of the changes between two results folders, which is self-contained."""
