"""A kubelet for one pod: real processes in the order, with the mounts and signals, that kubelet uses.

What it keeps to (kubelet's kuberuntime_manager.go, kuberuntime_container.go and prober; the pages
"Sidecar Containers" and "Pod Lifecycle" of the Kubernetes documentation):

- init containers one after the other, each to its end; one that fails is started again, after a pause
  that grows, and nothing behind it starts;
- an init container with `restartPolicy: Always` is a sidecar: what follows starts once its startup probe
  has succeeded, and it is started again whenever it ends;
- the pod is ready if all containers and sidecars are;
- termination: every preStop hook at once; SIGTERM to each main container when its own hook is over; to
  sidecars only when all main containers have ended, the last one first, one after the other; SIGKILL to
  what is left when the grace period is over.

Volumes are folders: claims outlive a pod, `emptyDir` does not; config maps and secrets are files behind a
symbolic link `..data`, which is swapped when they change. A container sees them at its mount paths in a
root folder of its own, under the user that the security context names. The pod has a network of its own,
since the whole simulation runs in one (see `enter_sandbox`), so that ports are those of the manifest.
"""

import base64
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 60  # Seconds that anything may take before the test gives up.


def enter_sandbox():
    """Runs this script again in a network and mount namespace of its own; returns within it.

    Ends with status 77 where that is not allowed, which ctest shows as skipped.
    """
    if os.environ.get("IN_SANDBOX"):
        raise_loopback()
        return
    flags = ["--mount", "--net", "--ipc"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
    if subprocess.run(["unshare", *flags, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("SKIPPED: no namespaces may be made here (unshare), so no pod can be simulated")
        sys.exit(77)
    env = dict(os.environ, IN_SANDBOX="root" if os.geteuid() == 0 else "mapped")
    os.execvpe("unshare", ["unshare", *flags, sys.executable, *sys.argv], env)


def raise_loopback():
    SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def wait_until(what, holds, limit=PATIENCE):
    """Waits until `holds` gives something, and gives that."""
    deadline = time.monotonic() + limit
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit} s in vain until {what}")
        time.sleep(0.05)


class Image:
    """What a container's root folder has in it: a copy of `tree`, then folders of this machine."""

    def __init__(self, tree=None, folders=(), path="", entrypoint=(), default=(), user=None, serves_http=True):
        self.tree = tree
        self.user = user
        self.serves_http = serves_http
        self.folders = folders  # (source, target), read-only.
        self.path = path
        self.entrypoint = list(entrypoint)
        self.default = list(default)


class Cluster:
    """What outlives a pod: manifests, claims, and the images as folders.

    `images` gives for the name of an image an `Image`.
    """

    def __init__(self, folder, documents, images):
        self.folder = folder
        self.images = images
        self.documents = [document for document in documents if document]
        self.claims = os.path.join(folder, "claims")
        os.makedirs(self.claims, exist_ok=True)
        self.pods = 0

    def find(self, kind, name):
        for document in self.documents:
            if document["kind"] == kind and document["metadata"]["name"] == name:
                return document
        return None

    def workload(self):
        return next(document for document in self.documents if document["kind"] in ("StatefulSet", "Deployment", "Pod"))

    def one(self, kind):
        """The only object of its kind."""
        found, = (document for document in self.documents if document["kind"] == kind)
        return found

    def claim(self, name):
        """The folder of a persistent volume."""
        path = os.path.join(self.claims, name)
        os.makedirs(path, exist_ok=True)
        return path

    def share(self, other, name):
        """Makes a persistent volume of another cluster one of this, as if they were one."""
        os.symlink(other.claim(name), os.path.join(self.claims, name))

    def lose(self, name):
        """Loses a persistent volume with all it holds."""
        shutil.rmtree(self.claim(name))

    def files_of(self, kind, name):
        """The content of a config map or secret by file name; None if there is no such object."""
        document = self.find(kind, name)
        if document is None:
            return None
        files = {key: text.encode() for key, text in (document.get("stringData") or {}).items()}
        for key, text in (document.get("data") or {}).items():
            files[key] = base64.b64decode(text) if kind == "Secret" else text.encode()
        return files

    def change(self, kind, name, key, text):
        """Changes one file of a config map or secret; `Pod.sync` brings it to running pods."""
        document = self.find(kind, name)
        if kind == "Secret":
            document.setdefault("stringData", {})[key] = text
        else:
            document["data"][key] = text


class Container:
    """One container of a pod, started any number of times."""

    def __init__(self, pod, spec, sidecar=False):
        self.pod = pod
        self.spec = spec
        self.name = spec["name"]
        self.sidecar = sidecar
        self.log_path = os.path.join(pod.folder, self.name + ".log")
        self.process = None
        self.starts = 0
        self.ended_at = None
        self.stopping = False

    def log(self):
        return open(self.log_path).read() if os.path.exists(self.log_path) else ""

    def start(self):
        self.starts += 1
        root = os.path.join(self.pod.folder, f"{self.name}.root.{self.starts}")
        os.makedirs(root)
        os.chmod(root, 0o755)
        image = self.image()
        if image.tree is not None:
            # Links, not copies; nobody may write to them.
            subprocess.run(["cp", "-al", image.tree + "/.", root], check=True)
        security = {**(self.pod.spec.get("securityContext") or {}), **(self.spec.get("securityContext") or {})}
        user = security.get("runAsUser", image.user)
        if os.environ["IN_SANDBOX"] == "mapped":
            user = None  # There is only one user to be.
        group = security.get("runAsGroup", user)
        description = {
            "name": self.name,
            "root": root,
            "image": [{"source": source, "target": target} for source, target in image.folders],
            "mounts": self.pod.mounts_of(self.spec),
            "read_only_root": bool(security.get("readOnlyRootFilesystem")),
            "user": user,
            "group": group,
            "groups": [security["fsGroup"]] if "fsGroup" in security else [],
            "working_dir": self.spec.get("workingDir", "/"),
            "command": self.command(),
            "env": self.env(),
        }
        path = os.path.join(self.pod.folder, self.name + ".json")
        with open(path, "w") as file:
            json.dump(description, file)
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                [sys.executable, os.path.join(HERE, "container.py"), path],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.ended_at = None

    def image(self):
        return self.pod.cluster.images(self.spec["image"])

    def env(self):
        env = self.pod.env_of(self.spec)
        env["PATH"] = self.image().path + env["PATH"]
        return env

    def command(self):
        image = self.image()
        command = self.spec.get("command") or image.entrypoint
        args = self.spec.get("args") or ([] if self.spec.get("command") else image.default)
        env = self.env()
        return [expand(word, env) for word in [*command, *args]]

    def running(self):
        if self.process is None:
            return False
        if self.process.poll() is None:
            return True
        if self.ended_at is None:
            self.ended_at = time.monotonic()
        return False

    def exit_code(self):
        return self.process.poll()

    def termination_message(self):
        """What the pod's status says of the end: the log's, where the policy is so and it failed."""
        if self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError" or self.exit_code() in (None, 0):
            return ""
        return "\n".join(self.log().splitlines()[-80:])[-2048:]

    def probe(self, name):
        """Whether a probe succeeds now; one that is not there always does."""
        probe = self.spec.get(name)
        if probe is None:
            return True
        if "httpGet" in probe:
            if not self.image().serves_http:
                return True
            return self.http_get(probe["httpGet"]) < 400
        if "tcpSocket" in probe:
            with socket.socket() as peer:
                return peer.connect_ex(("127.0.0.1", self.port(probe["tcpSocket"]["port"]))) == 0
        if "exec" in probe:
            return self.exec(probe["exec"]["command"], timeout=probe.get("timeoutSeconds", 1) + 10) == 0
        raise AssertionError(f"a probe that is not known: {probe}")

    def port(self, port):
        named = {item.get("name"): item["containerPort"] for item in self.spec.get("ports") or []}
        return named[port] if isinstance(port, str) else port

    def http_get(self, action):
        connection = http.client.HTTPConnection("127.0.0.1", self.port(action["port"]), timeout=10)
        try:
            connection.request("GET", action.get("path", "/"))
            return connection.getresponse().status
        except OSError:
            return 599
        finally:
            connection.close()

    def exec(self, command, timeout=PATIENCE):
        """Runs a command within the container, as a hook or probe does."""
        entered = ["nsenter", "--target", str(self.process.pid), "--mount", "--root", "--wd", "--", *command]
        with open(self.log_path, "a") as log:
            try:
                return subprocess.run(entered, stdout=log, stderr=log, timeout=timeout,
                                      env=self.env()).returncode
            except subprocess.TimeoutExpired:
                return 124

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)


def expand(text, env):
    """$(NAME) as Kubernetes expands it."""
    for name, value in env.items():
        text = text.replace(f"$({name})", value)
    return text


class Pod:
    """One pod of the cluster's workload, from its first init container to its end."""

    all = []

    def __init__(self, cluster, ordinal=0, workload=None):
        Pod.all.append(self)
        self.cluster = cluster
        cluster.pods += 1
        self.folder = os.path.join(cluster.folder, f"pod.{cluster.pods}")
        os.makedirs(self.folder)
        workload = workload or cluster.workload()
        if workload["kind"] == "CronJob":
            workload = {"kind": "Job", "metadata": workload["metadata"], "spec": workload["spec"]["jobTemplate"]["spec"]}
        self.kind = workload["kind"]
        self.name = workload["metadata"]["name"]
        template = workload["spec"]["template"] if self.kind != "Pod" else workload
        self.spec = template["spec"]
        self.labels = dict((template.get("metadata") or {}).get("labels") or {})
        if self.kind == "StatefulSet":
            self.name += f"-{ordinal}"
            self.labels["apps.kubernetes.io/pod-index"] = str(ordinal)
        self.templates = {item["metadata"]["name"]: f"{item['metadata']['name']}-{self.name}"
                          for item in workload["spec"].get("volumeClaimTemplates") or []}
        self.init = [Container(self, spec, spec.get("restartPolicy") == "Always")
                     for spec in self.spec.get("initContainers") or []]
        self.main = [Container(self, spec) for spec in self.spec["containers"]]
        self.grace = self.spec.get("terminationGracePeriodSeconds", 30)
        self.volumes = {}

    def container(self, name):
        return next(container for container in [*self.init, *self.main] if container.name == name)

    # Volumes.

    def volume(self, name):
        """The folder of a volume. Raises if there is none: kubelet then does not start the pod."""
        if name not in self.volumes:
            self.volumes[name] = self.make_volume(name)
        return self.volumes[name]

    def make_volume(self, name):
        if name in self.templates:
            return self.own(self.cluster.claim(self.templates[name]))
        spec = next(item for item in self.spec.get("volumes") or [] if item["name"] == name)
        if "persistentVolumeClaim" in spec:
            return self.own(self.cluster.claim(spec["persistentVolumeClaim"]["claimName"]))
        path = os.path.join(self.folder, "volumes", name)
        os.makedirs(path)
        os.chmod(path, 0o777)  # As kubelet makes an emptyDir.
        self.write_files(spec, path)
        return self.own(path)

    def own(self, path):
        """What kubelet does for fsGroup: the group may write."""
        group = (self.spec.get("securityContext") or {}).get("fsGroup")
        if group is not None and os.environ["IN_SANDBOX"] == "root":
            for folder, _, _ in os.walk(path):
                os.chown(folder, -1, group)
                os.chmod(folder, 0o2775)
        return path

    def write_files(self, spec, path):
        """The files of config maps and secrets, behind a link that is swapped as a whole."""
        sources = (spec.get("projected") or {}).get("sources") or [spec]
        files, known = {}, False
        for source in sources:
            for kind, field, key in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
                if field not in source:
                    continue
                known = True
                reference = source[field]
                name = reference.get(key) or reference.get("name")
                content = self.cluster.files_of(kind, name)
                if content is None:
                    if reference.get("optional"):
                        continue
                    raise MountError(f'MountVolume.SetUp failed for volume "{spec["name"]}": '
                                     f'{kind.lower()} "{name}" not found')
                items = {item["key"]: item["path"] for item in reference.get("items") or []}
                files.update({items.get(key, key): text for key, text in content.items() if not items or key in items})
        if not known:
            return
        version = f"..{time.monotonic_ns()}"
        os.makedirs(os.path.join(path, version))
        for name, text in files.items():
            with open(os.path.join(path, version, name), "wb") as file:
                file.write(text)
            if not os.path.lexists(os.path.join(path, name)):
                os.symlink(os.path.join("..data", name), os.path.join(path, name))
        os.symlink(version, os.path.join(path, "..new"))
        os.rename(os.path.join(path, "..new"), os.path.join(path, "..data"))

    def sync(self):
        """Brings changed config maps and secrets to the running pod."""
        for spec in self.spec.get("volumes") or []:
            if spec["name"] in self.volumes:
                self.write_files(spec, self.volumes[spec["name"]])

    def mounts_of(self, container):
        mounts = []
        for item in container.get("volumeMounts") or []:
            source = self.volume(item["name"])
            if "subPath" in item:
                source = os.path.join(source, item["subPath"])
                if not os.path.exists(source):
                    os.makedirs(source)
            mounts.append({"source": os.path.realpath(source), "target": item["mountPath"],
                           "read_only": bool(item.get("readOnly"))})
        return mounts

    # Environment.

    def env_of(self, container):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": self.name}
        for source in container.get("envFrom") or []:
            for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if field in source:
                    for key, text in (self.cluster.files_of(kind, source[field]["name"]) or {}).items():
                        env[source.get("prefix", "") + key] = text.decode()
        for item in container.get("env") or []:
            value = self.env_value(item)
            if value is not None:
                env[item["name"]] = expand(value, env)
        return env

    def env_value(self, item):
        if "valueFrom" not in item:
            return str(item.get("value", ""))
        source = item["valueFrom"]
        if "fieldRef" in source:
            return self.field(source["fieldRef"]["fieldPath"])
        for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            if field in source:
                files = self.cluster.files_of(kind, source[field]["name"])
                if files is not None and source[field]["key"] in files:
                    return files[source[field]["key"]].decode()
                if source[field].get("optional"):
                    return None
                raise MountError(f'{kind.lower()} "{source[field]["name"]}" not found')
        return None

    def field(self, path):
        if path.startswith("metadata.labels["):
            return self.labels.get(path[len("metadata.labels["):-1].strip("'\""), "")
        return {"metadata.name": self.name, "metadata.namespace": "default", "status.podIP": "127.0.0.1",
                "spec.nodeName": "node", "spec.serviceAccountName": "default"}[path]

    # Life.

    def start(self):
        """Runs init containers and starts the rest. Raises InitFailed when one fails, with its status and
        log: the pod is then where it is, and `start` goes on from there, as kubelet does after a pause."""
        for container in self.init:
            if container.process is not None and container.exit_code() == 0 and not container.sidecar:
                continue
            if container.sidecar:
                if not container.running():
                    container.start()
                self.wait_started(container)
                continue
            container.start()
            wait_until(f"{container.name} ends", lambda: not container.running())
            if container.exit_code() != 0:
                raise InitFailed(container)
        for container in self.main:
            container.start()
        for container in self.main:
            self.wait_started(container)

    def wait_started(self, container):
        def started():
            if not container.running():
                raise InitFailed(container)
            return container.probe("startupProbe")
        wait_until(f"{container.name} has started", started)

    def ready(self):
        return all(container.running() and container.probe("readinessProbe")
                   for container in [*self.main, *self.sidecars()])

    def run(self):
        """Runs a pod that comes to an end by itself, as those of jobs do, and gives its container."""
        container, = self.main
        container.start()
        wait_until(f"{container.name} ends", lambda: not container.running())
        return container

    def sidecars(self):
        return [container for container in self.init if container.sidecar]

    def tend(self):
        """What kubelet does all the time: starts again what has ended."""
        for container in [*self.sidecars(), *self.main]:
            if not container.running():
                container.start()

    def kill(self):
        """The node dies: everything at once."""
        for container in [*self.init, *self.main]:
            if container.running():
                os.killpg(container.process.pid, signal.SIGKILL)
                container.process.wait()

    def terminate(self):
        """Ends the pod as kubelet does, and gives what ended when: names in the order of their ends."""
        begun = time.monotonic()
        deadline = begun + self.grace
        main_over = threading.Event()
        killed = []

        def stop(container, may_stop):
            hook = ((container.spec.get("lifecycle") or {}).get("preStop") or {}).get("exec")
            if hook and container.running():
                container.exec(hook["command"], timeout=max(deadline - time.monotonic(), 0.1))
            may_stop(max(deadline - time.monotonic(), 0))
            container.signal(signal.SIGTERM)
            # A container whose turn comes late has 2 s, as in kubelet (minimumGracePeriodInSeconds).
            limit = max(deadline, time.monotonic() + 2)
            while container.running():
                if time.monotonic() > limit:
                    killed.append(container.name)
                    container.signal(signal.SIGKILL)
                time.sleep(0.01)
            container.ended_at = time.monotonic()

        threads = [threading.Thread(target=stop, args=(container, lambda left: None)) for container in self.main]
        after = main_over
        for sidecar in reversed(self.sidecars()):
            over = threading.Event()

            def run(sidecar=sidecar, after=after, over=over):
                stop(sidecar, after.wait)
                over.set()

            threads.append(threading.Thread(target=run))
            after = over
        for thread in threads:
            thread.start()
        for thread in threads[:len(self.main)]:
            thread.join()
        main_over.set()
        for thread in threads:
            thread.join()
        every = [container for container in [*self.main, *self.sidecars()] if container.ended_at]
        order = [container.name for container in sorted(every, key=lambda container: container.ended_at)]
        return Ending(order=order, seconds=time.monotonic() - begun, killed=killed)


class Ending:
    def __init__(self, order, seconds, killed):
        self.order = order
        self.seconds = seconds
        self.killed = killed


class MountError(Exception):
    """A pod that kubelet would not start: it stays in ContainerCreating and says this."""


class InitFailed(Exception):
    """A pod that stays in Init (or a sidecar that ends before it has started)."""

    def __init__(self, container):
        self.container = container
        self.status = container.exit_code()
        self.message = container.termination_message().splitlines()[-1:] or [""]
        super().__init__(f"{container.name} ended with {self.status}: {self.message[0]}")


def load(path):
    with open(path) as file:
        return list(yaml.safe_load_all(file))
