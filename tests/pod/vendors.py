"""Pods as other charts and operators make them out of helm/keyrewind/examples.

Each function gives manifests: our containers and volumes as the example has them, our ConfigMap as the chart renders it,
and around them what the other chart puts into a pod as far as we have to do with it: users, paths, names of volumes,
files of configuration, who writes them and when. Read from the charts' own templates, since the charts themselves
cannot be fetched here. The versions are those in tests/deploy/deploy_test.py; the server itself is a real one.
"""

import copy
import os
import subprocess

import yaml

import bucket

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = os.path.join(SOURCE, "helm/keyrewind")
TOOLS = os.environ.get("KEYREWIND_TOOLS", os.path.join(SOURCE, "build/tools"))
PASSWORD = "of-default"
# What a test needs of a server beside what the chart says.
FOR_TESTS = "enable-debug-command local\nrepl-diskless-sync-delay 0\nappendfsync always\n"


def have_tools():
    return os.path.exists(os.path.join(TOOLS, "bin/helm")) and os.path.exists(os.path.join(TOOLS, "bin/kustomize"))


def tool(name, *arguments):
    return subprocess.run([os.path.join(TOOLS, "bin", name), *arguments], check=True, capture_output=True, text=True).stdout


def render(values, *arguments):
    """What the chart makes of ci/VALUES-values.yaml, with the bucket of the test as the store."""
    text = tool("helm", "template", "keyrewind", CHART, "--kube-version", "1.30.0", "--values",
                os.path.join(CHART, f"ci/{values}-values.yaml"), *arguments)
    documents = [document for document in yaml.safe_load_all(text) if document]
    for document in documents:
        if "config.yaml" in document.get("data", {}):
            document["data"]["config.yaml"] = yaml.safe_dump(quickened(yaml.safe_load(document["data"]["config.yaml"])))
    return documents


def quickened(config):
    """A store at hand, and all that happens now and then happens at once."""
    config["repository"]["url"] = f"s3://{bucket.NAME}/prod"
    config["repository"].setdefault("s3", {}).update({"endpoint": bucket.ENDPOINT, "path_style": True, "region": "any"})
    config["log"]["segment_max_age"] = "1s"
    config["lease"] = {"ttl": "2s"}
    config["quotas"] = {"full_sync_min_interval": "0s"}
    return config


def example(name):
    with open(os.path.join(CHART, "examples", name)) as file:
        return yaml.safe_load(file)


def config_map(name, **files):
    return {"kind": "ConfigMap", "metadata": {"name": name}, "data": {key.replace("__", "."): text for key, text in files.items()}}


def secret(name, **files):
    return {"kind": "Secret", "metadata": {"name": name},
            "stringData": {key.replace("_", "-"): text for key, text in files.items()}}


def access_keys():
    return secret("keyrewind-s3", access_key_id="key", secret_access_key="secret")


def stateful_set(name, claim, spec, labels=None):
    return {"kind": "StatefulSet", "metadata": {"name": name, "labels": labels or {}}, "spec": {
        "template": {"metadata": {"labels": labels or {}}, "spec": spec},
        "volumeClaimTemplates": [{"metadata": {"name": claim}}]}}


def valkey_helm():
    """Its init container writes the configuration beside the data, before any of ours."""
    values = example("valkey-helm.yaml")
    rights = values["auth"]["aclUsers"]["backup"]["permissions"]
    own = {"name": "valkey-init", "image": "valkey", "volumeMounts": [
               {"name": "valkey-data", "mountPath": "/data"}, {"name": "valkey-config", "mountPath": "/chart"}],
           "command": ["sh", "-c", "mkdir -p /data/conf && cp /chart/valkey.conf /data/conf/valkey.conf"]}
    server = {"name": "valkey", "image": "valkey", "command": ["valkey-server", "/data/conf/valkey.conf"],
              "volumeMounts": [{"name": "valkey-data", "mountPath": "/data"}]}
    for container in values["extraInitContainers"]:
        # What the webhook of the cloud's identity gives to the pod comes to the same.
        container["env"] += [{"name": "AWS_ACCESS_KEY_ID", "value": "key"}, {"name": "AWS_SECRET_ACCESS_KEY", "value": "secret"}]
    return [
        *render("valkey-helm"),
        config_map("valkey-config", valkey__conf=values["valkeyConfig"] + FOR_TESTS +
                   f"dir /data\nuser default on nopass ~* &* +@all\nuser backup on >secret {rights}\n"),
        secret("valkey-users", backup="secret"),
        stateful_set("valkey", "valkey-data", {
            "terminationGracePeriodSeconds": 30,  # That chart has no value for it.
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
            "initContainers": [own] + values["extraInitContainers"], "containers": [server],
            "volumes": [{"name": "valkey-config", "configMap": {"name": "valkey-config"}}] + values["extraVolumes"]})]


def bitnami(product, node, identity=None):
    """The server has the volume at a path of its own, and its start script puts the configuration together. `identity` is
    an age key pair, (recipient, identity)."""
    values = example(f"bitnami-{product}.yaml")[node]
    data = f"/bitnami/{product}/data"
    etc = f"/opt/bitnami/{product}/etc"
    server = {
        "name": product, "image": product,
        "command": ["sh", "-c", f"cp /mounted/* {etc}/ && exec {product}-server --port 6379 --requirepass $PASSWORD "
                                f"--masterauth $PASSWORD --include {etc}/{product}.conf --include {etc}/{node}.conf"],
        "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": product, "key": f"{product}-password"}}}],
        "securityContext": {"runAsUser": 1001, "runAsGroup": 1001, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": f"{product}-data", "mountPath": data}, {"name": "config", "mountPath": "/mounted"},
                         {"name": "empty-dir", "mountPath": etc}]}
    documents = [
        *render(f"bitnami-{product}"), access_keys(), secret(product, **{f"{product}_password": PASSWORD}),
        config_map(f"{product}-configuration", **{
            f"{product}__conf": "# User-supplied common configuration:\n" + FOR_TESTS +
                                "# Enable AOF\nappendonly yes\n# Disable RDB persistence\nsave \"\"\n",
            f"{node}__conf": f"dir {data}\n# User-supplied {node} configuration:\n"
                             "rename-command FLUSHDB \"\"\nrename-command FLUSHALL \"\"\n"}),
        stateful_set(f"{product}-{node}", f"{product}-data", {
            "terminationGracePeriodSeconds": values["terminationGracePeriodSeconds"],
            "securityContext": {"fsGroup": 1001}, "initContainers": values["initContainers"], "containers": [server],
            "volumes": values["extraVolumes"] + [
                {"name": "config", "configMap": {"name": f"{product}-configuration"}}, {"name": "empty-dir", "emptyDir": {}}]})]
    if identity:
        config = next(each for each in documents if each["metadata"]["name"] == "keyrewind" and each["kind"] == "ConfigMap")
        changed = yaml.safe_load(config["data"]["config.yaml"])
        changed["encryption"]["recipients"] = [identity[0]]
        config["data"]["config.yaml"] = yaml.safe_dump(changed)
        documents.append(secret("keyrewind-identity", identity=identity[1]))
    return documents


REPLICA = "127.0.0.2"


def redis_ha():
    """The first of its pods; `redis_ha_replica` stands for the others. The init container of the chart writes both
    configurations beside the data."""
    values = example("redis-ha.yaml")
    own = {"name": "config-init", "image": "redis",
           "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "config", "mountPath": "/readonly-config"}],
           "env": [{"name": "AUTH", "valueFrom": {"secretKeyRef": {"name": "redis-redis-ha", "key": "auth"}}}],
           "command": ["sh", "-c", "mkdir -p /data/conf && cd /readonly-config && for file in redis.conf sentinel.conf; do "
                                   "sed \"s/replace-default-auth/$AUTH/\" $file > /data/conf/$file; done; date >> /data/init.log"]}
    redis = {"name": "redis", "image": "redis", "command": ["redis-server", "/data/conf/redis.conf"],
             "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    sentinel = {"name": "sentinel", "image": "redis", "command": ["redis-server", "/data/conf/sentinel.conf", "--sentinel"],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    persistence = "".join(f'{key} "{value}"\n' for key, value in values["redis"]["config"].items())
    return [
        *render("redis-ha"), access_keys(), secret("redis-redis-ha", auth=PASSWORD),
        config_map("redis-redis-ha-configmap", redis__conf=(
            'dir "/data"\nport 6379\nbind 127.0.0.1\nmin-replicas-to-write 1\nmin-replicas-max-lag 5\n'
            f"save 900 1\nrequirepass replace-default-auth\nmasterauth replace-default-auth\n{persistence}{FOR_TESTS}"),
            sentinel__conf=(
            'dir "/data"\nport 26379\nprotected-mode no\nsentinel monitor mymaster 127.0.0.1 6379 1\n'
            "sentinel down-after-milliseconds mymaster 10000\nsentinel auth-pass mymaster replace-default-auth\n")),
        stateful_set("redis-redis-ha-server", "data", {
            "terminationGracePeriodSeconds": values["redis"]["terminationGracePeriodSeconds"],
            "securityContext": {"runAsUser": 1000, "fsGroup": 1000, "runAsNonRoot": True},
            "initContainers": [own] + values["extraInitContainers"], "containers": [redis, sentinel],
            "volumes": values["extraVolumes"] + [{"name": "config", "configMap": {"name": "redis-redis-ha-configmap"}}]})]


def redis_ha_replica():
    server = {"name": "redis", "image": "redis",
              "command": ["redis-server", "--dir", "/data", "--bind", REPLICA, "--replicaof", "127.0.0.1", "6379",
                          "--replica-announce-ip", REPLICA, "--masterauth", PASSWORD, "--requirepass", PASSWORD,
                          "--repl-diskless-sync-delay", "0"],
              "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return [stateful_set("replica", "data", {"securityContext": {"runAsUser": 1000, "fsGroup": 1000}, "containers": [server],
                                             "volumes": []})]


def ot_redis():
    """The operator's pod: one init container, which sees the data and nothing else, and a sidecar without probes. The
    entry point of its image writes the configuration to a place that is not mounted."""
    spec = example("ot-redis.yaml")["spec"]
    init = {key: value for key, value in spec["initContainer"].items() if key != "enabled"}
    init |= {"name": "initredis", "volumeMounts": [{"name": "redis", "mountPath": "/data"}]}
    agent = {key: value for key, value in spec["sidecars"][0].items() if key != "mountPath"}
    agent["volumeMounts"] = spec["sidecars"][0]["mountPath"]
    configuration = ('dir "/data"\\nappendonly yes\\nappendfilename "Appendonly.aof"\\nsave 900 1\\nprotected-mode no\\n'
                     + FOR_TESTS.replace("\n", "\\n"))
    server = {"name": "redis", "image": "redis",
              "command": ["sh", "-c", f"printf '{configuration}requirepass %s\\nmasterauth %s\\n' $REDIS_PASSWORD $REDIS_PASSWORD "
                                      "> /etc-redis/redis.conf && exec redis-server /etc-redis/redis.conf"],
              "env": [{"name": "REDIS_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "redis-secret", "key": "password"}}}],
              "volumeMounts": [{"name": "redis", "mountPath": "/data"}, {"name": "etc", "mountPath": "/etc-redis"}]}
    return [*render("ot-redis"), access_keys(), secret("redis-secret", password=PASSWORD),
            stateful_set("redis", "redis", {
                "securityContext": {"runAsUser": 1000, "fsGroup": 1000}, "initContainers": [init],
                "containers": [server, agent],
                "volumes": [*spec["storage"]["volumeMount"]["volume"], {"name": "etc", "emptyDir": {}}]})]


def cloudpirates(folder):
    """The patch of the example over what the chart renders, by Kustomize."""
    labels = {"app.kubernetes.io/name": "valkey", "app.kubernetes.io/instance": "valkey"}
    server = {"name": "valkey", "image": "valkey",
              "command": ["sh", "-c", "exec valkey-server /etc/valkey/valkey.conf --requirepass $VALKEY_PASSWORD"],
              "env": [{"name": "VALKEY_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "valkey", "key": "password"}}}],
              "securityContext": {"runAsUser": 999, "runAsGroup": 1000, "runAsNonRoot": True, "readOnlyRootFilesystem": True},
              "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "config", "mountPath": "/etc/valkey"}]}
    rendered = stateful_set("valkey", "data", {
        "securityContext": {"fsGroup": 1000}, "containers": [server],
        "volumes": [{"name": "config", "configMap": {"name": "valkey-config"}}]}, labels)
    rendered |= {"apiVersion": "apps/v1"}
    os.makedirs(folder)
    for name in ("kustomization.yaml", "patch.yaml"):
        with open(os.path.join(CHART, "examples/cloudpirates", name)) as file, open(os.path.join(folder, name), "w") as into:
            into.write(file.read())
    with open(os.path.join(folder, "rendered.yaml"), "w") as file:
        yaml.safe_dump(rendered, file)
    return [*render("cloudpirates"), access_keys(), secret("valkey", password=PASSWORD),
            config_map("valkey-config", valkey__conf=f"port 6379\ndir /data\nappendonly yes\nsave \"\"\n{FOR_TESTS}"),
            *yaml.safe_load_all(tool("kustomize", "build", folder))]


def valkey_operator():
    """A node of a cluster: our container beside the server, and neither volumes nor init containers of ours."""
    containers = copy.deepcopy(example("valkey-operator.yaml")["spec"]["containers"])
    server = {"name": "valkey", "image": "valkey",
              "command": ["valkey-server", "/config/valkey.conf"],
              "securityContext": {"runAsUser": 999, "runAsGroup": 999},
              "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "config", "mountPath": "/config"}]}
    return [*render("valkey-operator"), access_keys(),
            config_map("valkey-orders", valkey__conf=f"port 6379\ndir /data\ncluster-enabled yes\nappendonly yes\n"
                                                     f"protected-mode no\n{FOR_TESTS}"),
            stateful_set("valkey-orders-0", "data", {
                "securityContext": {"fsGroup": 999}, "containers": [server, *containers],
                "volumes": [{"name": "config", "configMap": {"name": "valkey-orders"}}]},
                {"valkey.io/cluster": "orders", "valkey.io/shard-index": "0"})]


def valkey_operator_restore():
    """What the example says for the day when the shard's volume is gone."""
    return [access_keys(), *render("valkey-operator", "--set", "config.source.name=orders-0,restore.job.enabled=true,"
                                   "restore.job.claim=data-valkey-orders-0-0,restore.job.at=latest,restore.job.runAsUser=999")]


def standalone():
    """A release of its own, with a job that restores and drills, for a server that is not ours."""
    documents = render("standalone-persistent", "--set", "restore.job.enabled=true,restore.job.claim=data-redis-0,"
                       "restore.job.at=latest,drill.enabled=true")
    config = next(each for each in documents if each["kind"] == "ConfigMap")
    changed = yaml.safe_load(config["data"]["config.yaml"])
    changed["source"]["address"] = "redis://127.0.0.1:6379"  # There are no names in a pod's network.
    config["data"]["config.yaml"] = yaml.safe_dump(changed)
    return documents


def redis_server():
    """The server that `standalone` backs up: nothing of it is ours."""
    return [config_map("redis", redis__conf="port 6379\ndir /data\nappendonly yes\n" + FOR_TESTS +
                       "user default on nopass ~* &* +@all\nuser backup on >change-me +psync +replconf +info\n"),
            stateful_set("redis", "data", {
                "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
                "containers": [{"name": "redis", "image": "redis", "command": ["redis-server", "/conf/redis.conf"],
                                "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "conf", "mountPath": "/conf"}]}],
                "volumes": [{"name": "conf", "configMap": {"name": "redis"}}]})]


def compose():
    """The services of deploy/compose.yaml that run what is ours or the server, in the order that it gives them: the restore
    to its end, the agent, the server; and the other way round at the end. The rest of it is the images of others."""
    with open(os.path.join(SOURCE, "deploy/compose.yaml")) as file:
        services = yaml.safe_load(file)["services"]

    def container(name, more):
        service = services[name]
        user, group = (int(number) for number in service["user"].split(":"))
        mounts = [volume.split(":") for volume in service["volumes"]]
        mounts += [["run-keyrewind", path.split(":")[0]] for path in service.get("tmpfs", [])]
        # There are no names in a pod's network.
        env = {key: value.replace("//valkey:", "//127.0.0.1:").replace("http://store:9000", bucket.ENDPOINT)
               for key, value in service.get("environment", {}).items()}
        probe = service.get("healthcheck", {}).get("test", [None])[1:]
        return {"name": name, "image": service["image"], "args": service["command"],
                "env": [{"name": key, "value": value} for key, value in env.items()],
                "securityContext": {"runAsUser": user, "runAsGroup": group, "readOnlyRootFilesystem": service.get("read_only", False)},
                "volumeMounts": [{"name": mount[0], "mountPath": mount[1], "readOnly": mount[2:] == ["ro"]} for mount in mounts],
                } | ({"readinessProbe": {"exec": {"command": probe}}} if probe else {}) | more

    server = container("valkey", {})
    server["args"] = server["args"] + ["--enable-debug-command", "local", "--repl-diskless-sync-delay", "0"]
    claims = ("valkey-data", "spool")
    return [{"kind": "Pod", "metadata": {"name": "compose"}, "spec": {
        "terminationGracePeriodSeconds": 60, "initContainers": [
            container("restore", {}), container("keyrewind", {"restartPolicy": "Always"})], "containers": [server],
        "volumes": [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
                   + [{"name": "run-keyrewind", "emptyDir": {}}]}}]
