"""A page from its template and what is to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carescope.report.picture import show


def render(template: str, **content: object) -> str:
    """Fill a template of this folder; whatever it names must be given, and is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("carescope", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["show"] = show
    return environment.get_template(template).render(content)


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested settings as one table, with dots between the names."""
    table: dict[str, object] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            table |= flat(value, f"{prefix}{name}.")
        else:
            table[f"{prefix}{name}"] = value
    return table
