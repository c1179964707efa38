"""Where label maps come from: composed from what is at hand, or a face parsing network."""
