"""Checks manifests as the API server would: types, required fields, formats of names, and no field that is not there.

The schemas are the OpenAPI documents of Kubernetes, one for each group and version, and CustomResourceDefinitions.
"""
import functools
import json
import pathlib

import jsonschema
import yaml


class Schemas:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def problems(self, manifest):
        """What is wrong with a manifest, one line each."""
        group, version, kind = *self._group_of(manifest["apiVersion"]), manifest["kind"]
        validator = self._validator(group, version, kind)
        if validator is None:
            return [f"there is no {kind} in {manifest['apiVersion']}"]
        name = manifest.get("metadata", {}).get("name", "")
        return [f"{kind} {name}: {'.'.join(str(step) for step in error.absolute_path)}: {error.message}"
                for error in validator.iter_errors(manifest)]

    @staticmethod
    def _group_of(api_version):
        group, _, version = api_version.rpartition("/")
        return group, version

    @functools.cache
    def _validator(self, group, version, kind):
        return self._of_kubernetes(group, version, kind) or self._of_definition(group, version, kind)

    def _of_kubernetes(self, group, version, kind):
        path = self.folder / "kubernetes" / (f"apis/{group}/{version}.json" if group else f"api/{version}.json")
        if not path.exists():
            return None
        document = json.loads(path.read_text())
        schemas = document["components"]["schemas"]
        for name, schema in schemas.items():
            wanted = {"group": group, "version": version, "kind": kind}
            if wanted in schema.get("x-kubernetes-group-version-kind", []):
                close(document)
                return jsonschema.Draft7Validator(
                    {"$ref": f"#/components/schemas/{name}", "components": document["components"]})
        return None

    def _of_definition(self, group, version, kind):
        for path in (self.folder / "crds").glob("*.yaml"):
            spec = yaml.safe_load(path.read_text())["spec"]
            if (spec["group"], spec["names"]["kind"]) == (group, kind):
                schema = next(each["schema"]["openAPIV3Schema"] for each in spec["versions"] if each["name"] == version)
                schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
                close(schema)
                return jsonschema.Draft7Validator(schema)
        return None


def close(schema):
    """Refuses fields that a schema does not name, wherever it names any; numbers or words are what either is."""
    if isinstance(schema, list):
        for each in schema:
            close(each)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        if schema.get("x-kubernetes-int-or-string"):
            schema.pop("type", None)
        for key, value in schema.items():
            if key not in ("default", "enum", "example"):
                close(value)
