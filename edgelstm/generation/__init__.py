"""Models that write on: tokens drawn from a model's own answers, beams, vocabularies, and what a decoder takes over from its encoder."""
