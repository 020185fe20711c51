"""An HTTP front for the ClickHouse engine, for tests: `clickhouse_server.py --port N --data FOLDER --database NAME`.

The engine is the real one (ClickHouse as a library: chdb, tables in FOLDER). The HTTP layer is this file, not
ClickHouse's: it speaks the part of the HTTP interface that the product uses and refuses the rest, so that nothing is
quietly ignored here that a real server would do.

Understood: `GET /ping`; `GET` and `POST /` with `query`, `database`, `default_format`, `param_<name>` and
`wait_end_of_query`; a body is the query or follows it. Errors carry ClickHouse's text and
`X-ClickHouse-Exception-Code`, with the status a real server gives.
"""

import argparse
import re
import signal
import socketserver
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

from chdb import session

MAX_BODY_BYTES = 256 << 20
READS = re.compile(r"\s*(select|with|show|describe|desc|exists|explain)\b", re.IGNORECASE)
CODE = re.compile(r"Code: (\d+)\.")

# What a real server answers to some exceptions; all others are 500.
STATUS = {
    **dict.fromkeys((27, 33, 36, 38, 41, 43, 46, 47, 53, 62, 69, 70, 117, 456, 457), 400),
    **dict.fromkeys((60, 81), 404),
}


class Refused(Exception):
    """A request that this front does not understand."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Answers are small and written at once; waiting for more to send would only delay them.
    disable_nagle_algorithm = True
    wbufsize = -1
    engine: session.Session
    database: str

    def do_GET(self) -> None:
        if self.path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self._query(b"", may_write=False)

    def do_POST(self) -> None:
        length = self.headers.get("content-length")
        if length is None or not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._answer(411 if length is None else 413, b"a content-length of at most 256 MiB is needed\n")
            return
        self._query(self.rfile.read(int(length)), may_write=True)

    def _query(self, body: bytes, may_write: bool) -> None:
        try:
            sql, output, parameters = self._understand(body)
            if not may_write and not READS.match(sql):
                raise Refused("GET reads only")
            self._answer(200, self.engine.query(sql, output, params=parameters).bytes() or b"")
        except Refused as refused:
            self._answer(400, f"harness: {refused}\n".encode())
        except Exception as error:  # The engine's exceptions have no common class of their own.
            code = int((CODE.search(str(error)) or [0, 0])[1])
            self._answer(STATUS.get(code, 500), f"{error}\n".encode(), {"X-ClickHouse-Exception-Code": str(code)})

    def _understand(self, body: bytes) -> tuple[str, str, dict[str, str]]:
        """The request's SQL, the format to answer in, and the query's parameters."""
        if self.headers.get("content-encoding", "identity") != "identity":
            raise Refused("bodies are taken plain")
        sql, output, parameters = "", "TabSeparated", {}
        target = urllib.parse.urlsplit(self.path)
        for name, value in urllib.parse.parse_qsl(target.query, keep_blank_values=True):
            if name == "query":
                sql = value
            elif name == "default_format":
                output = value
            elif name.startswith("param_"):
                parameters[name.removeprefix("param_")] = value
            elif name == "database" and value != self.database:
                raise Refused(f"there is one database here: {self.database}")
            elif name not in ("database", "wait_end_of_query"):
                raise Refused(f"parameter {name}")
        if target.path != "/":
            raise Refused(f"path {target.path}")
        text = body.decode()
        return (f"{sql}\n{text}" if sql and text else sql or text), output, parameters

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "text/plain; charset=UTF-8")
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_request(self, code="-", size="-") -> None:
        if str(code) != "200":
            super().log_request(code, size)


class Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--database", required=True)
    arguments = parser.parse_args()
    Handler.engine = session.Session(arguments.data)
    Handler.database = arguments.database
    Handler.engine.query(f"CREATE DATABASE IF NOT EXISTS {arguments.database}")
    Handler.engine.query(f"USE {arguments.database}")
    server = Server(("127.0.0.1", arguments.port), Handler)
    stop = lambda *_: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    Handler.engine.close()


if __name__ == "__main__":
    main()
