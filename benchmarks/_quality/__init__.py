"""The parts of ``quality.py``: truth, simulated user, trackers to compare, measures, tables and pictures.

Everything goes through the tracker's public calls (`CellTracker`, or anything else with the same ones, see
`trackers.TrackerLike`), so the same code measures the network, the plain baseline and, in the tests, an oracle.
"""
