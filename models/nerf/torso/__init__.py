"""How the torso moves in the picture, which FLAME, ending at the neck, cannot say.

motion      what a motion is, and how it is foretold from the head's pose
template    the torso's mean picture
affine      the affine part of a frame's motion
warp        what no affine map explains: folds of cloth, a collar that goes with the neck
alignment   template and motion of a whole clip
"""
