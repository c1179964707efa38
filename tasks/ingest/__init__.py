"""Reading what people hand in: source videos and sound, with their clocks and orientations."""
