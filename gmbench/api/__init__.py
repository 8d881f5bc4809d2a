"""What Python users call; everything is reached by the names of :mod:`gmbench`."""
