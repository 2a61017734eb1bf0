"""Pods with Keyrewind in them, from their manifests: each function below is a test of its own.

    pod_test.py --program build/release/keyrewind --servers build/servers/bin [TEST...]

See pod.py for what is simulated, and how.
"""

import argparse
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import yaml

import bucket
import vendors
from pod import Cluster, Image, InitFailed, MountError, Pod, enter_sandbox, load, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
SERVERS = {"valkey": "8.1", "redis": "8.0"}


class Machine:
    """Images as folders, made once for all tests of a run."""

    def __init__(self, folder, program, servers):
        self.folder = folder
        self.tree = os.path.join(folder, "image.tree")
        subprocess.run([os.path.join(SOURCE, "deploy/image/fill.sh"), program, self.tree], check=True)
        # A build whose agent has no HTTP has no probes either.
        with open(program, "rb") as file:
            self.serves_http = b"/-/healthy" in file.read()
        self.bin = os.path.join(folder, "server-bin")
        self.servers = os.path.dirname(os.path.realpath(servers))
        os.makedirs(self.bin)
        self.program = program
        self.trees = {}  # Images that tests made, by name.
        for product, version in SERVERS.items():
            for name in (f"{product}-server", f"{product}-cli"):
                path = os.path.join(self.bin, name)
                with open(path, "w") as file:
                    file.write(f'#!/bin/sh\nexec {os.path.realpath(servers)}/{name}-{version} "$@"\n')
                os.chmod(path, 0o755)

    def image(self, name):
        if name in self.trees:
            return self.trees[name]
        if name.endswith("-drill"):
            image = self.image("server")
            image.folders.append((self.program, "/keyrewind"))
            image.entrypoint = ["/keyrewind"]
            return image
        if "keyrewind" in name:
            return Image(tree=self.tree, entrypoint=["/usr/bin/keyrewind"], default=["agent"], user=65532,
                         serves_http=self.serves_http)
        system = [path for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64") if os.path.exists(path)]
        return Image(folders=[(path, path) for path in system] +
                     [(self.bin, "/server-bin"), (self.servers, self.servers)],
                     path="/server-bin:")

    def cluster(self, name, change=None, documents=None):
        """The cluster of `documents`, else of manifests/orders.yaml, with what `change` does to them."""
        documents = documents or load(os.path.join(HERE, "manifests/orders.yaml"))
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        if change:
            change(documents)
        return Cluster(folder, documents, self.image)


class Client:
    """Commands for the server of the pod."""

    def __init__(self, password=None):
        self.socket = wait_until("the server listens", self.connect)
        self.file = self.socket.makefile("rb")
        if password:
            self("AUTH", password)
        wait_until("the server has loaded its data", lambda: "loading:0" in self("INFO", "persistence"))

    @staticmethod
    def connect():
        try:
            return socket.create_connection(("127.0.0.1", 6379), timeout=60)
        except OSError:
            return None

    def __call__(self, *words):
        self.socket.sendall(b"*%d\r\n" % len(words))
        for word in words:
            data = str(word).encode()
            self.socket.sendall(b"$%d\r\n%s\r\n" % (len(data), data))
        return self.reply()

    def reply(self):
        line = self.file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self.file.read(length + 2)[:-2].decode()
        if kind == b"-":
            raise RuntimeError(rest)
        return int(rest) if kind == b":" else rest

    def fill(self, keys, prefix="key"):
        for start in range(0, keys, 500):
            self("MSET", *[word for i in range(start, min(start + 500, keys))
                           for word in (f"{prefix}:{i}", f"value {i} " * 8)])

    def acknowledged(self):
        """Whether a WAITAOF says that the repository has the last write."""
        return self("WAITAOF", 0, 1, 1000)[1] >= 1

    def digest(self):
        return self("DEBUG", "DIGEST")


def expect(what, found, wanted):
    if not (wanted(found) if callable(wanted) else found == wanted):
        raise AssertionError(f"{what}: {found!r}")


def keyrewind(pod, *words):
    """Runs the program in the pod's agent, as `kubectl exec` would; gives status and output."""
    agent = pod.container("keyrewind")
    run = subprocess.run(["nsenter", "--target", str(agent.process.pid), "--mount", "--root", "--",
                          "/usr/bin/keyrewind", *words], env=agent.env(), text=True, capture_output=True)
    return run


def started(cluster, password=None):
    pod = Pod(cluster)
    pod.start()
    client = Client(password)
    wait_until("the pod is ready", pod.ready)
    return pod, client


def stored(client):
    wait_until("the last write is acknowledged from the repository", client.acknowledged)


def restore_log(pod):
    """What the container says that restores, whatever a chart calls it."""
    return next(each.log() for each in pod.init if each.spec.get("args", [])[:1] == ["restore"])


def filled(cluster, keys=2000, password=None):
    """A pod with data, all of which is in the repository, and that data's digest."""
    pod, client = started(cluster, password)
    client.fill(keys)
    client("WAITAOF", 1, 0, 0)
    stored(client)
    return pod, client, client.digest()


def run_in_image(machine, cluster, *words, mounts=(), image="keyrewind", env=None):
    """Runs the program as `docker run --read-only` would, and gives the container when it has ended."""
    name = f"run-{cluster.pods}"
    mounted = [{"name": claim, "mountPath": path} for claim, path in mounts]
    documents = [{"kind": "Pod", "metadata": {"name": name}, "spec": {
        "containers": [{"name": "run", "image": image, "args": list(words), "volumeMounts": mounted,
                        "env": [{"name": name, "value": value} for name, value in {"TZ": "Europe/Berlin", **(env or {})}.items()],
                        "securityContext": {"readOnlyRootFilesystem": True}}],
        "volumes": [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim, _ in mounts]}}]
    pod = Pod(Cluster(cluster.folder + "." + name, documents, machine.image))
    for claim, _ in mounts:
        pod.volumes[claim] = cluster.claim(claim)
    cluster.pods += 1
    container = pod.main[0]
    container.start()
    wait_until(f"keyrewind {words[0]} ends", lambda: not container.running())
    return container


# --- The tests -----------------------------------------------------------------------------------


def first_boot(machine):
    cluster = machine.cluster("first_boot")
    pod, client = started(cluster)

    expect("the restore's log", restore_log(pod), lambda log: "has never been backed up" in log)
    expect("keys", client("DBSIZE"), 0)

    client("SET", "first", "write")
    stored(client)
    listing = keyrewind(pod, "list", "-o", "json")
    expect("backups", len(json.loads(listing.stdout)["backups"]), 1)
    expect("killed", pod.terminate().killed, [])


def restart_with_data(machine):
    cluster = machine.cluster("restart_with_data")
    pod, client, digest = filled(cluster)
    client("DEL", "stopping")
    pod.kill()
    # Nothing of the repository is needed for that.
    os.rename(cluster.claim("backups"), cluster.claim("backups") + ".away")

    pod = Pod(cluster)
    pod.start()

    expect("the restore's log", restore_log(pod), lambda log: "nothing to restore" in log)
    expect("digest", Client().digest(), digest)
    pod.kill()


def lost_volume(machine):
    cluster = machine.cluster("lost_volume")
    pod, client, _ = filled(cluster)
    client.fill(50, "late")
    client("SET", "last", "acknowledged")
    stored(client)
    digest = client.digest()
    pod.kill()
    cluster.lose("data-orders-0")

    pod, client = started(cluster)

    expect("the restore's log", restore_log(pod), lambda log: "restored" in log)
    expect("the last acknowledged write", client("GET", "last"), "acknowledged")
    expect("digest", client.digest(), digest)
    # What comes next is stored as a lineage of its own, which nobody has to set up.
    client("SET", "after", "the loss")
    stored(client)
    windows = json.loads(keyrewind(pod, "timeline", "-o", "json").stdout)["windows"]
    expect("lineages", len({window["lineage"] for window in windows}), 2)
    pod.kill()


def lost_backups(machine):
    """Somebody pointed the pod at a repository from which the backups are gone."""
    cluster = machine.cluster("lost_backups")
    pod, _, _ = filled(cluster)
    pod.kill()
    cluster.lose("data-orders-0")
    backups = os.path.join(cluster.claim("backups"), "sources/orders")
    shutil.rmtree(os.path.join(backups, "commits"))

    failure = init_failure(Pod(cluster))

    expect("status", failure.status, 4)
    expect("message", failure.message[0], lambda text: "no backup is left" in text)


def init_failure(pod):
    try:
        pod.start()
    except InitFailed as failure:
        for container in pod.main:
            expect("server that was not to start", container.process, None)
        return failure
    finally:
        pod.kill()
    raise AssertionError("the pod started")


def metrics():
    connection = http.client.HTTPConnection("127.0.0.1", 8379, timeout=10)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def take_store_down(cluster):
    """Gives the configuration as it was before."""
    config = cluster.files_of("ConfigMap", "keyrewind")["config.yaml"].decode()
    down = config.replace('{url: "file:///backups"}',
                          '{url: "s3://backups/prod", retry_time: 1s, s3: {endpoint: "http://127.0.0.1:9", '
                          'region: eu-central-1, access_key_id: key, secret_access_key_file: /run/secrets/valkey/backup}}')
    cluster.change("ConfigMap", "keyrewind", "config.yaml", down)
    return config


def store_down_at_boot(machine):
    """No volume and no store: the pod stays in Init, says why, and comes up when the store does."""
    cluster = machine.cluster("store_down_at_boot")
    pod, _, digest = filled(cluster)
    pod.kill()
    cluster.lose("data-orders-0")
    config = take_store_down(cluster)
    pod = Pod(cluster)

    for _ in range(2):
        failure = init_failure(pod)
        expect("status", failure.status, 5)
        expect("message", failure.message[0], lambda text: "127.0.0.1" in text and "keyrewind: " in text)
    data = cluster.claim("data-orders-0")
    expect("data", os.listdir(data), lambda names: not [n for n in names if n[0] != "."])
    expect("mark", mark_of(data), "failed")

    cluster.change("ConfigMap", "keyrewind", "config.yaml", config)
    pod.sync()
    pod.start()
    expect("digest", Client().digest(), digest)
    expect("mark", mark_of(cluster.claim("data-orders-0")), "done")
    pod.kill()


def restore_taken_out(machine):
    """Somebody removes the restore container that failed, so that the server starts empty: the agent tells of it."""
    cluster = machine.cluster("restore_taken_out")
    take_store_down(cluster)
    expect("status", init_failure(Pod(cluster)).status, 5)

    spec = spec_of(cluster.documents)
    spec["initContainers"] = [container for container in spec["initContainers"] if container["name"] != "restore"]
    pod, client = started(cluster)

    expect("keys", client("DBSIZE"), 0)
    wait_until("the failed restore is told", lambda: 'keyrewind_restore_last_success{source="orders"} 0' in metrics())
    pod.kill()


def restore_request(machine):
    cluster = machine.cluster("restore_request")
    pod, client, digest = filled(cluster)
    client("FLUSHALL")
    client("SET", "mistake", "made")
    stored(client)

    asked = keyrewind(pod, "restore", "request", "--at", "before:" + flush_of(pod), "-o", "json")
    expect("asking", asked.returncode, 0)
    again = keyrewind(pod, "restore", "request")
    expect("asking again", again.returncode, 9)
    pod.terminate()
    pod, client = started(cluster)

    expect("digest", client.digest(), digest)
    shown = json.loads(keyrewind(pod, "restore", "request", "--show", "-o", "json").stdout)
    expect("request", shown["state"], "done")
    data = cluster.claim("data-orders-0")
    old = [name for name in os.listdir(data) if name.startswith(".keyrewind-old-")]
    expect("old data", len(old), 1)
    mark = json.load(open(os.path.join(data, ".keyrewind-restore.json")))
    expect("mark", (mark["state"], mark["request"]), ("done", 1))

    # It was for one start.
    client("SET", "kept", "yes")
    pod.terminate()
    pod, client = started(cluster)
    expect("the restore's log", restore_log(pod), lambda log: "nothing to restore" in log)
    expect("a later write", client("GET", "kept"), "yes")
    pod.kill()


def damage_snapshots(cluster):
    for path, _, files in os.walk(cluster.claim("backups")):
        for name in files:
            if name.endswith(".rdb.zst"):
                with open(os.path.join(path, name), "r+b") as file:
                    content = file.read()
                    file.seek(len(content) // 3)
                    file.write(bytes([content[len(content) // 3] ^ 1]))


def request_fails(machine):
    """What cannot be carried out keeps the pod in Init, with the old data as it was, until it is cancelled."""
    cluster = machine.cluster("request_fails")
    pod, client, digest = filled(cluster)
    expect("asking", keyrewind(pod, "restore", "request").returncode, 0)
    pod.kill()
    damage_snapshots(cluster)

    pod = Pod(cluster)
    for _ in range(2):
        failure = init_failure(pod)
        expect("status", failure.status, 8)
        expect("message", failure.message[0], lambda text: "restore request 1" in text and "damaged" in text)
    data = cluster.claim("data-orders-0")
    expect("old data", os.path.exists(os.path.join(data, "appendonlydir")), True)
    expect("mark", mark_of(data), "failed")

    # From anywhere with the configuration, as the pod does not run.
    agent = pod.container("keyrewind")
    agent.spec = dict(agent.spec, args=["restore", "request", "--show", "-o", "json"])
    agent.start()
    wait_until("it is shown", lambda: not agent.running())
    expect("shown", agent.log(), lambda text: '"failing"' in text and "damaged" in text)
    agent.spec = dict(agent.spec, args=["restore", "request", "--cancel"])
    agent.start()
    wait_until("it is cancelled", lambda: not agent.running())
    expect("cancelling", agent.exit_code(), 0)

    pod = Pod(cluster)
    pod.start()
    expect("digest", Client().digest(), digest)
    pod.kill()


def flush_of(pod):
    events = json.loads(keyrewind(pod, "timeline", "-o", "json").stdout)["events"]
    return next((event["id"] for event in events if event["command"] == "FLUSHALL"), "none-yet")


def killed_restore(machine):
    """A restore that is killed again and again leads to the data in the end, and loses nothing old."""
    cluster = machine.cluster("killed_restore")
    pod, client, digest = filled(cluster, keys=20000)
    client("FLUSHALL")
    stored(client)
    expect("asking", keyrewind(pod, "restore", "request", "--at", "before:" + flush_of(pod)).returncode, 0)
    pod.terminate()
    data = cluster.claim("data-orders-0")
    seen = set()
    for writes in range(1, 200):
        pod = Pod(cluster)
        container = pod.container("restore")
        container.start()
        # One more file system change each time, until it comes to its end.
        changes = 0
        before = snapshot(data)
        while container.running() and changes < writes:
            now = snapshot(data)
            changes += now != before
            before = now
        if not container.running():
            break
        container.process.kill()
        container.process.wait()
        seen.add(mark_of(data))
    print(f"killed {writes - 1} times, with a mark that said {sorted(map(str, seen))}")
    expect("states that were killed", seen, lambda states: "running" in states)
    expect("status", container.exit_code(), 0)

    pod, client = started(cluster)
    expect("digest", client.digest(), digest)
    old = [name for name in os.listdir(data) if name.startswith(".keyrewind-old-")]
    expect("old data", old, lambda names: len(names) == 1)
    pod.kill()


def snapshot(folder):
    found = []
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                info = os.lstat(os.path.join(path, name))
                found.append((path, name, info.st_size, info.st_ino))
            except FileNotFoundError:
                pass
    return found


def mark_of(data):
    try:
        return json.load(open(os.path.join(data, ".keyrewind-restore.json")))["state"]
    except FileNotFoundError:
        return None


def other_ordinal(machine):
    """Replicas copy from their primary: only the first pod is restored."""
    cluster = machine.cluster("other_ordinal")
    pod, _, _ = filled(cluster)
    pod.kill()
    pod = Pod(cluster, ordinal=1)
    container = pod.container("restore")
    container.start()
    wait_until("the restore ends", lambda: not container.running())

    expect("status", container.exit_code(), 0)
    expect("log", container.log(), lambda log: "pod 1 is not among those that are restored" in log)
    expect("data", os.listdir(cluster.claim("data-orders-1")), [])


def live_primary(machine):
    """With Sentinels any pod may have the data: one that starts beside a living primary restores nothing."""
    cluster = machine.cluster("live_primary")
    pod, _, digest = filled(cluster)
    restore = spec_of(cluster.documents)["initContainers"][0]
    restore["args"] = [arg for arg in restore["args"] if "ordinals" not in arg] + ["--unless-alive"]
    container = Pod(cluster, ordinal=1).container("restore")
    container.start()
    wait_until("the restore ends", lambda: not container.running())
    expect("status", container.exit_code(), 0)
    expect("log", container.log(), lambda log: "a primary with data is alive at 127.0.0.1:6379" in log)
    expect("data", os.listdir(cluster.claim("data-orders-1")), [])

    # With all of them dead, the first one restores.
    pod.kill()
    cluster.lose("data-orders-0")
    pod = Pod(cluster)
    pod.start()
    expect("digest", Client().digest(), digest)
    pod.kill()


def grace_period(machine):
    """The agent outlives the server, ships its last byte, and ends in time."""
    cluster = machine.cluster("grace_period")
    pod, client, _ = filled(cluster)
    client.fill(500, "late")
    client("SET", "last", "word")

    ending = pod.terminate()

    expect("who ended when", ending.order, ["valkey", "keyrewind"])
    expect("killed", ending.killed, [])
    expect("seconds", ending.seconds, lambda seconds: seconds < pod.grace)
    expect("the server's status", pod.container("valkey").exit_code(), 0)
    expect("the agent's status", pod.container("keyrewind").exit_code(), lambda code: code in (0, 130))
    # Also what the server's own hook wrote, while it was being stopped.
    cluster.lose("data-orders-0")
    pod, client = started(cluster)
    expect("the last write", client("GET", "last"), "word")
    expect("the write of the hook", client("GET", "stopping"), "yes")
    pod.kill()


def into_bucket(documents):
    """Makes manifests store into the bucket of bucket.py."""
    config = next(document for document in documents if document["metadata"]["name"] == "keyrewind")
    config["data"]["config.yaml"] = config["data"]["config.yaml"].replace(
        '{url: "file:///backups"}',
        f'{{url: "s3://{bucket.NAME}/prod", s3: {{endpoint: "{bucket.ENDPOINT}", region: eu-central-1, path_style: true, '
        'access_key_id: key, secret_access_key_file: /run/secrets/valkey/backup}}')


def hanging_store(machine):
    """A store that takes requests and answers none must not cost the pod its grace period, nor a byte of what the spool
    has."""
    def change(documents):
        into_bucket(documents)
        spec = spec_of(documents)
        # What no value of valkey-helm changes.
        spec["terminationGracePeriodSeconds"] = 30
        spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] != "spool"]
        next(document for document in documents if document["kind"] == "StatefulSet")["spec"][
            "volumeClaimTemplates"].append({"metadata": {"name": "spool"}})

    with bucket.Bucket() as store:
        cluster = machine.cluster("hanging_store", change)
        pod, client, _ = filled(cluster)
        store.hang()
        client.fill(500, "late")
        client("SET", "last", "word")

        ending = pod.terminate()

        expect("who ended when", ending.order, ["valkey", "keyrewind"])
        expect("killed", ending.killed, [])
        agent = pod.container("keyrewind")
        expect("status", agent.exit_code(), 5)
        expect("what it says", agent.log(), lambda log: "the log that waits in the spool is stored first bytes=" in log and
               "bytes of log could not be stored before the end" in log)

        expect("seconds", ending.seconds, lambda seconds: seconds < pod.grace)
        print(f"ended after {ending.seconds:.1f} s of {pod.grace}")

        store.wake()
        pod, client = started(cluster)
        stored(client)
        pod.kill()
        cluster.lose("data-orders-0")
        pod, client = started(cluster)
        expect("the last write", client("GET", "last"), "word")
        expect("the write of the hook", client("GET", "stopping"), "yes")
        pod.kill()


def hanging_store_and_lost_spool(machine):
    """A pod that goes takes an emptyDir with it: what was in the spool is a gap, which the next start notes, and the
    volume has the data."""
    with bucket.Bucket() as store:
        cluster = machine.cluster("hanging_store_and_lost_spool", into_bucket)
        pod, client, _ = filled(cluster)
        store.hang()
        client("SET", "last", "word")
        expect("killed", pod.terminate().killed, [])

        # It still hangs: the server starts all the same, and the pod ends when it is told to.
        pod, client = started(cluster)
        expect("the restore's log", restore_log(pod), lambda log: "no answer within 2" in log)
        expect("the last write", client("GET", "last"), "word")
        ending = pod.terminate()
        expect("killed", ending.killed, [])
        print(f"ended after {ending.seconds:.1f} s of {pod.grace}")

        store.wake()
        pod, client = started(cluster)
        client("DEL", "stopping")
        stored(client)
        timeline = json.loads(keyrewind(pod, "timeline", "-o", "json").stdout)
        expect("gaps", [gap["reason"] for gap in timeline["gaps"]], lambda gaps: len(gaps) == 1 and "any more" in gaps[0])
        expect("the agent's log", pod.container("keyrewind").log(), lambda log: "gap in the log" in log)
        digest = client.digest()
        pod.kill()
        cluster.lose("data-orders-0")
        pod, client = started(cluster)
        expect("digest", client.digest(), digest)
        pod.kill()


def secret_missing(machine):
    cluster = machine.cluster("secret_missing", lambda documents: documents.remove(
        next(document for document in documents if document["kind"] == "Secret")))
    try:
        Pod(cluster).start()
    except MountError as error:
        expect("message", str(error), lambda text: 'secret "valkey-users" not found' in text)
    else:
        raise AssertionError("the pod started")

    # The secret is there, but has no such key.
    def without_key(documents):
        next(document for document in documents if document["kind"] == "Secret")["stringData"] = {"other": "x"}
    agent = Pod(machine.cluster("key_missing", without_key)).container("keyrewind")
    agent.start()
    wait_until("the agent ends", lambda: not agent.running())
    expect("status", agent.exit_code(), 2)
    expect("message", agent.log(), lambda text: "/run/secrets/valkey/backup" in text)


def spec_of(documents):
    return next(document for document in documents if document["kind"] == "StatefulSet")["spec"]["template"]["spec"]


def read_only_volume(machine):
    cluster = machine.cluster("read_only_volume")
    pod, _, _ = filled(cluster)
    pod.kill()
    cluster.lose("data-orders-0")
    restore = spec_of(cluster.documents)["initContainers"][0]
    restore["volumeMounts"] = [dict(mount, readOnly=True) if mount["name"] == "data" else mount
                               for mount in restore["volumeMounts"]]

    failure = init_failure(Pod(cluster))

    expect("status", failure.status, 1)
    expect("message", failure.message[0], lambda text: "/data is read-only" in text)


def wrong_uid(machine):
    if os.environ["IN_SANDBOX"] != "root":
        print("SKIPPED: other users take root")
        return
    cluster = machine.cluster("wrong_uid")
    pod, _, _ = filled(cluster)
    pod.kill()
    cluster.lose("data-orders-0")
    os.chmod(cluster.claim("data-orders-0"), 0o755)
    spec_of(cluster.documents)["securityContext"] = {"runAsUser": 4711, "runAsGroup": 4711}
    for path, folders, files in os.walk(cluster.claim("backups")):
        os.chown(path, 4711, 4711)
        for name in files:
            os.chown(os.path.join(path, name), 4711, 4711)

    failure = init_failure(Pod(cluster))

    expect("status", failure.status, 1)
    expect("message", failure.message[0], lambda text: "not writable for uid 4711" in text and "runAsUser" in text)


def full_volume(machine):
    """A volume that is too small for the data says so before anything is written; one that gets full in spite of that
    check has nothing half, and the restore goes on when there is room."""
    cluster = machine.cluster("full_volume")
    pod, client, digest = filled(cluster)
    pod.kill()
    cluster.lose("data-orders-0")
    data = cluster.claim("data-orders-0")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", data], check=True)
    try:
        failure = init_failure(Pod(cluster))
        expect("status", failure.status, 8)
        expect("message", failure.message[0], lambda text: "are needed; free some space" in text)
        expect("files", [name for name in os.listdir(data) if not name.startswith(".")], [])

        # Room for bytes, but none for files.
        subprocess.run(["mount", "-o", "remount,size=64m,nr_inodes=4", data], check=True)
        pod = Pod(cluster)
        failure = init_failure(pod)
        expect("status", failure.status, 1)
        expect("message", failure.message[0], lambda text: "No space left on device; free some space" in text)
        expect("files", [name for name in os.listdir(data) if not name.startswith(".")], [])

        subprocess.run(["mount", "-o", "remount,nr_inodes=1000", data], check=True)
        pod.start()
        expect("digest", Client().digest(), digest)
        pod.kill()
    finally:
        subprocess.run(["umount", "--lazy", data], check=True)


def changed_config(machine):
    """A config map that becomes wrong under the running agent does no harm, and is told of."""
    cluster = machine.cluster("changed_config")
    pod, client, _ = filled(cluster)
    config = cluster.files_of("ConfigMap", "keyrewind")["config.yaml"].decode()
    agent = pod.container("keyrewind")

    cluster.change("ConfigMap", "keyrewind", "config.yaml", config.replace("segment_max_age", "segment_max_agge"))
    pod.sync()
    # By itself: nobody sends signals into a pod.
    wait_until("the agent has said so", lambda: "configuration not reloaded; the old one stays" in agent.log())
    expect("the hint", agent.log(), lambda log: "segment_max_age" in log)
    expect("what monitoring is told", metrics(), lambda text: "keyrewind_config_last_reload_successful 0" in text)
    client("SET", "still", "stored")
    stored(client)

    cluster.change("ConfigMap", "keyrewind", "config.yaml", config.replace("segment_max_age: 1s", "segment_max_age: 2s"))
    pod.sync()
    agent.signal(1)
    wait_until("the agent has reloaded", lambda: "configuration reloaded" in agent.log())
    wait_until("monitoring is told", lambda: "keyrewind_config_last_reload_successful 1" in metrics())
    expect("starts of the agent", agent.starts, 1)
    pod.kill()


def into_a_folder(documents):
    """Makes manifests that store into a bucket store into a volume, often, and their server tell its digest."""
    for document in documents:
        files = document.get("data") or {}
        if "config.yaml" in files:
            config = yaml.safe_load(files["config.yaml"])
            config["repository"] = {"url": "file:///backups"}
            config["log"]["segment_max_age"] = "1s"
            # Within minutes the volume is lost and a moment restored: new histories, and a snapshot for each.
            config |= {"quotas": {"full_sync_min_interval": "0s"}, "lease": {"ttl": "2s"}}
            files["config.yaml"] = yaml.safe_dump(config)
        if "valkey.conf" in files:
            files["valkey.conf"] += ("appendfsync always\nenable-debug-command local\n"
                                     "repl-diskless-sync-delay 0\n")
    pod = next(each for each in documents if each["kind"] == "StatefulSet")["spec"]["template"]["spec"]
    pod["volumes"].append({"name": "backups", "persistentVolumeClaim": {"claimName": "backups"}})
    for container in pod["initContainers"]:
        if container["name"].startswith("keyrewind"):
            container["volumeMounts"].append({"name": "backups", "mountPath": "/backups"})


def plain_manifests(machine):
    """deploy/kubernetes as it is applied, but for where the repository is: a boot, a lost volume, a request."""
    cluster = machine.cluster("plain_manifests", into_a_folder, load(os.path.join(SOURCE, "deploy/kubernetes/valkey.yaml")))

    pod, client, digest = filled(cluster)
    for container in [*pod.main, *pod.sidecars()]:
        expect(f"liveness of {container.name}", container.probe("livenessProbe"), True)
    ending = pod.terminate()
    expect("who ended when", (ending.order, ending.killed), (["valkey", "keyrewind"], []))
    cluster.lose("data-valkey-0")
    pod, client = started(cluster)
    expect("digest", client.digest(), digest)
    # The agent must be there again, or nobody has seen what comes next.
    client("SET", "new", "history")
    client("DEL", "new")
    stored(client)
    client("FLUSHALL")
    stored(client)
    # Until the history that began with the restore has its first snapshot, nothing of it can be asked for.
    def asked():
        windows = json.loads(keyrewind(pod, "timeline", "-o", "json").stdout)["windows"]
        return len({window["lineage"] for window in windows}) == 2 and keyrewind(
            pod, "restore", "request", "--at", "before:" + flush_of(pod)).returncode == 0
    wait_until("the moment can be asked for", asked)
    pod.terminate()
    pod, client = started(cluster)
    expect("digest", client.digest(), digest)
    pod.kill()


def comes_back(cluster, claim, password=None, outlives=True):
    """Fills the pod's server, loses its volume, and expects the last acknowledged write behind a new start. `outlives` says
    whether the agent ends after the server, as a native sidecar does."""
    pod, client, _ = filled(cluster, password=password)
    client("SET", "last", "acknowledged")
    stored(client)
    digest = client.digest()
    ending = pod.terminate()
    expect("killed", ending.killed, [])
    if outlives:
        expect("the last to end", ending.order[-1], "keyrewind")
    cluster.lose(claim)

    pod, client = started(cluster, password)

    expect("the restore's log", restore_log(pod), lambda log: "restored" in log)
    expect("the last write", client("GET", "last"), "acknowledged")
    expect("digest", client.digest(), digest)
    pod.kill()

    # With data in place it has nothing to do, whatever else a chart has put beside it.
    pod, client = started(cluster, password)
    expect("the restore's log", restore_log(pod), lambda log: "nothing to restore" in log)
    pod.kill()


def example_for_valkey_helm(machine):
    with bucket.Bucket():
        comes_back(machine.cluster("example_for_valkey_helm", documents=vendors.valkey_helm()), "valkey-data-valkey-0")


def example_for_bitnami_valkey(machine):
    """Encrypted: the init container has the identity, the agent has not."""
    text = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True).stdout
    recipient = next(line.split()[-1] for line in text.splitlines() if line.startswith("# public key: "))
    documents = vendors.bitnami("valkey", "primary", (recipient, text))
    with bucket.Bucket():
        comes_back(machine.cluster("example_for_bitnami_valkey", documents=documents), "valkey-data-valkey-primary-0",
                   vendors.PASSWORD)


def example_for_bitnami_redis(machine):
    with bucket.Bucket():
        comes_back(machine.cluster("example_for_bitnami_redis", documents=vendors.bitnami("redis", "master")),
                   "redis-data-redis-master-0", vendors.PASSWORD)


def example_for_ot_redis(machine):
    with bucket.Bucket():
        comes_back(machine.cluster("example_for_ot_redis", documents=vendors.ot_redis()), "redis-redis-0", vendors.PASSWORD,
                   outlives=False)


def example_for_cloudpirates(machine):
    with bucket.Bucket():
        documents = vendors.cloudpirates(os.path.join(machine.folder, "kustomize"))
        comes_back(machine.cluster("example_for_cloudpirates", documents=documents), "data-valkey-0", vendors.PASSWORD)


def compose_file(machine):
    cluster = machine.cluster("compose_file", documents=vendors.compose())

    def volumes():
        """What its service of that name does."""
        for claim in ("valkey-data", "spool"):
            if os.environ["IN_SANDBOX"] == "root":
                os.chown(cluster.claim(claim), 999, 1000)
    volumes()
    with bucket.Bucket():
        pod, client, digest = filled(cluster)
        expect("the agent's health", pod.container("keyrewind").probe("readinessProbe"), True)
        ending = pod.terminate()
        expect("who ended when", (ending.order, ending.killed), (["valkey", "keyrewind"], []))

        # The bad day, as its first lines have it.
        cluster.lose("valkey-data")
        volumes()
        pod, client = started(cluster)
        client("DEL", "stopping")
        expect("digest", client.digest(), digest)
        pod.kill()


def followed(pod, client):
    """Waits until the repository has what the server had when it was asked; not by WAITAOF, since the agent may read
    elsewhere."""
    info = dict(line.split(":", 1) for line in client("INFO", "replication").splitlines() if ":" in line)

    def is_there():
        timeline = keyrewind(pod, "timeline", "-o", "json")
        windows = json.loads(timeline.stdout)["windows"] if timeline.returncode == 0 else []
        return any(window["lineage"] == info["master_replid"] and window["until_offset"] >= int(info["master_repl_offset"])
                   for window in windows)
    wait_until("the repository has the last write", is_there)


def example_for_redis_ha(machine):
    """The agent in the first pod reads a replica, which Sentinel names; with all pods lost, the first one restores."""
    cluster = machine.cluster("example_for_redis_ha", documents=vendors.redis_ha())
    others = machine.cluster("example_for_redis_ha.others", documents=vendors.redis_ha_replica())
    with bucket.Bucket():
        pod = Pod(cluster)
        pod.start()
        replica = Pod(others)
        replica.start()
        client = Client(vendors.PASSWORD)
        wait_until("the replica follows", lambda: "state=online" in client("INFO", "replication"))
        client.fill(2000)
        client("SET", "last", "word")
        followed(pod, client)
        status = keyrewind(pod, "status").stdout
        expect("where the log is read", status, lambda text: f"attached to {vendors.REPLICA}:6379" in text)
        digest = client.digest()
        ending = pod.terminate()
        expect("the last to end", (ending.order[-1], ending.killed), ("keyrewind", []))
        replica.kill()
        cluster.lose("data-redis-redis-ha-server-0")
        others.lose("data-replica-0")

        pod = Pod(cluster)
        pod.start()
        client = Client(vendors.PASSWORD)

        expect("the restore's log", restore_log(pod), lambda log: "restored" in log)
        expect("digest", client.digest(), digest)
        pod.kill()


def example_for_valkey_operator(machine):
    """Nothing restores before that operator's servers: a job fills the claim of the shard's pod."""
    cluster = machine.cluster("example_for_valkey_operator", documents=vendors.valkey_operator())
    with bucket.Bucket():
        pod = Pod(cluster)
        pod.start()
        client = Client()
        client("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_until("the cluster is whole", lambda: "cluster_state:ok" in client("CLUSTER", "INFO"))
        for number in range(500):
            client("SET", f"key:{number}", f"value {number}")
        followed(pod, client)
        expect("source", json.loads(keyrewind(pod, "timeline", "-o", "json").stdout)["source"], "orders-0")
        digest = client.digest()
        pod.kill()
        cluster.lose("data-valkey-orders-0-0")

        jobs = machine.cluster("example_for_valkey_operator.jobs", documents=vendors.valkey_operator_restore())
        jobs.share(cluster, "data-valkey-orders-0-0")
        restore = Pod(jobs, workload=jobs.one("Job")).run()
        expect(f"restore: {restore.log()}", restore.exit_code(), 0)
        pod = Pod(cluster)
        pod.start()
        expect("digest", Client().digest(), digest)
        pod.kill()


def example_for_standalone(machine):
    """A release of its own beside somebody's server: it follows it over the network, ends in time, goes on where it ended;
    its jobs drill, and bring the server's volume back."""
    cluster = machine.cluster("example_for_standalone", documents=vendors.standalone())
    servers = machine.cluster("example_for_standalone.servers", documents=vendors.redis_server())
    with bucket.Bucket():
        server = Pod(servers)
        server.start()
        agent = Pod(cluster, workload=cluster.one("Deployment"))
        agent.start()
        wait_until("the agent is ready", agent.ready)
        client = Client()
        client.fill(2000)
        stored(client)
        expect("killed", agent.terminate().killed, [])

        client("SET", "meanwhile", "nobody looked")
        agent = Pod(cluster, workload=cluster.one("Deployment"))
        agent.start()
        stored(client)
        windows = json.loads(keyrewind(agent, "timeline", "-o", "json").stdout)["windows"]
        expect("lineages", len(windows), 1)
        digest = client.digest()

        drill = Pod(cluster, workload=cluster.one("CronJob")).run()
        expect(f"drill: {drill.log()}", drill.exit_code(), 0)

        server.kill()
        servers.lose("data-redis-0")
        cluster.share(servers, "data-redis-0")
        restore = Pod(cluster, workload=cluster.one("Job")).run()
        expect(f"restore: {restore.log()}", restore.exit_code(), 0)
        again = Pod(cluster, workload=cluster.one("Job")).run()
        expect("status of another restore", (again.exit_code(), again.termination_message()),
               lambda found: found[0] == 7 and "holds a server's data" in found[1])
        server = Pod(servers)
        server.start()
        expect("digest", Client().digest(), digest)


def with_copy(documents):
    """A second repository on a volume of its own."""
    config = next(document for document in documents if document["metadata"]["name"] == "keyrewind")
    config["data"]["config.yaml"] += 'copies: [{name: dr, url: "file:///copies"}]\n'
    spec = spec_of(documents)
    spec["volumes"].append({"name": "copies", "persistentVolumeClaim": {"claimName": "copies"}})
    # One list of mounts, which both containers share.
    spec["initContainers"][0]["volumeMounts"].append({"name": "copies", "mountPath": "/copies"})


def copied(pod):
    """Once the copy lacks nothing."""
    expect("copying", keyrewind(pod, "copy").returncode, 0)


def lost_bucket(machine):
    """RUNBOOK.md, part 4."""
    cluster = machine.cluster("lost_bucket", with_copy)
    pod, client, digest = filled(cluster)
    copied(pod)
    pod.terminate()
    cluster.lose("backups")
    cluster.lose("data-orders-0")

    # The place is empty, as that of a source that was never backed up; only a person can know better.
    config = cluster.files_of("ConfigMap", "keyrewind")["config.yaml"].decode()
    cluster.change("ConfigMap", "keyrewind", "config.yaml",
                   config.replace("file:///backups", "file:///copies").split("copies: [")[0])
    pod, client = started(cluster)

    client("DEL", "stopping")
    expect("digest", client.digest(), digest)
    client("SET", "after", "the loss")
    stored(client)
    pod.kill()


def damaged_backup(machine):
    """RUNBOOK.md, part 5."""
    cluster = machine.cluster("damaged_backup", with_copy)
    pod, client, _ = filled(cluster)
    copied(pod)
    damage_snapshots(cluster)

    verified = keyrewind(pod, "verify", "--all", "--level", "checksum")
    expect("status of verify", verified.returncode, 8)
    expect("what verify says", verified.stderr, lambda text: ".rdb.zst" in text)
    target = ["--target", "/var/lib/keyrewind/restored", "--layout", "aof"]
    expect("status of restore", keyrewind(pod, "restore", "--at", "latest", *target).returncode, 8)
    from_copy = keyrewind(pod, "restore", "--repository", "dr", "--at", "latest", *target)
    expect("from the copy", (from_copy.returncode, from_copy.stderr), lambda found: found[0] == 0)
    expect("a sound one", keyrewind(pod, "backup").returncode, 0)
    expect("verify of it", keyrewind(pod, "verify", "--level", "checksum").returncode, 0)
    pod.kill()


def lost_key(machine):
    """RUNBOOK.md, part 6."""
    if shutil.which("age-keygen") is None:
        print("SKIPPED: age-keygen is not on this machine")
        return
    def new_key():
        text = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True).stdout
        return next(line.split()[-1] for line in text.splitlines() if line.startswith("# public key: "))

    def encrypted(documents):
        config = next(document for document in documents if document["metadata"]["name"] == "keyrewind")
        config["data"]["config.yaml"] += f"encryption: {{recipients: [{new_key()}]}}\n"

    cluster = machine.cluster("lost_key", encrypted)
    pod, client, _ = filled(cluster)
    expect("checksums need no key", keyrewind(pod, "verify", "--level", "checksum").returncode, 0)
    refused = keyrewind(pod, "restore", "--target", "/var/lib/keyrewind/restored", "--layout", "aof")
    expect("status without the key", (refused.returncode, refused.stderr),
           lambda found: found[0] == 2 and "identity" in found[1])

    config = cluster.files_of("ConfigMap", "keyrewind")["config.yaml"].decode()
    cluster.change("ConfigMap", "keyrewind", "config.yaml",
                   config.split("encryption:")[0] + f"encryption: {{recipients: [{new_key()}]}}\n")
    pod.sync()
    expect("a backup to the new key", keyrewind(pod, "backup").returncode, 0)
    pod.kill()


def image(machine):
    """The image alone: its own user, a root folder that is read-only, nothing else of Debian."""
    cluster = machine.cluster("image")
    user = 65532 if os.environ["IN_SANDBOX"] == "root" else 0
    for claim in ("server", "config", "backups", "target"):
        os.chown(cluster.claim(claim), user, user)
    with open(os.path.join(cluster.claim("config"), "config.yaml"), "w") as file:
        file.write("version: 1\n"
                   "source: {name: orders, address: 'unix:///server/socket'}\n"
                   "repository: {url: 'file:///backups'}\n"
                   "log: {spool: {dir: /var/lib/keyrewind/spool}}\n")
    mounts = [("server", "/server"), ("config", "/etc/keyrewind"), ("backups", "/backups"), ("target", "/target")]
    for item in ("etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Berlin", "etc/passwd"):
        expect(item, os.path.getsize(os.path.join(machine.tree, item)), lambda size: size > 0)
    expect("programs", sorted(os.listdir(os.path.join(machine.tree, "usr/bin"))), ["keyrewind"])
    with server_in(machine, cluster.claim("server")) as client:
        client.fill(1000)
        digest = client.digest()
        for words in (["version"], ["config", "check"], ["backup"], ["verify"],
                      ["restore", "--target", "/target", "--layout", "aof"]):
            container = run_in_image(machine, cluster, *words, mounts=mounts)
            expect(f"status of {words[0]}: {container.log()}", container.exit_code(), 0)
    with server_in(machine, cluster.claim("target")) as client:
        expect("digest", client.digest(), digest)
    refused = run_in_image(machine, cluster, "backup")
    expect("status without configuration", refused.exit_code(), 2)


def drill_image(machine):
    """The image with servers inside, filled by the same script: it verifies by loading, drills, and knows its servers."""
    suite = os.path.join(machine.servers, "bookworm-backports/tree/usr")
    programs = [os.path.join(suite, "bin", name) for name in ("valkey-server", "redis-server")]
    if not all(os.path.exists(program) for program in programs):
        print("SKIPPED: no servers that were built for Debian 12 are on this machine")
        return
    tree = os.path.join(machine.folder, "drill.tree")
    # Installed, they would find their libraries by themselves.
    libraries = {"LD_LIBRARY_PATH": os.path.join(suite, "lib/x86_64-linux-gnu")}
    subprocess.run([os.path.join(SOURCE, "deploy/image/fill.sh"), machine.program, tree, *programs], check=True,
                   env=os.environ | libraries)
    expect("programs", sorted(os.listdir(os.path.join(tree, "usr/bin"))), ["keyrewind", "redis-server", "valkey-server"])
    machine.trees["drill"] = Image(tree=tree, entrypoint=["/usr/bin/keyrewind"], default=["agent"], user=65532)

    cluster = machine.cluster("drill_image")
    claims = ("server", "config", "backups", "target")
    for claim in claims:
        os.chown(cluster.claim(claim), *[65532 if os.environ["IN_SANDBOX"] == "root" else 0] * 2)
    with open(os.path.join(cluster.claim("config"), "config.yaml"), "w") as file:
        file.write("version: 1\n"
                   "source: {name: orders, address: 'unix:///server/socket'}\n"
                   "repository: {url: 'file:///backups'}\n")
    mounts = [("server", "/server"), ("config", "/etc/keyrewind"), ("backups", "/backups"), ("target", "/target")]
    with server_in(machine, cluster.claim("server"), "8.0") as client:
        client.fill(1000)
        digest = client.digest()
        for words in (["backup"], ["verify", "--level", "load", "--temp-dir", "/target"], ["drill", "--temp-dir", "/target"],
                      ["restore", "--target", "/target", "--layout", "rdb", "--server", "valkey-server"]):
            container = run_in_image(machine, cluster, *words, mounts=mounts, image="drill", env=libraries)
            expect(f"status of {words[0]}: {container.log()}", container.exit_code(), 0)
    with server_in(machine, cluster.claim("target"), "8.0", appendonly="no") as client:
        expect("digest", client.digest(), digest)


class server_in:
    """A server of this machine on a folder, for a `with` block."""

    def __init__(self, machine, folder, version=SERVERS["valkey"], appendonly="yes"):
        self.folder = folder
        self.appendonly = appendonly
        self.program = os.path.join(machine.servers, f"bin/valkey-server-{version}")

    def __enter__(self):
        self.process = subprocess.Popen(
            [self.program, "--port", "6379", "--unixsocket", "socket", "--unixsocketperm", "777", "--dir", self.folder,
             "--appendonly", self.appendonly, "--repl-diskless-sync-delay", "0", "--enable-debug-command", "local"],
            cwd=self.folder, stdout=subprocess.DEVNULL)
        return Client()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


TESTS = [image, drill_image, plain_manifests, example_for_valkey_helm, example_for_bitnami_valkey, example_for_bitnami_redis,
         example_for_redis_ha, example_for_ot_redis, example_for_cloudpirates, example_for_valkey_operator,
         example_for_standalone, compose_file, first_boot, restart_with_data, lost_volume, lost_backups,
         store_down_at_boot, restore_taken_out, restore_request, request_fails, killed_restore, other_ordinal, live_primary, grace_period,
         hanging_store, hanging_store_and_lost_spool,
         secret_missing, read_only_volume, wrong_uid, full_volume, changed_config, lost_bucket,
         damaged_backup, lost_key]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--servers", required=True)
    parser.add_argument("tests", nargs="*")
    arguments = parser.parse_args()
    missing = [f"{product}-server-{version} (tests/support/fetch-servers.sh)" for product, version in SERVERS.items()
               if not os.path.exists(f"{arguments.servers}/{product}-server-{version}")]
    if not vendors.have_tools() and any(name.startswith("example_for_") for name in arguments.tests):
        missing.append("helm and kustomize (tests/support/install-deploy-tools.sh)")
    if missing:
        print(f"SKIPPED: not on this machine: {', '.join(missing)}")
        sys.exit(1 if os.environ.get("KEYREWIND_REQUIRE_SERVERS") == "1" else 77)
    enter_sandbox()
    failed = []
    with tempfile.TemporaryDirectory(prefix="krpod", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        machine = Machine(folder, arguments.program, arguments.servers)
        for test in TESTS:
            if arguments.tests and test.__name__ not in arguments.tests:
                continue
            print(f"-- {test.__name__}", flush=True)
            try:
                test(machine)
            except Exception as error:
                failed.append(test.__name__)
                print(f"FAILED {test.__name__}: {type(error).__name__}: {error}")
                show_logs(os.path.join(folder, test.__name__))
            finally:
                for pod in Pod.all:
                    pod.kill()
                Pod.all.clear()
    print(f"failed: {', '.join(failed)}" if failed else "all passed")
    sys.exit(1 if failed else 0)


def show_logs(folder):
    for path, _, files in os.walk(folder):
        for name in files:
            if name.endswith(".log") and "claims" not in path:
                with open(os.path.join(path, name)) as file:
                    for line in file.read().splitlines()[-40:]:
                        print(f"  {os.path.basename(path)}/{name}: {line}")


main()
