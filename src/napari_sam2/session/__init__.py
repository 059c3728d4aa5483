"""The document that a user works on: cells, prompts, labels, lineage, states, undo, autosave.

Builds on `tracking`; knows no widgets. The widgets and the command line import it. Nothing is in here yet.
"""
