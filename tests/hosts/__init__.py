"""Three hosts on one machine: what a grid that they share comes to, whatever happens to them. Not run by pytest."""
