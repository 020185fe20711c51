"""S3: Ceph's object gateway, on one monitor and one object store that lives in memory.

The gateway (component `radosgw`) may be killed at any time: it keeps nothing. The store (`osd`) keeps objects in memory
and writes them out only when it is ended in peace, as `down` does; killed, it loses them. That is a harness's bargain,
not a deployment.
"""

import subprocess
import uuid

import processes
import s3
from kafka import listens
from layout import BUCKET, S3_ACCESS_KEY, S3_SECRET_KEY, Layout

CONFIG = """\
[global]
fsid = {fsid}
mon host = [v2:{mon}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
# No keys, for everything listens on this machine alone. The gateway's default, an encrypted connection to the monitor, needs
# keys, so it is switched off below.
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
admin socket =
log file =
pid file =
log to stderr = true
run dir = {root}/run

[mon]
mon data = {mon_data}
mon cluster log file = /dev/null
mon data avail crit = 0
mon data avail warn = 0

[osd]
osd data = {osd_data}
osd objectstore = memstore
memstore device bytes = 8589934592
# A fast shutdown would not write the objects out of memory.
osd fast shutdown = false
osd class load list = *
osd class default list = *

[client.rgw]
rgw data = {root}/run
rgw frontends = beast endpoint={s3}
rgw thread pool size = 32
rgw dynamic resharding = false
"""

# For one command of Ceph's own tools.
TOOL_TIMEOUT_S = 60


def _config(layout: Layout):
    return layout.root / "ceph.conf"


def start_mon(layout: Layout) -> None:
    data = layout.data("mon")
    config = _config(layout)
    if not data.exists():
        config.write_text(CONFIG.format(
            fsid=uuid.uuid4(), mon=layout.address("mon"), root=layout.root, mon_data=data,
            osd_data=layout.data("osd"), s3=layout.address("s3")))
        fsid = next(line.split()[-1] for line in config.read_text().splitlines() if line.startswith("fsid"))
        monmap = layout.root / "monmap"
        _tool("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", f"[v2:{layout.address('mon')}]",
              str(monmap))
        data.mkdir()
        _tool("ceph-mon", "-c", str(config), "-i", "a", "--mkfs", "--monmap", str(monmap))
    processes.start(layout, "mon", ["ceph-mon", "-c", str(config), "-i", "a", "-f"])
    processes.wait_until(layout, "mon", lambda: listens(layout, "mon"))


def start_osd(layout: Layout) -> None:
    data = layout.data("osd")
    config = str(_config(layout))
    if not data.exists():
        name = str(uuid.uuid4())
        _tool("ceph", "-c", config, "osd", "new", name)
        data.mkdir()
        _tool("ceph-osd", "-c", config, "-i", "0", "--mkfs", "--osd-uuid", name)
    processes.start(layout, "osd", ["ceph-osd", "-c", config, "-i", "0", "-f"])


def start_radosgw(layout: Layout) -> None:
    processes.start(layout, "radosgw", ["radosgw", "-c", str(_config(layout)), "-n", "client.rgw", "-f"])


def wait(layout: Layout) -> None:
    """Waits until the gateway answers; makes the user and the bucket if they are not there."""
    endpoint = layout.endpoints()["S3_ENDPOINT"]
    processes.wait_until(layout, "radosgw", lambda: s3.answers(endpoint))
    client = s3.Client(endpoint, S3_ACCESS_KEY, S3_SECRET_KEY)
    if client.request("HEAD", f"/{BUCKET}").status == 200:
        return
    _tool("radosgw-admin", "-c", str(_config(layout)), "user", "create", "--uid=cluster", "--display-name=cluster",
          f"--access-key={S3_ACCESS_KEY}", f"--secret-key={S3_SECRET_KEY}")
    made = client.request("PUT", f"/{BUCKET}")
    if made.status != 200:
        raise processes.NotReady(f"the bucket could not be made: {made.status} {made.body!r}")


def _tool(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S)
    if done.returncode != 0:
        raise processes.NotReady(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
