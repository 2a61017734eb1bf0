"""A bucket in memory, which speaks as much of S3 as the program asks for, and can hang.

Ceph's gateway, to which the program is tested elsewhere, wants more than a pod's network has. This one takes every
signature: whether requests are signed well is not its question.
"""

import hashlib
import http.server
import threading
import urllib.parse
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

PORT = 9000
NAME = "backups"
ENDPOINT = f"http://127.0.0.1:{PORT}"


class Bucket:
    """Listens within a `with` block."""

    def __init__(self):
        self.objects = {}  # key: (content, kept headers)
        self.uploads = {}  # id: (key, kept headers, parts by number)
        self.lock = threading.Lock()
        self.answers = threading.Event()
        self.answers.set()
        self.server = Server(("127.0.0.1", PORT), Handler)
        self.server.bucket = self
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def hang(self):
        """From now on requests are taken, and none is carried out or answered before `wake`, whoever waits."""
        self.answers.clear()

    def wake(self):
        self.answers.set()

    def lose(self):
        with self.lock:
            self.objects.clear()
            self.uploads.clear()

    def close(self):
        self.wake()
        self.server.shutdown()
        self.server.server_close()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # Who asked was killed meanwhile, as tests do.


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        bucket = self.server.bucket
        bucket.answers.wait()
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        _, name, *rest = urllib.parse.unquote(path).split("/", 2)
        key = rest[0] if rest else ""
        with bucket.lock:
            if name != NAME:
                self.fail(404, "NoSuchBucket")
            elif key:
                self.of_object(bucket, key, body)
            else:
                self.of_bucket(bucket, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def of_bucket(self, bucket, body):
        if self.command == "POST" and "delete" in self.query:
            for element in ElementTree.fromstring(body).iter():
                if element.tag.endswith("Key"):
                    bucket.objects.pop(element.text, None)
            self.answer(200, "<DeleteResult/>")
        elif self.command == "GET" and "uploads" in self.query:
            self.answer(200, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>")
        elif self.command == "GET":
            self.list(bucket)
        elif self.command == "HEAD":
            self.answer(200)
        else:
            self.fail(501, "NotImplemented")

    def list(self, bucket):
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter", "")
        keys, folders = [], set()
        for key in sorted(bucket.objects):
            if not key.startswith(prefix):
                continue
            inner, found, _ = key[len(prefix):].partition(delimiter) if delimiter else (key, "", "")
            if found:
                folders.add(prefix + inner + delimiter)
            else:
                keys.append(key)
        quoted = lambda text: escape(urllib.parse.quote(text))
        self.answer(200, "<ListBucketResult><IsTruncated>false</IsTruncated>" + "".join(
            f"<Contents><Key>{quoted(key)}</Key><Size>{len(bucket.objects[key][0])}</Size></Contents>"
            for key in keys) + "".join(
            f"<CommonPrefixes><Prefix>{quoted(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders))
            + "</ListBucketResult>")

    def of_object(self, bucket, key, body):
        if "uploads" in self.query or "uploadId" in self.query:
            self.of_upload(bucket, key, body)
        elif self.command == "PUT":
            there = bucket.objects.get(key)
            wanted = self.headers.get("If-Match")
            if self.headers.get("If-None-Match") == "*" and there:
                self.fail(412, "PreconditionFailed")
            elif wanted and not there:
                self.fail(404, "NoSuchKey")
            elif wanted and wanted.strip('"') != tag_of(there[0]):
                self.fail(412, "PreconditionFailed")
            else:
                bucket.objects[key] = (body, self.kept())
                self.answer(200, headers={"ETag": f'"{tag_of(body)}"'})
        elif self.command == "DELETE":
            bucket.objects.pop(key, None)
            self.answer(204)
        elif self.command in ("GET", "HEAD"):
            self.read(bucket, key)
        else:
            self.fail(501, "NotImplemented")

    def read(self, bucket, key):
        if key not in bucket.objects:
            self.fail(404, "NoSuchKey")
            return
        content, kept = bucket.objects[key]
        headers = kept | {"ETag": f'"{tag_of(content)}"'}
        if "Range" not in self.headers:
            self.answer(200, content, headers)
            return
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        first, last = int(first), min(int(last), len(content) - 1)
        if first >= len(content):
            self.fail(416, "InvalidRange")
            return
        self.answer(206, content[first:last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(content)}"})

    def of_upload(self, bucket, key, body):
        if "uploads" in self.query:
            name = str(len(bucket.uploads) + 1)
            bucket.uploads[name] = (key, self.kept(), {})
            self.answer(200, f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>")
            return
        name = self.query["uploadId"]
        if name not in bucket.uploads:
            self.fail(404, "NoSuchUpload")
            return
        _, kept, parts = bucket.uploads[name]
        if self.command == "PUT":
            parts[int(self.query["partNumber"])] = body
            self.answer(200, headers={"ETag": f'"{tag_of(body)}"'})
        elif self.command == "DELETE":
            del bucket.uploads[name]
            self.answer(204)
        elif self.headers.get("If-None-Match") == "*" and key in bucket.objects:
            self.fail(412, "PreconditionFailed")
        else:
            content = b"".join(parts[number] for number in sorted(parts))
            bucket.objects[key] = (content, kept)
            del bucket.uploads[name]
            self.answer(200, f'<CompleteMultipartUploadResult><ETag>"{tag_of(content)}"</ETag>'
                             "</CompleteMultipartUploadResult>")

    def kept(self):
        """What an object has beside its content."""
        return {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}

    def fail(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>")

    def answer(self, status, body=b"", headers=None):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def tag_of(content):
    return hashlib.md5(content).hexdigest()
