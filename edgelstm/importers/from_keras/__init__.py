"""Keras files: `.h5` of Keras 1 to 3, `.keras` and `.weights.h5`."""
