/* What Python calls in a panel kernel, which has defined WEIGHTS, INPUT, its `stream` and `step`. */
/* Units of a tile. */
int panel_lanes(void) { return LANES; }

/* Number of floats that panel_load() reads. */
int panel_size(void) { return WEIGHTS; }

/* Takes the weights and puts the stream into its initial state. */
void panel_load(const float *weights) {
    memset(&stream, 0, sizeof stream);
    memcpy(stream.weights, weights, sizeof stream.weights);
}

/* n steps: xs [n][INPUT] to ys [n]. Returns nanoseconds. */
double panel_run(const float *xs, float *ys, long n) {
    const double start = now();
    for (long t = 0; t < n; t++) ys[t] = step(xs + t * INPUT);
    return now() - start;
}
