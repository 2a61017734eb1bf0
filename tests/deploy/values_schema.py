#!/usr/bin/env python3
"""Makes helm/keyrewind/values.schema.json from values.yaml, its comments and its defaults.

    values_schema.py            writes it
    values_schema.py --check    says whether it is what values.yaml says, and ends with 1 if it is not

A comment that begins with `# --` is the description of a value: the type is that of its default, and a map may then
hold anything. Any other map is a section: what is not in it is refused. `# @schema` behind a value says more:
`enum:[…]`, `type:[…]`, or `keys:[…]`, the only keys that a map may have.
"""
import json
import pathlib
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parents[2] / "helm" / "keyrewind"
TYPES = {"str": "string", "int": "integer", "bool": "boolean", "seq": "array", "map": "object"}


def comment_above(lines, row, column):
    found = []
    while row > 0 and lines[row - 1].startswith(" " * column + "#"):
        row -= 1
        found.insert(0, lines[row].strip().lstrip("#").strip())
    return " ".join(found)


def hints(line):
    _, _, text = line.partition("# @schema ")
    if not text:
        return {}
    name, _, value = text.partition(":")
    return {name.strip(): yaml.safe_load(value)}


def schema_of(key, value, lines):
    description = comment_above(lines, key.start_mark.line, key.start_mark.column)
    hint = hints(lines[key.start_mark.line])
    kind = TYPES[value.tag.rsplit(":", 1)[1]]
    result = {"type": hint.get("type", kind)}
    is_value = description.startswith("-- ")
    if description:
        result["description"] = description.removeprefix("-- ")
    if "enum" in hint:
        del result["type"]
        result["enum"] = hint["enum"]
    if kind != "object":
        return result
    if "keys" in hint:
        result["properties"] = {name: {} for name in hint["keys"]}
        result["additionalProperties"] = False
    elif is_value:
        result["type"] = ["object", "null"]
    else:
        result |= section(value, lines)
    return result


def section(mapping, lines):
    properties = {key.value: schema_of(key, value, lines) for key, value in mapping.value}
    return {"properties": properties, "additionalProperties": False}


def main():
    text = (CHART / "values.yaml").read_text()
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    schema |= section(yaml.compose(text), text.splitlines())
    wanted = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    path = CHART / "values.schema.json"
    if "--check" not in sys.argv:
        path.write_text(wanted)
    elif not path.exists() or path.read_text() != wanted:
        sys.exit("values.schema.json is not what values.yaml says: run tests/deploy/values_schema.py")


main()
