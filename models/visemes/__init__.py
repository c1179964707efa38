"""Visemes: what the mouth does for each phone, and how neighbouring phones blend.

The teacher of the embedded prior: phones with times become curves of named facial actions and jaw rotation.  It
stands in for a corpus of filmed people (docs/decisions/0024-embedded-prior.md).
"""
