"""What streams need in the field: many by key, windows, a grid of time, a look at sensors, telemetry, states on disk, new models.

Nothing here reads a clock or a sensor unless it was given one, and nothing here knows a kernel.
"""
