"""Flink: ZooKeeper, one JobManager that runs the window job, one TaskManager.

High availability is Flink's own: the JobManager keeps the job and the pointers to its checkpoints in ZooKeeper and its
storage folder, so that after a kill of either process a plain start goes on from the last checkpoint. The cluster is an
application cluster: the job belongs to it and is started by its JobManager.
"""

import http.client
import json
import os

import cache
import processes
from layout import DATABASE, HOST, Layout

JOB_CLASS = "loganalytics.flink.WindowJob"
JOB_CLUSTER_ID = "log-analytics"

# `hashmap` is in memory, as the tests have it; `rocksdb` is what a week of a large site's windows needs, and what is measured.
STATE_BACKEND = os.environ.get("CLUSTER_STATE", "hashmap")
# Memory of RocksDB, of each of the two slots.
ROCKSDB_SLOT_MIB = 256
# Heap of a TaskManager, and how often state is written. Tests share a small machine and want a death noticed within seconds. A
# large site collects garbage and writes state seldom: else that would be most of the processor time.
FRAMEWORK_HEAP_MIB = 64
TASK_HEAP_MIB = 1_536 if STATE_BACKEND == "rocksdb" else 256
CHECKPOINT_INTERVAL = "10 s" if STATE_BACKEND == "rocksdb" else "2 s"

ZOOKEEPER = """\
clientPortAddress=127.0.0.1
clientPort={port}
dataDir={data}
tickTime=500
admin.enableServer=false
"""

# Durations are a harness's: a death is noticed, and a checkpoint made, within seconds.
CONFIG = """\
high-availability.type: zookeeper
high-availability.zookeeper.quorum: {zookeeper}
high-availability.zookeeper.path.root: /flink
high-availability.zookeeper.client.session-timeout: 4 s
high-availability.storageDir: file://{data}/ha
high-availability.cluster-id: {cluster_id}
jobmanager.rpc.address: 127.0.0.1
jobmanager.bind-host: 127.0.0.1
jobmanager.memory.process.size: 700m
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.bind-port: {rest}
rest.port: {rest}
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: 2
taskmanager.cpu.cores: 2
taskmanager.memory.framework.heap.size: {framework_heap_mib}m
taskmanager.memory.framework.off-heap.size: 64m
taskmanager.memory.task.heap.size: {task_heap_mib}m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.network.min: 64m
taskmanager.memory.network.max: 64m
taskmanager.memory.managed.size: 0m
taskmanager.memory.jvm-metaspace.size: 128m
taskmanager.memory.jvm-overhead.min: 64m
taskmanager.memory.jvm-overhead.max: 64m
heartbeat.interval: 1000
heartbeat.timeout: 5000
parallelism.default: 2
state.backend.type: {state_backend}
state.backend.rocksdb.memory.fixed-per-slot: {rocksdb_slot_mib} mb
execution.checkpointing.interval: {checkpoint_interval}
execution.checkpointing.incremental: true
execution.checkpointing.min-pause: 500 ms
execution.checkpointing.dir: file://{data}/checkpoints
execution.checkpointing.savepoint-dir: file://{data}/savepoints
execution.checkpointing.externalized-checkpoint-retention: RETAIN_ON_CANCELLATION
restart-strategy.type: exponential-delay
restart-strategy.exponential-delay.initial-backoff: 500 ms
restart-strategy.exponential-delay.max-backoff: 5 s
io.tmp.dirs: {data}/tmp
classloader.resolve-order: parent-first
"""

# What Flink's own start scripts open on Java 17.
OPENED = ("java.lang", "java.net", "java.io", "java.nio", "sun.nio.ch", "java.lang.reflect", "java.text", "java.time",
          "java.util", "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks")
EXPORTED = ("java.base/sun.net.util", "java.rmi/sun.rmi.registry", "java.security.jgss/sun.security.krb5")


def available() -> bool:
    """Whether there is a job to run."""
    return (cache.FLINK_JOB / "pom.xml").exists()


def start_zookeeper(layout: Layout) -> None:
    data = layout.data("zookeeper")
    data.mkdir(exist_ok=True)
    config = layout.root / "zookeeper.cfg"
    config.write_text(ZOOKEEPER.format(port=layout.ports["zookeeper"], data=data))
    processes.start(layout, "zookeeper", [
        "java", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
            "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", f"{cache.jars('zookeeper')}/*",
        "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config)])


def start_jobmanager(layout: Layout, savepoint: str | None = None) -> None:
    """Starts the JobManager and with it the job: from its last checkpoint, else from the savepoint, else from nothing."""
    configuration = _configure(layout)
    endpoints = layout.endpoints()
    processes.start(layout, "jobmanager", [
        *_java("256m", "-XX:TieredStopAtLevel=1"),
        "org.apache.flink.container.entrypoint.StandaloneApplicationClusterEntryPoint",
        "--configDir", configuration, "--job-classname", JOB_CLASS,
        *(("--fromSavepoint", savepoint) if savepoint else ()),
        "--kafka", endpoints["KAFKA"], "--clickhouse", endpoints["CLICKHOUSE_URL"],
        "--clickhouse-database", DATABASE, "--idleness", "PT2S"])


def start_taskmanager(layout: Layout) -> None:
    configuration = _configure(layout)
    processes.start(layout, "taskmanager", [
        *_java(f"{FRAMEWORK_HEAP_MIB + TASK_HEAP_MIB}m"), "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
        "--configDir", configuration])


def wait_jobmanager(layout: Layout) -> None:
    """Waits until the JobManager knows the job: it has started it, or recovered it."""
    processes.wait_until(layout, "jobmanager", lambda: bool(_jobs(layout)))


def wait_taskmanager(layout: Layout) -> None:
    """Waits until every task of the job runs."""
    processes.wait_until(layout, "taskmanager", lambda: any(
        job["state"] == "RUNNING" and job["tasks"]["running"] == job["tasks"]["total"] > 0 for job in _jobs(layout)))


def latest_checkpoint(layout: Layout) -> dict | None:
    """What Flink tells of the job's latest completed checkpoint."""
    checkpoints = _get(layout, f"/jobs/{_jobs(layout)[0]['jid']}/checkpoints")
    return checkpoints["latest"]["completed"] if checkpoints else None


def _jobs(layout: Layout) -> list:
    overview = _get(layout, "/jobs/overview")
    return overview["jobs"] if overview else []


def _configure(layout: Layout) -> str:
    data = layout.data("flink")
    configuration = layout.root / "flink-conf"
    configuration.mkdir(exist_ok=True)
    (data / "tmp").mkdir(parents=True, exist_ok=True)
    (configuration / "config.yaml").write_text(CONFIG.format(
        zookeeper=layout.address("zookeeper"), data=data, cluster_id=JOB_CLUSTER_ID, rest=layout.ports["flink_rest"],
        state_backend=STATE_BACKEND, rocksdb_slot_mib=ROCKSDB_SLOT_MIB,
        framework_heap_mib=FRAMEWORK_HEAP_MIB, task_heap_mib=TASK_HEAP_MIB, checkpoint_interval=CHECKPOINT_INTERVAL))
    return str(configuration)


def _java(heap: str, *flags: str) -> list[str]:
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    exported = [f"--add-exports={package}=ALL-UNNAMED" for package in EXPORTED]
    jars = [f"{cache.jars('flink')}/*"]
    if STATE_BACKEND == "rocksdb":
        jars.append(f"{cache.jars('flink-rocksdb')}/*")
    return ["java", f"-Xmx{heap}", "-XX:+UseSerialGC", *flags, *opened, *exported,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
            "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", ":".join([*jars, str(cache.job_jar())])]


def _get(layout: Layout, path: str):
    """The answer of Flink's REST interface; None while it does not answer."""
    connection = http.client.HTTPConnection(HOST, layout.ports["flink_rest"], timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return json.loads(response.read()) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
