"""Geometry, features, memories and the tracker itself, each held to what it promises."""
