"""Python pickles as data: `reader` interprets them and runs nothing, `names` tells what is passed over, `arrays` makes NumPy's arrays."""
