"""Audio: probing, reading, resampling, levels, slicing, quality measures and separation.

Signals are float32 arrays of samples, full scale at 1.0, shaped `[channels, n]` (`[n]` where a function says mono).
Times are sample counts inside; seconds appear only at the edges.
"""
