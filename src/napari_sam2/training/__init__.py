"""The data engine: synthetic movies, clips, losses, and the loop that made the bundled cell model.

Imports `network`, `weights` and `tracking`. The command line and the sample movies import it, lazily.
"""
