"""Speech that is verified: every line is heard and compared with its text, and what fails is spoken again.

rules       causes and thresholds             measures    what is measured of a line, and which rules it breaks
listening   who hears                         mending     what is tried, in which order
verifier    hears and mends                   outcome     what became of a line, and the summary
page        the lines to listen to, the worst first
"""
