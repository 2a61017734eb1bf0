#!/usr/bin/env python3
"""What deploy/ and helm/ give to Kubernetes and Compose, tried with the real tools and the real program.

    deploy_test.py [UNITTEST ARGUMENTS...]

Needs KEYREWIND_TOOLS, the folder that tests/support/install-deploy-tools.sh fills, and KEYREWIND_PROGRAM. Without the
tools it ends with 77, which ctest counts as skipped; with KEYREWIND_REQUIRE_SERVERS=1 or CI=true it fails.
"""
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

import yaml

from documents import commands_of, containers_of_kubectl, dotted_names_of, has_name, helm_values_of, variables_of
from manifest_schemas import Schemas

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "keyrewind"
DEPLOY = ROOT / "deploy"
TOOLS = pathlib.Path(os.environ.get("KEYREWIND_TOOLS", ROOT / "build" / "tools"))
PROGRAM = os.environ.get("KEYREWIND_PROGRAM", str(ROOT / "build" / "release" / "keyrewind"))
SCHEMAS = Schemas(TOOLS / "schemas")
KUBERNETES = ("--kube-version", "1.30.0")  # Helm built from source takes itself for older than it is.
CI_VALUES = sorted(CHART.glob("ci/*-values.yaml"))


def run(*command, **options):
    """Runs a command; returns its outcome, whatever that is."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **options)


def tool(name, *arguments, **options):
    return run(TOOLS / "bin" / name, *arguments, **options)


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def render(*arguments, chart=CHART):
    outcome = tool("helm", "template", "keyrewind", chart, "--namespace", "data", *KUBERNETES, *arguments)
    assert outcome.returncode == 0, outcome.stderr
    return documents(outcome.stdout)


def snippet(values):
    """What the notes of a release with these values print for the other chart. Helm prints notes only with a cluster at
    hand, so a chart around ours asks for the same template."""
    with tempfile.TemporaryDirectory(prefix="deploy-") as folder:
        parent = pathlib.Path(folder, "parent")
        (parent / "templates").mkdir(parents=True)
        (parent / "Chart.yaml").write_text("{apiVersion: v2, name: parent, version: 0.1.0}")
        (parent / "values.yaml").write_text(yaml.safe_dump({"keyrewind": yaml.safe_load(values.read_text())}))
        (parent / "templates" / "snippet.yaml").write_text('{{ include "keyrewind.snippet" .Subcharts.keyrewind }}')
        shutil.copytree(CHART, parent / "charts" / "keyrewind", ignore=shutil.ignore_patterns("ci", "tests"))
        printed, = render("--show-only", "templates/snippet.yaml", chart=parent)
        return printed


def pod_specs(manifests):
    """The pod of each manifest that has one, by kind and name."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        pod = spec if manifest["kind"] == "Pod" else spec.get("template", {}).get("spec")
        if pod and "containers" in pod:
            yield f"{manifest['kind']} {manifest['metadata']['name']}", pod


def containers_of(pod):
    return pod.get("initContainers", []) + pod["containers"]


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="deploy-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump_all(content))
        return path

    def assert_valid(self, manifests):
        """Kubernetes takes the manifests, the Prometheus operator's among them, down to unknown fields."""
        self.assertTrue(manifests)
        self.assertEqual([problem for manifest in manifests for problem in SCHEMAS.problems(manifest)], [])

    def assert_restricted(self, name, pod, containers, read_only=True):
        """The containers hold to the restricted Pod Security Standard, and their root is read-only."""
        of_pod = pod.get("securityContext", {})
        for container in containers:
            security = of_pod | container.get("securityContext", {})
            with self.subTest(pod=name, container=container["name"]):
                self.assertIs(security.get("runAsNonRoot"), True)
                self.assertIs(security.get("allowPrivilegeEscalation"), False)
                self.assertEqual(security.get("capabilities"), {"drop": ["ALL"]})
                self.assertEqual(security.get("seccompProfile"), {"type": "RuntimeDefault"})
                self.assertEqual(security.get("readOnlyRootFilesystem", False), read_only)
                self.assertIn("memory", container["resources"]["limits"])
                self.assertEqual(set(container["resources"]["requests"]), {"cpu", "memory"})

    def assert_mounts_exist(self, name, pod, owned=()):
        volumes = {volume["name"] for volume in pod.get("volumes", [])} | set(owned)
        for container in containers_of(pod):
            for mount in container.get("volumeMounts", []):
                self.assertIn(mount["name"], volumes, f"{name}: {container['name']} mounts a volume that is not there")

    def assert_config(self, text, environment=None):
        """The real program finds no mistake."""
        path = self.write("config.yaml", text)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("KEYREWIND_")}
        outcome = run(PROGRAM, "config", "check", "-c", path, env=clean | (environment or {}))
        self.assertEqual(outcome.returncode, 0, outcome.stdout + outcome.stderr)

    def assert_arguments(self, arguments):
        """The real program knows the command and every option."""
        outcome = run(PROGRAM, *arguments, "--help")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        known = outcome.stdout
        self.assertRegex(known, rf"(?m)^Usage: \S+ {arguments[0]}\b")
        for argument in arguments[1:]:
            if argument.startswith("--"):
                self.assertRegex(known, rf"(?m)(^|[ ,]){argument.split('=')[0]}\b")


class Chart(Case):
    def test_schema_says_what_the_values_say(self):
        outcome = run(sys.executable, ROOT / "tests" / "deploy" / "values_schema.py", "--check")

        self.assertEqual(outcome.returncode, 0, outcome.stderr)

    def test_lint_finds_nothing(self):
        for values in CI_VALUES:
            with self.subTest(values=values.name):
                outcome = tool("helm", "lint", "--strict", CHART, *KUBERNETES, "--values", values)

                self.assertEqual(outcome.returncode, 0, outcome.stdout + outcome.stderr)

    def test_suites_of_helm_unittest_pass(self):
        outcome = tool("helm-unittest", CHART)

        self.assertEqual(outcome.returncode, 0, outcome.stdout + outcome.stderr)
        self.assertRegex(outcome.stdout, r"Tests:\s+[1-9]\d* passed")

    def test_all_that_is_rendered_is_valid(self):
        for values in CI_VALUES:
            with self.subTest(values=values.name):
                manifests = render("--values", values)

                self.assert_valid(manifests)
                for name, pod in pod_specs(manifests):
                    self.assert_restricted(name, pod, containers_of(pod))
                    self.assert_mounts_exist(name, pod)

    def test_program_takes_every_configuration(self):
        checked = 0
        for values in CI_VALUES:
            for manifest in render("--values", values):
                if manifest["kind"] == "ConfigMap" and "config.yaml" in manifest["data"]:
                    text = manifest["data"]["config.yaml"]
                    environment = {"SHARD": "0"}
                    if "secret_access_key_file" in text:
                        environment["KEYREWIND_REPOSITORY__S3__ACCESS_KEY_ID"] = "AKIAIOSFODNN7EXAMPLE"
                    with self.subTest(values=values.name):
                        self.assert_config(text, environment)
                        checked += 1
        self.assertGreaterEqual(checked, len(CI_VALUES) - 1)

    def test_program_knows_every_argument(self):
        for values in CI_VALUES:
            for name, pod in pod_specs(render("--values", values)):
                for container in containers_of(pod):
                    with self.subTest(values=values.name, pod=name):
                        self.assert_arguments(container["args"])

    def test_another_configuration_is_another_pod_and_the_same_is_not(self):
        def template(*arguments):
            manifests = render("--values", CHART / "ci" / "standalone-values.yaml", *arguments)
            return next(manifest for manifest in manifests if manifest["kind"] == "Deployment")["spec"]["template"]

        self.assertEqual(template(), template("--set", "service.port=80"))
        self.assertNotEqual(template(), template("--set", "config.logging.level=debug"))

    def test_another_restore_is_another_job_and_the_same_is_not(self):
        def name(*arguments):
            manifests = render("--values", CHART / "ci" / "jobs-values.yaml", *arguments)
            return next(manifest for manifest in manifests if manifest["kind"] == "Job")["metadata"]["name"]

        self.assertEqual(name(), name("--set", "drill.enabled=false"))
        self.assertNotEqual(name(), name("--set", "restore.job.at=latest"))

    def test_package_has_rules_and_dashboard_of_the_project(self):
        outcome = tool("helm", "package", CHART, "--destination", self.folder)
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        shutil.unpack_archive(next(self.folder.glob("keyrewind-*.tgz")), self.folder)

        packed = self.folder / "keyrewind"
        for ours, theirs in (("files/rules", "prometheus/rules"), ("files/dashboards", "grafana")):
            found = {path.name: path.read_bytes() for path in (packed / ours).glob("*") if path.suffix != ".md"}
            wanted = {path.name: path.read_bytes() for path in (DEPLOY / theirs).glob("*")
                      if path.suffix in (".yaml", ".json")}
            self.assertEqual(found, wanted)
            self.assertTrue(wanted)
        self.assertFalse((packed / "ci").exists())

    def test_works_as_a_dependency(self):
        parent = self.folder / "parent"
        shutil.copytree(CHART / "ci" / "as-subchart", parent)
        shutil.copytree(CHART, parent / "charts" / "keyrewind", ignore=shutil.ignore_patterns("ci", "tests"))

        self.assertIn("Deployment", {manifest["kind"] for manifest in render(chart=parent)})
        self.assertEqual(render("--set", "keyrewind.enabled=false", chart=parent), [])
        outcome = tool("helm", "lint", "--strict", parent, *KUBERNETES)
        self.assertEqual(outcome.returncode, 0, outcome.stdout + outcome.stderr)


class BadValues(Case):
    """Each mistake is refused, with words that name it."""

    BASE = {"config": {"source": {"name": "orders"}, "repository": {"url": "s3://backups/prod"}}}
    STANDALONE = {"mode": "standalone", "config": {"source": {"name": "orders", "address": "valkey://valkey:6379"},
                                                   "repository": {"url": "s3://backups/prod"}}}
    RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

    def refused(self, base, change):
        def merge(into, what):
            for key, value in what.items():
                into[key] = merge(into.get(key, {}), value) if isinstance(value, dict) else value
            return into

        values = merge(json.loads(json.dumps(base)), change)
        outcome = tool("helm", "template", "keyrewind", CHART, *KUBERNETES, "--values", self.write("values.yaml", [values]))
        self.assertNotEqual(outcome.returncode, 0, f"{change} was taken")
        return outcome.stderr

    def test_mistakes_are_named(self):
        for base, change, words in (
            (self.BASE, {"mode": "both"}, ["mode"]),
            (self.BASE, {"target": {"chart": "valkey"}}, ["chart", "valkey-helm"]),
            (self.BASE, {"unknown": 1}, ["unknown"]),
            (self.BASE, {"drill": {"enable": True}}, ["drill", "enable"]),
            (self.BASE, {"config": {"retentoin": {}}}, ["config", "retentoin"]),
            (self.BASE, {"standalone": {"replicaCount": "two"}}, ["replicaCount"]),
            (self.BASE, {"image": {"pullPolicy": "Sometimes"}}, ["pullPolicy"]),
            (self.BASE, {"nativeSidecar": "maybe"}, ["nativeSidecar"]),
            (self.BASE, {"config": {"source": {"name": ""}}}, ["config.source.name is required"]),
            (self.BASE, {"config": {"repository": {"url": ""}}}, ["config.repository.url is required"]),
            (self.BASE, {"mode": "standalone"}, ["config.source.address is required"]),
            (self.BASE, {"config": {"source": {"password": "secret"}}}, ["config holds a secret", "auth.existingSecret"]),
            (self.BASE, {"config": {"source": {"username": "backup"}}}, ["auth.existingSecret is empty"]),
            (self.BASE, {"config": {"encryption": {"recipients": [self.RECIPIENT]}}},
             ["encryption.existingSecret is empty"]),
            (self.BASE, {"existingConfigMap": "ours"}, ["existingConfigMap and config"]),
            (self.BASE, {"metrics": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
             ["podMonitor and metrics.serviceMonitor are both enabled"]),
            (self.BASE, {"metrics": {"serviceMonitor": {"enabled": True}}, "service": {"enabled": False}},
             ["metrics.serviceMonitor needs service.enabled"]),
            (self.BASE, {"target": {"chart": "custom"}}, ["target.podLabels is required"]),
            (self.BASE, {"target": {"chart": "custom", "podLabels": {"app": "valkey"}}},
             ["target.runAsUser and target.runAsGroup are required"]),
            (self.BASE, {"networkPolicy": {"enabled": True}}, ["networkPolicy.serverIngress is required"]),
            (self.BASE, {"restore": {"job": {"enabled": True}}}, ["restore.job.claim is required"]),
            (self.BASE, {"drill": {"enabled": True}, "config": {"source": {"name": "orders-${SHARD}"}}},
             ["drill read one source", "orders-0"]),
            (self.BASE, {"workloadIdentity": {"provider": "aws"}}, ["workloadIdentity.roleArn is required"]),
            (self.BASE, {"workloadIdentity": {"provider": "ibm"}}, ["provider"]),
            (self.BASE, {"target": {"chart": "ot-redis"}, "http": {"tokenSecret": "token"}},
             ["http.tokenSecret", "which ot-redis cannot give"]),
            (self.BASE, {"agent": {"spoolSize": "2Gi"}}, ["agent.spoolSize is 2Gi", "config.log.spool.max_size, 2GiB"]),
            (self.BASE, {"config": {"log": {"spool": {"max_size": "4GB"}}}}, ["agent.spoolSize is 3Gi", "4GB"]),
            (self.STANDALONE, {"standalone": {"replicaCount": 2, "persistence": {"enabled": True}}},
             ["standalone.persistence with more than one replica"]),
        ):
            with self.subTest(change=change):
                said = self.refused(base, change)
                for word in words:
                    self.assertIn(word, said)

    def test_the_same_values_without_the_mistake_are_taken(self):
        self.assertTrue(render("--values", self.write("sidecar.yaml", [self.BASE])))
        self.assertTrue(render("--values", self.write("standalone.yaml", [self.STANDALONE])))
        self.assertTrue(render("--values", CHART / "ci" / "custom-values.yaml", "--set", "agent.spoolSize=900M",
                               "--set", "config.log.spool.max_size=800MiB"))


# What the other charts have for us: the values that an example may set, where containers and volumes go, and the volumes
# that their pods have anyway. Read from the charts' own templates, since the charts themselves cannot be fetched here:
# valkey-io/valkey-helm 0218d0e, bitnami/charts 04a5168, DandyDeveloper/charts 0022199.
BITNAMI = {"init": "initContainers", "containers": "sidecars", "volumes": "extraVolumes",
           "values": {"networkPolicy": ["extraIngress"]},
           "node_values": ["terminationGracePeriodSeconds", "extraVolumes", "initContainers", "sidecars",
                           "serviceAccount", "podLabels"]}
PLAIN = {"init": "extraInitContainers", "containers": "extraContainers", "volumes": "extraVolumes", "node": None}
VENDORS = {
    "valkey-helm": PLAIN | {
        "owned": ["scripts", "valkey-data", "valkey-acl", "valkey-users-secret"],
        "values": {"dataStorage": ["enabled", "requestedSize"], "auth": ["enabled", "usersExistingSecret", "aclUsers"],
                   "valkeyConfig": None, "serviceAccount": ["create", "annotations"], "podLabels": None,
                   "extraVolumes": None, "extraInitContainers": None, "extraContainers": None}},
    "bitnami-valkey": BITNAMI | {"node": "primary", "owned": ["valkey-data", "config", "health", "empty-dir"]},
    "bitnami-redis": BITNAMI | {"node": "master", "owned": ["redis-data", "config", "health", "empty-dir"]},
    "redis-ha": PLAIN | {
        "owned": ["data", "config", "health"],
        "values": {"redis": ["terminationGracePeriodSeconds", "config"], "labels": None,
                   "serviceAccount": ["create", "annotations"],
                   "extraVolumes": None, "extraInitContainers": None, "extraContainers": None}},
}


def contains(larger, smaller):
    """Whether `smaller` is `larger` with some keys of maps left out."""
    if isinstance(smaller, dict) and isinstance(larger, dict):
        return all(key in larger and contains(larger[key], value) for key, value in smaller.items())
    return larger == smaller


def as_pod(name, init, containers, volumes, owned):
    """The pod that a chart makes of our containers, with a server and the chart's own volumes."""
    server = {"name": "server", "image": "server"}
    stand_ins = [{"name": volume, "emptyDir": {}} for volume in owned]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"initContainers": init, "containers": [server] + containers, "volumes": volumes + stand_ins}}


class Examples(Case):
    EXAMPLES = CHART / "examples"

    def assert_ours(self, name, pod):
        """Our containers in the pod of another chart are valid, restricted, in order, and what the program takes."""
        ours = [container for container in containers_of(pod["spec"]) if container["name"].startswith("keyrewind")]
        self.assert_valid([pod])
        self.assert_mounts_exist(name, pod["spec"])
        for container in ours:
            command = (container.get("command", []) + container.get("args", []))
            if command[0] == "/usr/bin/keyrewind":
                command = command[1:]
            with self.subTest(example=name, container=container["name"]):
                self.assert_arguments(command)
                self.assertNotIn("readinessProbe", container)
        self.assertEqual(ours[-1]["name"], "keyrewind")
        return ours

    def test_charts_with_values_take_what_the_notes_print(self):
        for name, vendor in VENDORS.items():
            with self.subTest(example=name):
                example = yaml.safe_load((self.EXAMPLES / f"{name}.yaml").read_text())
                printed = snippet(CHART / "ci" / f"{name}-values.yaml")

                self.assertTrue(contains(example, printed), "the example is not what the notes print")
                node = example[vendor["node"]] if vendor["node"] else example
                allowed = vendor["values"] | ({vendor["node"]: vendor["node_values"]} if vendor["node"] else {})
                for key, value in example.items():
                    self.assertIn(key, allowed, "the chart has no such value")
                    if allowed[key] is not None:
                        self.assertLessEqual(set(value), set(allowed[key]), f"the chart has no such value of {key}")
                pod = as_pod(name, node[vendor["init"]], node.get(vendor["containers"], []), node[vendor["volumes"]],
                             vendor["owned"])
                ours = self.assert_ours(name, pod)
                self.assert_restricted(name, {}, ours)
                self.assertEqual([container["name"] for container in ours], ["keyrewind-restore", "keyrewind"])
                self.assertEqual(ours[-1]["restartPolicy"], "Always")

    def test_objects_of_operators_have_what_the_notes_print(self):
        for name in ("ot-redis", "valkey-operator"):
            with self.subTest(example=name):
                example = yaml.safe_load((self.EXAMPLES / f"{name}.yaml").read_text())
                printed = snippet(CHART / "ci" / f"{name}-values.yaml")

                self.assertTrue(contains(example, printed), "the example is not what the notes print")

    def test_operator_of_ot_makes_a_valid_pod(self):
        spec = yaml.safe_load((self.EXAMPLES / "ot-redis.yaml").read_text())["spec"]
        init = {key: value for key, value in spec["initContainer"].items() if key != "enabled"}
        init |= {"name": "keyrewind-restore", "volumeMounts": [{"name": "redis", "mountPath": "/data"}]}
        agent = {key: value for key, value in spec["sidecars"][0].items() if key != "mountPath"}
        agent["volumeMounts"] = spec["sidecars"][0]["mountPath"]

        pod = as_pod("ot-redis", [init], [agent], spec["storage"]["volumeMount"]["volume"], ["redis"])

        ours = self.assert_ours("ot-redis", pod)
        self.assert_restricted("ot-redis", {}, ours)

    def test_valkey_operator_makes_a_valid_pod(self):
        spec = yaml.safe_load((self.EXAMPLES / "valkey-operator.yaml").read_text())["spec"]

        pod = as_pod("valkey-operator", [], spec["containers"], [], [])

        ours = self.assert_ours("valkey-operator", pod)
        self.assert_restricted("valkey-operator", {}, ours, read_only=False)

    def test_patch_for_charts_without_hooks_is_the_component_of_the_project(self):
        printed = snippet(CHART / "ci" / "cloudpirates-values.yaml")
        patch = yaml.safe_load((self.EXAMPLES / "cloudpirates" / "patch.yaml").read_text())

        self.assertTrue(contains(patch, printed), "the example is not what the notes print")

        # What the chart renders, as far as the patch depends on it.
        shutil.copytree(self.EXAMPLES / "cloudpirates", self.folder / "example")
        labels = {"app.kubernetes.io/name": "valkey", "app.kubernetes.io/instance": "valkey"}
        own = {"name": "valkey-init", "image": "valkey", "volumeMounts": [{"name": "config", "mountPath": "/etc/valkey"}]}
        self.write("example/rendered.yaml", [{
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "valkey", "labels": labels},
            "spec": {"serviceName": "valkey-headless", "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"initContainers": [own], "containers": [{"name": "valkey", "image": "valkey"}],
                         "volumes": [{"name": "config", "configMap": {"name": "valkey"}}]}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}}}]}}])
        outcome = tool("kustomize", "build", self.folder / "example")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        manifests = documents(outcome.stdout)
        self.assert_valid(manifests)
        (name, pod), = pod_specs(manifests)
        self.assert_mounts_exist(name, pod, ["data"])
        ours = [container for container in pod["initContainers"] if container["name"].startswith("keyrewind")]
        self.assertEqual([container["name"] for container in ours], ["keyrewind-restore", "keyrewind"])
        self.assert_restricted(name, {}, ours)
        for container in ours:
            self.assert_arguments(container["args"])

    def test_every_chart_that_can_be_named_has_an_example(self):
        schema = json.loads((CHART / "values.schema.json").read_text())
        charts = set(schema["properties"]["target"]["properties"]["chart"]["enum"]) - {"custom"}

        self.assertEqual({path.stem for path in self.EXAMPLES.iterdir() if path.suffix in (".yaml", "")}, charts)


class Manifests(Case):
    def test_component_gives_the_plain_manifests(self):
        outcome = tool("kustomize", "build", DEPLOY / "kustomize" / "overlays" / "valkey")
        self.assertEqual(outcome.returncode, 0, outcome.stderr)

        key = lambda manifest: (manifest["kind"], manifest["metadata"]["name"])
        built = {key(manifest): manifest for manifest in documents(outcome.stdout)}
        plain = {key(manifest): manifest for path in (DEPLOY / "kubernetes").glob("*.yaml")
                 for manifest in documents(path.read_text())}
        self.assertEqual(built, plain)

    def test_plain_manifests_are_valid_and_restricted(self):
        manifests = [manifest for path in (DEPLOY / "kubernetes").glob("*.yaml")
                     for manifest in documents(path.read_text())]

        self.assert_valid(manifests)
        specs = list(pod_specs(manifests))
        self.assertTrue(specs)
        for name, pod in specs:
            self.assert_restricted(name, pod, containers_of(pod))
            claims = [claim["metadata"]["name"] for manifest in manifests
                      for claim in manifest.get("spec", {}).get("volumeClaimTemplates", [])]
            self.assert_mounts_exist(name, pod, claims)
            for container in containers_of(pod):
                if container["name"].startswith("keyrewind"):
                    self.assert_arguments(container["args"])
        for manifest in manifests:
            if manifest["kind"] == "ConfigMap" and "config.yaml" in manifest["data"]:
                self.assert_config(manifest["data"]["config.yaml"])

    def test_component_changes_nothing_without_the_label(self):
        base = (DEPLOY / "kustomize" / "overlays" / "valkey" / "valkey.yaml").read_text()
        self.write("valkey.yaml", base.replace("keyrewind.io/backup", "example.com/backup"))
        shutil.copytree(DEPLOY / "kustomize" / "components", self.folder / "components")
        self.write("kustomization.yaml", "resources: [valkey.yaml]\ncomponents: [components/sidecar]\n")

        outcome = tool("kustomize", "build", self.folder)

        self.assertEqual(outcome.returncode, 0, outcome.stderr)
        self.assertNotIn("keyrewind-restore", outcome.stdout)

    def test_compose_file_is_valid_and_the_program_takes_its_configuration(self):
        path = DEPLOY / "compose.yaml"
        outcome = tool("compose-check", path)
        self.assertEqual(outcome.returncode, 0, outcome.stdout + outcome.stderr)

        services = yaml.safe_load(path.read_text())["services"]
        for name in ("restore", "keyrewind"):
            with self.subTest(service=name):
                environment = dict(services[name]["environment"])
                self.assert_config(environment.pop("KEYREWIND_CONFIG_YAML"), environment)
                self.assert_arguments(services[name]["command"])
        self.assert_arguments(services["keyrewind"]["healthcheck"]["test"][2:])
        self.assertEqual(services["valkey"]["depends_on"]["restore"]["condition"], "service_completed_successfully")
        self.assertIn("keyrewind", services["valkey"]["depends_on"])

    def test_mistake_in_a_compose_file_is_found(self):
        broken = (DEPLOY / "compose.yaml").read_text().replace("depends_on", "depend_on")

        self.assertNotEqual(tool("compose-check", self.write("compose.yaml", broken)).returncode, 0)

    def test_mistake_in_a_manifest_is_found(self):
        pod = as_pod("broken", [], [], [], [])
        self.assert_valid([pod])
        for where, what in ((pod["spec"], {"restartPolice": "Never"}), (pod["spec"]["containers"][0], {"ports": "8379"})):
            with self.subTest(what=what):
                broken = json.loads(json.dumps(pod))
                target = broken["spec"] if where is pod["spec"] else broken["spec"]["containers"][0]
                target.update(what)
                with self.assertRaises(AssertionError):
                    self.assert_valid([broken])


DOCUMENTS = [ROOT / "README.md", DEPLOY / "RUNBOOK.md", DEPLOY / "kustomize" / "README.md", CHART / "README.md",
             CHART / "values.yaml", CHART / "templates" / "NOTES.txt", *sorted(DEPLOY.glob("prometheus/runbooks/*.md")),
             *sorted(CHART.glob("examples/**/*.yaml"))]
OTHERS = {"config.content"}  # A value of CloudPirates' chart.
# A word that stands for another, the id of a backup, and what some commands take.
PLACEHOLDER = r"[A-Z]+(-ID)?|latest|bash|zsh|fish|-|\d{8}T\d{6}Z-[0-9a-f]{6}"


class Documents(Case):
    """What a reader types and sets as the documents say is there."""

    @functools.cache
    def help_of(self, *command):
        outcome = run(PROGRAM, *command, "--help")
        return outcome.stdout if outcome.returncode == 0 else ""

    def assert_call(self, arguments):
        """The program has the command and its options, and no word is left over."""
        words, command = list(arguments), []
        for option in [word for word in words if word in ("-c", "-o")]:
            at = words.index(option)
            del words[at:at + 2]
        while words and re.search(rf"(?m)^  {re.escape(words[0])} ", self.help_of(*command).partition("ommands:\n")[2]):
            command.append(words.pop(0))
        self.assertTrue(command, "there is no such command")
        known = {name: value for names, value in re.findall(r"(?m)^  (-[-\w,]+)( [A-Z]{2,})?", self.help_of(*command))
                 for name in names.split(",")}
        while words:
            word = words.pop(0)
            if not word.startswith("-"):
                self.assertRegex(word, rf"^({PLACEHOLDER})$")
                continue
            name, _, value = word.partition("=")
            self.assertIn(name, known)
            if known[name] and not value:
                self.assertTrue(words, f"{name} lacks its value")
                words.pop(0)

    def test_every_command_is_one_of_the_program(self):
        found = [(path, arguments) for path in DOCUMENTS for arguments in commands_of(path)]

        self.assertGreater(len(found), 100)
        for path, arguments in found:
            with self.subTest(document=path.name, command=" ".join(arguments)):
                self.assert_call(arguments)

    def test_what_is_no_command_is_found(self):
        for mistake in (["restore", "cancel"], ["restored"], ["list", "--al"], ["verify", "--level"], ["schedule", "stop", "NAME"]):
            with self.subTest(mistake=mistake), self.assertRaises(AssertionError):
                self.assert_call(mistake)

    def test_every_value_and_option_that_is_named_is_there(self):
        values = json.loads((CHART / "values.schema.json").read_text())
        config = json.loads(run(PROGRAM, "config", "schema").stdout)
        checked = 0
        for path in DOCUMENTS:
            for name in dotted_names_of(path):
                first = name.split(".")[0]
                if name not in OTHERS and (first in values["properties"] or first in config["properties"]):
                    with self.subTest(document=path.name, name=name):
                        self.assertTrue(has_name(values, name) or has_name(config, name.removeprefix("config.")))
                        checked += 1
            for name in variables_of(path):
                with self.subTest(document=path.name, variable=name):
                    self.assertTrue(name == "config_yaml" or has_name(config, name))
        self.assertGreater(checked, 40)

    def test_every_container_that_is_named_is_one_of_ours(self):
        outcome = tool("kustomize", "build", DEPLOY / "kustomize" / "overlays" / "valkey")
        ours = {container["name"] for _, pod in pod_specs(documents(outcome.stdout)) for container in containers_of(pod)}
        found = [(path, name) for path in DOCUMENTS for name in containers_of_kubectl(path)]

        self.assertGreater(len(found), 4)
        for path, name in found:
            with self.subTest(document=path.name):
                self.assertIn(name, ours)

    def test_chart_takes_every_command_that_installs_it(self):
        found = [(path, arguments) for path in DOCUMENTS for arguments in helm_values_of(path)]

        self.assertGreater(len(found), 5)
        # What the chart's README shows in a file of its own.
        shown = re.search(r"(?s)   ```yaml\n(.*?)   ```", (CHART / "README.md").read_text()).group(1)
        self.write("values.yaml", textwrap.dedent(shown))
        for path, arguments in found:
            with self.subTest(document=path.name, arguments=arguments):
                inside = [str(self.folder / word) if word == "values.yaml" else
                          str(ROOT / word) if word.startswith("helm/") else word for word in arguments]
                self.assert_valid(render(*inside))


if __name__ == "__main__":
    missing = [name for name in ("bin/helm", "bin/helm-unittest", "bin/kustomize", "bin/compose-check", "schemas/crds")
               if not (TOOLS / name).exists()]
    if missing:
        print(f"deploy_test: {TOOLS} lacks {', '.join(missing)}: run tests/support/install-deploy-tools.sh {TOOLS}",
              file=sys.stderr)
        required = os.environ.get("KEYREWIND_REQUIRE_SERVERS") == "1" or os.environ.get("CI") == "true"
        sys.exit(1 if required else 77)
    unittest.main()
