"""Files that hold named arrays and nothing else: NumPy's (`npz`, pickles), Flax's (`msgpack_file`), JSON. `flax` tells what names mean."""
