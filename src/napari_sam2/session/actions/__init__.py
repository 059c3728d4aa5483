"""The actions, one verb or a few near ones a file: functions of a session that make one entry of its log.

Each checks first, and raises `Refused` with the reason and whether it can be forced; then it changes the document
through a `Change`, which knows what was there before. So every action has an exact inverse without writing one.
"""
