#!/usr/bin/env python3
"""Signs requests with botocore, to compare with ours.

Reads one JSON object a line: method, url, headers (pairs), body_sha256, time (YYYYMMDDTHHMMSSZ), region, service,
access_key_id, secret_access_key. Prints the value of the authorization header for each. Exits with 3 where botocore is
not installed.
"""
import importlib.util
import json
import sys

# Debian has it as python3-botocore, and another inside awscli that is found only from there.
if importlib.util.find_spec("botocore") is None:
    awscli = importlib.util.find_spec("awscli")
    sys.path.extend(awscli.submodule_search_locations if awscli else [])
try:
    from botocore import auth, awsrequest, credentials
except ImportError:
    sys.exit(3)


class Signer(auth.S3SigV4Auth):
    """The path as it stands, whatever the service, and a payload that was hashed before."""

    def __init__(self, case):
        keys = credentials.Credentials(case["access_key_id"], case["secret_access_key"])
        super().__init__(keys, case["service"], case["region"])
        self.sha256 = case["body_sha256"]

    def payload(self, request):
        return self.sha256


for line in sys.stdin:
    case = json.loads(line)
    request = awsrequest.AWSRequest(method=case["method"], url=case["url"])
    for name, value in case["headers"]:
        request.headers.add_header(name, value)
    request.context["timestamp"] = case["time"]
    signer = Signer(case)
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    print(
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, "
        f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(request))}, "
        f"Signature={signer.signature(to_sign, request)}"
    )
