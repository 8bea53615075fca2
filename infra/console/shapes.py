#!/usr/bin/env python3
"""Writes shapes.d.ts, the shapes that the API answers with, from docs/openapi.json. With --check it compares instead.

A shape is written once, in Rust; the console's types follow from it.
"""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
DOCUMENT = HERE / "../../docs/openapi.json"
TYPES = HERE / "shapes.d.ts"


def of(schema):
    """The TypeScript type of a schema."""
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    own = object_of(schema) if "properties" in schema else None
    for word in ("oneOf", "anyOf"):
        if word in schema:
            # Future variants have no type; the pages show them by name.
            known = [each for each in schema[word] if not each.get("$ref", "").endswith("Other")]
            union = " | ".join(of(each) for each in known)
            return f"{own} & ({union})" if own else union
    if own:
        return own
    kinds = schema.get("type", "object")
    return " | ".join(of_kind(kind, schema) for kind in (kinds if isinstance(kinds, list) else [kinds]))


def of_kind(kind, schema):
    if kind == "array":
        return f"Array<{of(schema['items'])}>"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {of(values) if isinstance(values, dict) else 'unknown'}>"
    return {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}[kind]


def object_of(schema):
    required = schema.get("required", [])
    quoted = {name: name if name.isidentifier() else json.dumps(name) for name in schema["properties"]}
    members = (f"{quoted[name]}{'' if name in required else '?'}: {of(each)}" for name, each in schema["properties"].items())
    return "{ " + "; ".join(members) + " }"


def main():
    schemas = json.loads(DOCUMENT.read_text())["components"]["schemas"]
    lines = ["// Written by shapes.py from docs/openapi.json."]
    lines += [f"export type {name} = {of(schema)};" for name, schema in schemas.items() if re.fullmatch(r"\w+", name)]
    text = "\n".join(lines) + "\n"
    if sys.argv[1:] == ["--check"]:
        sys.exit(None if TYPES.read_text() == text else "shapes.d.ts is out of date: run infra/console/shapes.py")
    TYPES.write_text(text)


main()
