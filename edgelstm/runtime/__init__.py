"""What runs on a device: no Numba, no compiler, no model. `library_file` and `digests` need the standard library alone."""
