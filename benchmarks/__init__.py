"""Quality and speed, each one command. Not part of the installed package."""
