"""Models that write on: tokens drawn from a model's own answers, beams, vocabularies."""
