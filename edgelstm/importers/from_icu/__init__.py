"""Word segmenters of ICU, in JSON: see `segmenter`."""
