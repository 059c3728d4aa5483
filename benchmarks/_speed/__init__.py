"""The parts of ``speed.py``: movies, contenders, clocks, counted arithmetic, and one file for each part.

Only the calls that tracking itself makes are measured. Where a clock or a counter has to look inside, `watch` wraps
the calls while it runs; `full_memories` saves the frames that it takes until every memory slot is in use.
"""
