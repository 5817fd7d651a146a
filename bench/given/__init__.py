"""Codes and labels as users have them: their files, and the forms that they stand there in."""
