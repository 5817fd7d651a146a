"""All reports of a results folder as one static site, for any web host and for opening from disk."""
