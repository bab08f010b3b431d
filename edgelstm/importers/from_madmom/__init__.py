"""Networks of madmom, a library of music analysis, from its pickles: `pickle_file` reads, `layers` makes records, `network` the model."""
