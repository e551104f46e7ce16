"""Numbers in Chinese characters."""

import re
import unicodedata

DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_UNITS = {8: "亿", 4: "万", 3: "千", 2: "百", 1: "十"}  # power of ten -> unit, largest first


def western(text: str) -> str:
    """Return the digits of every script as 0 to 9."""
    return re.sub(r"\d", lambda match: str(unicodedata.digit(match[0])), text)


def digits(number: str, phone: bool = False) -> str:
    """Digit by digit; in telephone and room numbers one is said yāo."""
    spoken = "".join(DIGITS[digit] for digit in number)
    return spoken.replace("一", "幺") if phone else spoken


def cardinal(number: str) -> str:
    """Return a whole number, `2050` -> 二千零五十; without digits nothing."""
    if not number:
        return ""
    spoken = _below(number.lstrip("0")) or "零"
    return spoken[1:] if spoken.startswith("一十") else spoken


def _below(number: str) -> str:
    """Return the part of a number from here down; zeros in front of what remains are said as one 零."""
    significant = number.lstrip("0")
    if len(significant) < 2:
        zero = "零" if significant and len(number) > 1 else ""
        return zero + digits(significant)
    power = next(power for power in _UNITS if power < len(significant))
    return _below(number[:-power]) + _UNITS[power] + _below(number[-power:])


def decimal(number: str) -> str:
    """Return a number with or without a fraction, `128.50` -> 一百二十八点五零; of zeros at the end one is said."""
    whole, _, fraction = number.partition(".")
    spoken = cardinal(whole)
    fraction = fraction.rstrip("0") + "0" * fraction.endswith("0")
    return f"{spoken or '零'}点{digits(fraction)}" if fraction else spoken
