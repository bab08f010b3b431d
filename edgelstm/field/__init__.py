"""What a stream needs in the field: a grid of time, a look at its sensors, telemetry, states on disk, models that follow one another.

Logic alone: nothing here reads a clock or a sensor unless it was given one, and nothing here knows a kernel.
"""
