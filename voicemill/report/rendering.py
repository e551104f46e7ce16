"""A page from its template: one file that needs no network, in the style that all pages share."""

from __future__ import annotations

from importlib import resources
from typing import Any

from markupsafe import Markup

from voicemill import __version__
from voicemill.report.sound import Snippet


def render(package: str, template: str, **context: Any) -> str:
    """Fill a template in.

    Besides the context it has `style`, `version`, `player(snippet)` and the filter `shown`.

    Args:
        package: Where the template lies.
        template: Its file name. What stands in it is escaped, unless it is markup.
        **context: Everything that it names.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["shown"] = shown
    environment.globals["player"] = player
    style = resources.files("voicemill.report").joinpath("page.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(context, style=Markup(style), version=__version__)


def shown(value: Any) -> str:
    """Return a value as a page shows it: a float with three digits (six, if it seemed whole with three)."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    seems_whole = float(f"{value:.3g}").is_integer() and not value.is_integer()
    return f"{value:.6g}" if seems_whole else f"{value:.3g}"


def player(snippet: Snippet) -> Markup:
    """Return a player that carries its sound."""
    return Markup('<audio controls preload="metadata" src="{}"></audio>').format(snippet.data_uri())
