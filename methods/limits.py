"""What no parameter exceeds."""

LARGEST = 2**31 - 1
"""The integers of most libraries have 32 bits; and of whatever a number counts or weighs, more was not meant."""
