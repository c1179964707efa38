"""ADF, audio-driven FLAME: speech features and a style sequence become FLAME expression and head pose.

Stage one of ERLNet (arXiv 2404.19038): a pair of transformer VQ-VAEs gives two independent latent spaces, one for
expression and one for head pose; transformers fuse speech and style into those spaces; a contrastive speech
loss ties motion to sound.  What the paper leaves open is decided in docs/decisions/0005-audio-driven-flame.md.
"""
