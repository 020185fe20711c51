"""Where a cluster's files are and which ports it has.

Owns the folder DIR that `up` is given: `ports.json` (chosen once, so that a component comes back where it was),
`endpoints.env` (what clients need), `data/<component>`, `log/<component>.log` and `run/<component>.json` (the process).
Never starts or stops anything.
"""

import json
import random
import socket
from pathlib import Path

HOST = "127.0.0.1"

# Below the range from which the kernel takes ports for outgoing connections: the port of a component that has been
# killed must still be free when it starts again.
PORT_RANGE = (10_000, 32_000)

PORTS = (
    "kafka",
    "kafka_controller",
    "zookeeper",
    "mon",
    "s3",
    "clickhouse",
    "flink_rest",
)

TOPICS = {"batch-ingested": 4, "insight-events": 4, "late-insights": 1, "dead-letters": 1}
BUCKET = "log-analytics"
S3_REGION = "us-east-1"
S3_ACCESS_KEY = "cluster-access-key"
S3_SECRET_KEY = "cluster-secret-key"
DATABASE = "log_analytics"


class Layout:
    """The paths and ports of the cluster in one folder."""

    def __init__(self, root: Path):
        self.root = root.resolve()
        self.ports: dict[str, int] = {}

    def data(self, component: str) -> Path:
        return self.root / "data" / component

    def log(self, component: str) -> Path:
        return self.root / "log" / f"{component}.log"

    def run(self, component: str) -> Path:
        return self.root / "run" / f"{component}.json"

    def create(self) -> None:
        """Makes the folders, and chooses ports where none were chosen before."""
        for folder in ("data", "log", "run"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        if self._ports_file().exists():
            self.load()
            return
        self.ports = _free_ports(PORTS)
        self._ports_file().write_text(json.dumps(self.ports, indent=1) + "\n")

    def load(self) -> None:
        """Reads the ports of a cluster that `up` has made; FileNotFoundError where there is none."""
        self.ports = json.loads(self._ports_file().read_text())

    def _ports_file(self) -> Path:
        return self.root / "ports.json"

    def another_port(self) -> int:
        """A free port for something that is not the cluster's."""
        return _free_ports(("another",))["another"]

    def address(self, port: str) -> str:
        return f"{HOST}:{self.ports[port]}"

    def endpoints(self) -> dict[str, str]:
        """What clients of the cluster need to know, by the names used in `endpoints.env`."""
        return {
            "KAFKA": self.address("kafka"),
            "S3_ENDPOINT": f"http://{self.address('s3')}",
            "S3_REGION": S3_REGION,
            "S3_BUCKET": BUCKET,
            "S3_ACCESS_KEY": S3_ACCESS_KEY,
            "S3_SECRET_KEY": S3_SECRET_KEY,
            "CLICKHOUSE_URL": f"http://{self.address('clickhouse')}",
            "CLICKHOUSE_DATABASE": DATABASE,
            "FLINK_URL": f"http://{self.address('flink_rest')}",
        }

    def write_endpoints(self) -> str:
        text = "".join(f"{name}={value}\n" for name, value in self.endpoints().items())
        (self.root / "endpoints.env").write_text(text)
        return text


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """One free port for each name. All are held until the last is found, so that none is given twice."""
    held: list[socket.socket] = []
    ports: dict[str, int] = {}
    try:
        for name in names:
            while name not in ports:
                candidate = random.randint(*PORT_RANGE)
                probe = socket.socket()
                try:
                    probe.bind((HOST, candidate))
                except OSError:
                    probe.close()
                    continue
                held.append(probe)
                ports[name] = candidate
    finally:
        for probe in held:
            probe.close()
    return ports
