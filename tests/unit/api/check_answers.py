"""Compares answers of a server with the OpenAPI document that describes it.

    check_answers.py DOCUMENT ANSWERS

ANSWERS is a JSON list of {"method","path","status","type","body"}, in which "path" is one of the document. Prints a line
for each answer that the document does not allow, and for each operation without a successful answer.
"""

import json
import sys

from jsonschema import Draft202012Validator, RefResolver

document = json.load(open(sys.argv[1]))
resolver = RefResolver.from_schema(document)
problems = []
seen = set()


def resolved(thing):
    return resolver.resolve(thing["$ref"])[1] if "$ref" in thing else thing


for answer in json.load(open(sys.argv[2])):
    name = f'{answer["method"]} {answer["path"]}'
    operation = document["paths"].get(answer["path"], {}).get(answer["method"].lower())
    if operation is None:
        problems.append(f"{name} is not described")
        continue
    response = operation["responses"].get(str(answer["status"]))
    if response is None:
        problems.append(f'{name} answers {answer["status"]}, which is not described')
        continue
    if answer["status"] < 300:
        seen.add(name)
    content = resolved(response).get("content", {})
    if not content:
        if answer["body"]:
            problems.append(f'{name} has a body with {answer["status"]}')
        continue
    if answer["type"] not in content:
        problems.append(f'{name} answers {answer["status"]} as {answer["type"]}')
        continue
    body = json.loads(answer["body"]) if "json" in answer["type"] else answer["body"]
    validator = Draft202012Validator(content[answer["type"]]["schema"], resolver=resolver)
    for error in validator.iter_errors(body):
        problems.append(f'{name}, {answer["status"]}: {"/".join(map(str, error.path))}: {error.message}')

for path, methods in document["paths"].items():
    for method in methods:
        if f"{method.upper()} {path}" not in seen:
            problems.append(f"{method.upper()} {path} never succeeded")

for schema in document["components"]["schemas"].values():
    Draft202012Validator.check_schema(schema)

print("\n".join(problems))
sys.exit(1 if problems else 0)
