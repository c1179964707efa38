"""Figures that stages report: of tracks, of motion, of pictures, beside trivial baselines."""
