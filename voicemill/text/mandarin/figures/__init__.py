"""Figures and signs in Chinese text, written out in characters.

A scan goes through the text once, from left to right. Where a figure may begin, the shapes of `shapes` are tried in
their order (telephone number, date, time, money, ratio, fraction, span, measure, number, sign), and the first one that
fits reads the whole figure: no rule ever sees what another one has read. The words beside a figure that decide (两个
but 二月, 房间302 but 302人) are in `contexts.csv`, units, currencies and signs in tables of their own; each row has an
example.
"""

from voicemill.text.mandarin.figures.numbers import Dialect
from voicemill.text.mandarin.figures.scanner import Figure, scan

__all__ = ["Dialect", "Figure", "scan"]
