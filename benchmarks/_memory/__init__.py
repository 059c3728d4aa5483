"""The parts of ``memory.py``. What is measured runs in processes of its own, so that a peak is its own peak."""
