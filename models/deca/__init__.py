"""DECA's coarse encoder: from a picture of a face to FLAME parameters and a weak-perspective camera.

Feng, Feng, Black, Bolkart, "Learning an Animatable Detailed 3D Face Model from In-The-Wild Images", SIGGRAPH 2021.  The
weights are under a licence of their own and must be registered for; only the layout of the network is here.
"""
