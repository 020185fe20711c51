"""Kafka: one node that is broker and controller (KRaft), and the topics."""

import socket
import subprocess

import cache
import processes
from layout import HOST, TOPICS, Layout

# Smaller and quicker to notice a death than Kafka's defaults; one replica, because there is one node.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={controller}
listeners=PLAINTEXT://{broker},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{broker}
controller.listener.names=CONTROLLER
log.dirs={data}
num.network.threads=2
num.io.threads=4
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
log.segment.bytes=67108864
# What the schemas ask for: an insight can be as large as the entries it counts.
message.max.bytes=8388608
"""


def start(layout: Layout) -> None:
    """Formats the log folder if it is new, starts the broker, and makes the topics that are not there."""
    libraries = cache.jars("kafka")
    data = layout.data("broker")
    properties = layout.root / "kafka.properties"
    properties.write_text(PROPERTIES.format(
        controller=layout.address("kafka_controller"), broker=layout.address("kafka"), data=data))
    if not (data / "meta.properties").exists():
        java = _java(libraries, "kafka.tools.StorageTool", "64m")
        with layout.log("broker").open("ab") as log:
            subprocess.run([*java, "format", "--standalone", "--cluster-id", "bG9nLWFuYWx5dGljcw", "--config",
                            properties], check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    processes.start(layout, "broker", [*_java(libraries, "kafka.Kafka", "384m"), str(properties)])


def wait(layout: Layout) -> None:
    """Waits until the broker has created or found every topic."""
    libraries = cache.jars("kafka")
    topics = [f"{name}:{partitions}" for name, partitions in TOPICS.items()]
    command = ["java", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
               "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{libraries}/*",
               str(cache.HERE / "lib" / "Topics.java"), layout.address("kafka"), *topics]
    processes.wait_until(layout, "broker", lambda: listens(layout, "kafka"))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise processes.NotReady(f"the topics could not be made:\n{done.stderr[-2000:]}")


def listens(layout: Layout, port: str) -> bool:
    """Whether something takes connections at this port."""
    try:
        socket.create_connection((HOST, layout.ports[port]), timeout=1).close()
    except OSError:
        return False
    return True


def _java(libraries, main: str, heap: str) -> list[str]:
    return ["java", f"-Xmx{heap}", "-Xms64m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", f"{libraries}/*", main]
