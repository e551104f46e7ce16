"""voicemill beside other implementations of GPT-SoVITS, each in a virtual environment of its own.

__main__   the command line: installs, prepares, lets them take turns, prints ratios
child      runs one implementation in its own environment, a task at a time
ours, genie, upstream   implementations: `load(folder, given, threads, variant)` returns what they can be asked
"""
