"""As much of an S3 client as the harness needs: requests signed with AWS Signature Version 4, by the standard library."""

import datetime
import hashlib
import hmac
import http.client
import urllib.parse
from typing import Mapping, NamedTuple

from layout import S3_REGION


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Signs and sends single requests, a connection each, path style."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str):
        self.host = urllib.parse.urlsplit(endpoint).netloc
        self.access_key = access_key
        self.secret_key = secret_key

    def request(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Sends a request; `path` is encoded already and has no query."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.request(method, path, body, self._signed(method, path, body, headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def _signed(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        now = datetime.datetime.now(datetime.timezone.utc)
        payload = hashlib.sha256(body).hexdigest()
        signed = {
            **{name.lower(): value for name, value in headers.items()},
            "host": self.host,
            "x-amz-content-sha256": payload,
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
        }
        names = ";".join(sorted(signed))
        canonical = "\n".join(
            [method, path, "", *(f"{name}:{signed[name].strip()}" for name in sorted(signed)), "", names, payload])
        scope = f"{now:%Y%m%d}/{S3_REGION}/s3/aws4_request"
        to_sign = "\n".join(
            ["AWS4-HMAC-SHA256", signed["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}")
        return signed


def answers(endpoint: str) -> bool:
    """Whether an S3 server answers at all."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(endpoint).netloc, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
