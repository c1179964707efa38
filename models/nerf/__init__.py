"""DBF-NeRF: a head that moves and a torso that does not, fused along every ray.

rays         pixels to rays, camera frame to head frame
front_map    the head mesh seen from the front: where the surface is, how far expression moved it
driving      FLAME parameters to what the two branches are conditioned on
planes       feature planes and their lookup
deform       from the observed head to the canonical one
head_branch, static_branch    density and features of the two branches
kernels      Triton kernels behind planes, front_map and compositing, on a GPU
compositing  one transmittance for both branches
network      the two branches, their fusion, the colour network, the background plate
sampling     which rays a training step sees; prefetch: drawn ahead of it
"""
