#!/usr/bin/env python3
"""A year of many customers, compressed: what is on disk, and how long a start, questions, a backup and a check take, after 1, 6
and 12 months.

    cargo build --release --bin log-analytics && bench/year.py            # 20 customers, one month: a minute
    CUSTOMERS=200 MONTHS=1,6,12 bench/year.py                             # half an hour and more

The real server lives through every day: libfaketime (apt-get install faketime) sets its wall clock on hour by hour while batches
come over HTTP. Windows are written, days packed by the default `--pack-after`, and checkpoints made as in a year. It lives in
memory (LIVE); what is measured is a copy on the disk, by the true clock. The year ends at the last midnight.

What is compressed: a customer sends one batch an hour; the packer looks every 0.1 s and checkpoints are made every second, since
the monotonic clock is not set; the journal is held at about a week by its size, since the clock of retention does not follow a
wall clock that runs ahead; a customer's days repeat every week. Of 40 customers one has requests in every minute (14,400 a day),
seven in 60 minutes of a day (360), and 32 in 12 (24), most of them in the evening.

Environment: CUSTOMERS (20), MONTHS (1), TMPDIR (/tmp), LIVE (/dev/shm), BIN (target/release). As root the disk's cache is dropped
before a start.
"""
import http.client, itertools, json, os, random, shutil, socket, statistics, subprocess, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BIN = os.environ.get("BIN", os.path.join(ROOT, "target/release")) + "/log-analytics"
CUSTOMERS = int(os.environ.get("CUSTOMERS", "20"))
MONTHS = [int(month) for month in os.environ.get("MONTHS", "1").split(",")]
LIVE = os.environ.get("LIVE", "/dev/shm")
LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
END = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
DAYS = [round(month * 365 / 12) for month in MONTHS]
BEGIN = END - timedelta(days=DAYS[-1])
# Bodies of a week, about.
JOURNAL_KIB = CUSTOMERS * 300
# In place of the day in what was made beforehand.
DAY = b"YYYY-MM-DD"
# Requests by hour of the day.
RHYTHM = [3, 2, 1, 1, 1, 2, 4, 7, 9, 10, 10, 10, 11, 11, 10, 10, 11, 12, 14, 16, 17, 15, 10, 6]
# Minutes with requests a day, and requests in each.
BIG, MIDDLE, SMALL = (1440, 10), (60, 6), (12, 2)
CONNECTIONS = 8
OTHER_AGENTS = ["Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "curl/8.5.0",
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"]


def shape(customer):
    return BIG if customer % 40 == 0 else MIDDLE if customer % 40 < 8 else SMALL


def name(customer):
    return f"shop-{customer:03}"


def zipf(number):
    return list(itertools.accumulate(1 / (place + 1) for place in range(number)))


class Traffic:
    """A week of one customer's requests, by day and hour."""

    def __init__(self, customer):
        self.random = random.Random(customer)
        pick, number = self.random, 60 if shape(customer) == SMALL else 300
        self.host = f"www.{name(customer)}.example"
        areas = ["products", "articles", "help", "search", "account"]
        self.paths = [f"/{pick.choice(areas)}/{place * 7919 % 10007}" for place in range(number)]
        chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
        self.agents = OTHER_AGENTS + [chrome.format(version) for version in range(100, 120)]
        pick.shuffle(self.agents)
        self.path_weights, self.agent_weights = zipf(number), zipf(len(self.agents))
        self.visitors = [f"203.0.{pick.randrange(64)}.{pick.randrange(256)}" for _ in range(5 * number)]
        minutes, rate = shape(customer)
        self.days = [self.day(name(customer), minutes, rate) for _ in range(7)]

    def day(self, customer, minutes, rate):
        weights = [RHYTHM[minute // 60] for minute in range(1440)]
        if minutes < 1440:
            # The same minute twice makes it a busier one, so a few fewer have any.
            chosen = self.random.choices(range(1440), weights, k=minutes)
            counts = {minute: 0 for minute in chosen}
            for minute in chosen:
                counts[minute] += self.random.randint(1, 2 * rate - 1)
        else:
            mean = sum(weights) / 1440
            counts = {minute: max(1, round(self.random.gauss(rate * weight / mean, 1))) for minute, weight in enumerate(weights)}
        hours = [[] for _ in range(24)]
        for minute in sorted(counts):
            seconds = sorted(self.random.randrange(60) for _ in range(counts[minute]))
            hours[minute // 60] += [self.entry(minute, second) for second in seconds]
        return [self.request(customer, hour, entries) for hour, entries in enumerate(hours)]

    def entry(self, minute, second):
        pick = self.random
        path = pick.choices(self.paths, cum_weights=self.path_weights)[0]
        agent = pick.choices(self.agents, cum_weights=self.agent_weights)[0]
        news = f"https://news{pick.randrange(20)}.example/story"
        fields = {
            "receivedAt": f"{DAY.decode()}T{minute // 60:02}:{minute % 60:02}:{second:02}.{pick.randrange(1000):03}Z",
            "method": pick.choice(["GET"] * 9 + ["POST"]), "path": path, "userAgent": agent,
            "status": pick.choice([200] * 16 + [304, 301, 404, 500]), "responseBytes": pick.randrange(200, 50000),
            "durationSeconds": round(pick.lognormvariate(-4, 1), 6), "host": self.host,
            "referrer": pick.choice(["-", "-", f"https://{self.host}/products/1", "https://www.google.com/", news]),
            "clientIp": pick.choice(self.visitors), "country": pick.choice(["DE", "DE", "AT", "CH", "US", "FR"]),
        }
        return json.dumps(fields, separators=(",", ":"))

    def request(self, customer, hour, entries):
        if not entries:
            return None
        body = "\n".join(entries).encode() + b"\n"
        head = (f"POST /logs HTTP/1.1\r\nhost: x\r\nx-customer-id: {customer}\r\nidempotency-key: {DAY.decode()}-{hour}\r\n"
                f"content-type: application/x-ndjson\r\ncontent-length: {len(body)}\r\n\r\n")
        return head.encode() + body


class Server:
    """The real binary; with `clock`, in a time of its own."""

    def __init__(self, store, clock=None, flags=()):
        self.log = store + ".log"
        environment = dict(os.environ)
        if clock:
            environment |= {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1", "TZ": "UTC"}
        begin = time.monotonic()
        command = [BIN, "serve", "--listen", "127.0.0.1:0", "--data-dir", store, *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=open(self.log, "a"), text=True, env=environment)
        line = next((line for line in self.process.stdout if "is ready on" in line), None)
        if line is None:
            sys.exit(open(self.log).read())
        self.seconds, self.port = time.monotonic() - begin, int(line.strip().rsplit(":", 1)[1])

    def get(self, target, customer=None):
        if not hasattr(self, "connection"):
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
        self.connection.request("GET", target, headers={"x-customer-id": customer} if customer else {})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{target}: {answer.status} {body}")
        return body

    def peak_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024

    def stop(self):
        self.process.terminate()
        if self.process.wait() != 0:
            sys.exit(open(self.log).read())


class Sender:
    """A connection that sends requests behind one another, and those again that the server had no room for."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.answers = self.socket.makefile("rb")

    def send(self, requests):
        while requests:
            self.socket.sendall(b"".join(requests))
            requests = [request for request in requests if self.status() == 503]
            if requests:
                time.sleep(0.05)

    def status(self):
        status = int(self.answers.readline().split()[1])
        length = 0
        while (line := self.answers.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = self.answers.read(length)
        if status not in (202, 503):
            sys.exit(f"{status} {body}")
        return status


def set_clock(path, at):
    with open(path + ".new", "w") as file:
        file.write(at.strftime("%Y-%m-%d %H:%M:%S\n"))
    os.rename(path + ".new", path)


def wait_until_packed(store, end, customers):
    """Until these customers have no minute or hour before `end` in a file of its own."""
    end = end.strftime("%Y%m%d")
    for customer in customers:
        while any("T" in file and file[:8] < end for file in os.listdir(f"{store}/aggregate-results/{name(customer)}")):
            time.sleep(0.01)


def live(store, clock, traffic, days):
    """Sends these days, and ends once the server has packed what is due."""
    set_clock(clock, BEGIN + timedelta(days=days.start))
    tuned = [f"segment_bytes={JOURNAL_KIB // 7}KiB", "pack_interval=100ms", "checkpoint_interval=1s"]
    flags = [f"--tune={setting}" for setting in tuned]
    server = Server(store, clock, ["--retain-journal-bytes", f"{JOURNAL_KIB}KiB", *flags])
    senders = [Sender(server.port) for _ in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for number in days:
            day = BEGIN + timedelta(days=number)
            text = day.strftime("%Y-%m-%d").encode()
            for hour in range(24):
                set_clock(clock, day + timedelta(hours=hour + 1))
                requests = [of.days[number % 7][hour] for of in traffic]
                requests = [request.replace(DAY, text) for request in requests if request]
                list(pool.map(Sender.send, senders, [requests[first::CONNECTIONS] for first in range(CONNECTIONS)]))
            # The packer goes through customers by name, and is not waited for longer than for the last.
            wait_until_packed(store, day - timedelta(days=2), [CUSTOMERS - 1])
    wait_until_packed(store, day - timedelta(days=1), range(CUSTOMERS))
    for sender in senders:
        sender.socket.close()
    server.stop()


def on_disk(path):
    """Files, and bytes in whole blocks."""
    files = blocks = 0
    for directory, _, names in os.walk(path):
        for file in names:
            files += 1
            blocks += os.stat(os.path.join(directory, file)).st_blocks
    return files, blocks * 512


def drop_cache():
    subprocess.run(["sync"], check=True)
    try:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3\n")
        return True
    except OSError:
        return False


def questions(days):
    def last(first, length):
        begin = BEGIN + timedelta(days=days - first)
        return f"from={begin:%Y-%m-%dT%H:%M:%SZ}&to={begin + timedelta(days=length):%Y-%m-%dT%H:%M:%SZ}"

    day, month, whole = last(10, 1), last(30, 30), last(days, days)
    yield "a day by minute", f"/aggregates?{day}&window=minute&top=10&limit=10000"
    yield "a day by hour", f"/aggregates?{day}&window=hour&top=10"
    yield "30 days by hour", f"/aggregates?{month}&window=hour&top=10&limit=10000"
    yield "30 days by day", f"/aggregates?{month}&window=day&top=10"
    yield "top paths of 30 days", f"/aggregates/top?{month}&dimension=path&n=10"
    yield "all by month", f"/aggregates?{whole}&window=month&top=10"
    yield "all as one", f"/aggregates?{whole}&window=all&top=10"
    yield "top paths of all", f"/aggregates/top?{whole}&dimension=path&n=10"


def timed(run):
    begin = time.monotonic()
    run()
    return time.monotonic() - begin


def run(*args):
    done = subprocess.run([BIN, *args], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{args}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def measure(lived, store, days):
    shutil.copytree(lived, store)
    print(f"-- {days} days of {CUSTOMERS} customers", flush=True)
    files, bytes_ = on_disk(store + "/aggregate-results")
    journal = on_disk(store + "/journal")
    print(f"windows: {files} files, {bytes_ / 1e6:.0f} MB; journal: {journal[0]} files, {journal[1] / 1e6:.0f} MB", flush=True)
    for kind, customer in [("big", 0), ("middle", 1), ("small", 8)]:
        if customer < CUSTOMERS:
            of = on_disk(f"{store}/aggregate-results/{name(customer)}")
            print(f"  a {kind} one: {of[0]} files, {of[1] / 1e6:.1f} MB", flush=True)
    server = Server(store)
    print(f"start of a copy, with proof: {server.seconds:.1f} s, peak {server.peak_mb()} MB", flush=True)
    server.stop()
    is_cold = drop_cache()
    server = Server(store)
    print(f"start{', nothing cached' if is_cold else ''}: {server.seconds:.2f} s, peak {server.peak_mb()} MB", flush=True)
    for title, target in questions(days):
        took = [timed(lambda: server.get(target, name(0))) * 1000 for _ in range(10)]
        print(f"  {title:22} first {took[0]:7.1f} ms, again {statistics.median(took[1:]):6.1f} ms", flush=True)
    took = [timed(lambda: server.get("/customers")) * 1000 for _ in range(2)]
    print(f"  {'the list of customers':22} first {took[0]:7.1f} ms, again {took[1]:6.1f} ms", flush=True)
    print(f"peak after them: {server.peak_mb()} MB", flush=True)
    print(f"backup: {timed(lambda: run('backup', '--data-dir', store, '--to', store + '-copy')):.1f} s", flush=True)
    server.stop()
    print(f"verify: {timed(lambda: run('verify', '--data-dir', store)):.1f} s", flush=True)
    shutil.rmtree(store + "-copy")
    shutil.rmtree(store)


def main():
    if not os.path.exists(LIBRARY):
        sys.exit("libfaketime is missing: apt-get install faketime")
    temporary = tempfile.TemporaryDirectory
    with temporary(prefix="year-bench.", dir=LIVE) as lived, temporary(prefix="year-bench.") as directory:
        traffic = [Traffic(customer) for customer in range(CUSTOMERS)]
        for first, last in zip([0, *DAYS], DAYS):
            seconds = timed(lambda: live(lived + "/store", lived + "/clock", traffic, range(first, last)))
            print(f"{last - first} days lived in {seconds:.0f} s", flush=True)
            measure(lived + "/store", directory + "/store", last)


main()
