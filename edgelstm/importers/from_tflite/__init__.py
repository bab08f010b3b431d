"""TensorFlow Lite files: `file` reads the container, `operators` and `integers` the layers, `chains` the whole network."""
