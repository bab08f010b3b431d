"""TensorFlow's frozen graphs (GraphDef): `file` reads the protobuf, `frames` finds loops, `program` writes the graph that is followed."""
