"""Files that hold named arrays and nothing else: NumPy's (`npz`, pickles) and Flax's (`msgpack_file`); `flax` tells what its names mean."""
