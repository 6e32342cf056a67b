"""The API's own page: every route with what it takes, from its OpenAPI document; no network."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2rem; text-transform: capitalize; }
code { font-size: 0.95em; } article { border-top: 1px solid #ddd; padding: 0.6rem 0; }
.verb { display: inline-block; min-width: 4.5rem; font-weight: 600; }
ul { margin: 0.3rem 0; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd; } }
"""


def docs_page(openapi: Mapping[str, Any]) -> str:
    """HTML of an OpenAPI 3 document: routes by tag, with parameters and fields of bodies."""
    info = openapi["info"]
    title = escape(f"{info['title']} {info['version']}")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
        "<p>Send <code>Authorization: Bearer pl_admin_…</code>; the document itself is "
        '<a href="/openapi.json">/openapi.json</a>.</p>' + "".join(_sections(openapi))
    )


def _sections(openapi: Mapping[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, verbs in openapi["paths"].items():
        for verb, route in verbs.items():
            tag = route["tags"][0]
            by_tag.setdefault(tag, []).append(_route(openapi, verb, path, route))
    for tag, routes in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>{''.join(routes)}"


def _route(openapi: Mapping[str, Any], verb: str, path: str, route: Mapping[str, Any]) -> str:
    takes = [
        f"<li><code>{escape(name)}</code> {escape(kind)}</li>"
        for name, kind in (*_parameters(route), *_fields(openapi, route))
    ]
    listed = f"<ul>{''.join(takes)}</ul>" if takes else ""
    return (
        f'<article><span class="verb">{verb.upper()}</span> <code>{escape(path)}</code>'
        f"<div>{escape(route.get('description', ''))}</div>{listed}</article>"
    )


def _parameters(route: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for parameter in route.get("parameters", ()):
        yield parameter["name"], f"in {parameter['in']}"


def _fields(openapi: Mapping[str, Any], route: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    body = route.get("requestBody")
    if body is None:
        return
    reference = body["content"]["application/json"]["schema"]["$ref"]
    schema = openapi["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    for name in schema["properties"]:
        needed = name in schema.get("required", ())
        yield name, "in the body, needed" if needed else "in the body"
