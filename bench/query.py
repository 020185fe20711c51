#!/usr/bin/env python3
"""What the reading side takes: a month of one busy customer (43,200 minutes of 200 paths each), asked of the real binary.

    cargo build --release --bin log-analytics --example load && bench/query.py

Prints how long answers take once they were given before, when the dashboard first paints that month in Chromium
(needs Debian's chromium-driver; says so and goes on without), and what a reader that never rests costs ingestion.
Environment: DAYS (30), MEASURED (empty: bare entries; 1: with status, bytes and duration), SECONDS_EACH (8), ROUNDS (3), TMPDIR,
BIN (target/release). Asserts nothing.
"""
import http.client, json, os, shutil, statistics, subprocess, sys, tempfile, threading, time
from datetime import datetime, timedelta

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BIN = os.environ.get("BIN", os.path.join(ROOT, "target/release"))
DAYS = int(os.environ.get("DAYS", "30"))
MEASURED = bool(os.environ.get("MEASURED"))
SECONDS = os.environ.get("SECONDS_EACH", "8")
ROUNDS = int(os.environ.get("ROUNDS", "3"))
FROM = datetime(2025, 11, 1)
TO = FROM + timedelta(days=DAYS)
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "curl/8.5", "Googlebot/2.1",
          "Mozilla/5.0 (compatible; GPTBot/1.2)", "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"]


def stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def start(directory):
    server = subprocess.Popen([f"{BIN}/log-analytics", "serve", "--listen", "127.0.0.1:0", "--data-dir", directory],
                              stdout=subprocess.PIPE, stderr=open(directory + ".log", "w"), text=True)
    for line in server.stdout:
        if "is ready on" in line:
            return server, line.strip().rsplit(":", 1)[1]
    sys.exit(open(directory + ".log").read())


def fill(port):
    """Sends the month, 40 minutes a batch."""
    def tail(n):
        status = 404 if n % 20 == 0 else 200
        measures = f',"status":{status},"responseBytes":{900 + 37 * n},"durationSeconds":0.0{n % 100:02}' if MEASURED else ""
        return f'","method":"GET","path":"/shop/section-{n % 13}/page-{n}","userAgent":"{AGENTS[n % 5]}"{measures}}}\n'

    tails = [tail(n) for n in range(200)]
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    for number in range(0, DAYS * 1440, 40):
        heads = ['{"receivedAt":"' + stamp(FROM + timedelta(minutes=number + minute)) for minute in range(40)]
        body = "".join(head + tail for head in heads for tail in tails)
        while True:
            connection.request("POST", "/logs", body, {"x-customer-id": "busy", "idempotency-key": f"fill-{number}",
                                                       "content-type": "application/x-ndjson"})
            answer = connection.getresponse()
            said = answer.read()
            if answer.status == 202:
                break
            if answer.status != 503:
                sys.exit(f"{answer.status} {said}")
            time.sleep(0.2)


def get(connection, target):
    connection.request("GET", target, headers={"x-customer-id": "busy"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"{target}: {answer.status} {body}")
    return body


def questions():
    month = f"from={stamp(FROM)}&to={stamp(TO)}"
    day = f"from={stamp(TO - timedelta(days=1))}&to={stamp(TO)}"
    yield "window=day, the month", f"/aggregates?{month}&window=day&top=10&limit=10000"
    yield "window=hour, the month", f"/aggregates?{month}&window=hour&top=10&limit=10000"
    yield "window=minute, a day", f"/aggregates?{day}&window=minute&top=10&limit=10000"
    yield "timeline, minutes, a day", f"/aggregates?{day}&window=minute&by=&limit=10000"
    yield "window=all, the month", f"/aggregates?{month}&window=all&top=10"
    yield "top 10 paths, the month", f"/aggregates/top?dimension=path&{month}&n=10"


def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    for name, target in questions():
        took = []
        for _ in range(41):
            begin = time.perf_counter()
            body = get(connection, target)
            took.append((time.perf_counter() - begin) * 1000)
        first, warm = took[0], sorted(took[1:])
        windows = len(json.loads(body).get("windows", []))
        print(f"{name:26} first {first:7.1f} ms, warm median {statistics.median(warm):6.1f} ms, worst of 40 {warm[-1]:6.1f} ms"
              f"  ({windows} windows, {len(body):,} bytes)", flush=True)


def paint(port):
    """Opens the dashboard in a fresh Chromium, and again in the same one."""
    path = shutil.which("chromedriver")
    if not path:
        print("first paint: not measured, chromedriver is missing (apt-get install chromium chromium-driver)")
        return
    driver = subprocess.Popen([path, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    at = next(line for line in driver.stdout if "successfully on port " in line).split("port ")[1].strip().rstrip(".")
    connection = http.client.HTTPConnection("127.0.0.1", int(at))
    session = ""

    def command(method, target, body=None):
        connection.request(method, session + target, json.dumps(body) if body is not None else None,
                           {"content-type": "application/json"})
        return json.loads(connection.getresponse().read())["value"]

    try:
        args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900",
                "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        made = command("POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": args}}}})
        session = "/session/" + made["sessionId"]
        # Notes when the numbers are there, in the page's own clock, two frames later: then they are painted.
        source = """new MutationObserver((_, seen) => { if (document.getElementById('total')) { seen.disconnect();
            requestAnimationFrame(() => requestAnimationFrame(() => { window.paintedAt = performance.now(); })); } })
            .observe(document, { childList: true, subtree: true });"""
        command("POST", "/goog/cdp/execute", {"cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": source}})
        for size in ["auto", "hour"]:
            for turn in ["first", "again", "again"]:
                command("POST", "/url", {"url": "about:blank"})
                command("POST", "/url", {"url": f"http://127.0.0.1:{port}/#customer=busy&from={stamp(FROM)}&to={stamp(TO)}&window={size}"})
                script = """return [window.paintedAt, performance.getEntriesByName('first-contentful-paint').map((e) => e.startTime)[0],
                    document.getElementById('total') && document.getElementById('total').innerText]"""
                deadline = time.monotonic() + 30
                while not (found := command("POST", "/execute/sync", {"script": script, "args": []}))[0]:
                    if time.monotonic() > deadline:
                        sys.exit("the dashboard shows no numbers")
                    time.sleep(0.05)
                print(f"dashboard, the month, window={size}, {turn}: first paint {found[1]:.0f} ms, with its numbers "
                      f"({found[2]}) {found[0]:.0f} ms", flush=True)
    finally:
        if session:
            command("DELETE", "")
        driver.terminate()
        driver.wait()


def ingest(port):
    """Entries a second without a reader and with one, in turns."""
    def load():
        report = subprocess.run([f"{BIN}/examples/load", "--url", f"http://127.0.0.1:{port}", "--connections", "32",
                                 "--entries", "1000", "--seconds", SECONDS, "--json"], capture_output=True, text=True, check=True)
        return json.loads(report.stdout)["entriesPerSecond"]

    targets = [target for _, target in questions()]
    ratios = []
    for _ in range(ROUNDS):
        alone = load()
        done, answers = threading.Event(), [0]

        def read():
            connection = http.client.HTTPConnection("127.0.0.1", int(port))
            while not done.is_set():
                get(connection, targets[answers[0] % len(targets)])
                answers[0] += 1

        reader = threading.Thread(target=read)
        reader.start()
        beside = load()
        done.set()
        reader.join()
        ratios.append(beside / alone)
        print(f"ingest alone {alone:12,.0f} entries/s, beside a reader {beside:12,.0f} ({beside / alone:.2f}); it got {answers[0]} answers", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}; generator, reader and server share the machine")


def main():
    with tempfile.TemporaryDirectory(prefix="query-bench.") as directory:
        server, port = start(directory + "/store")
        try:
            begin = time.monotonic()
            fill(port)
            print(f"{DAYS * 1440 * 200:,} entries in {DAYS * 1440:,} minutes sent in {time.monotonic() - begin:.1f} s", flush=True)
            # A clean stop writes every window; what is measured reads a server that began anew.
            server.terminate()
            server.wait()
            server, port = start(directory + "/store")
            # A file of the last three seconds is read again each time: no stamp tells yet whether it changes once more.
            time.sleep(4)
            ask(port)
            paint(port)
            ingest(port)
        finally:
            server.terminate()
            server.wait()


main()
