//! Realistic access logs for benchmarks: the same bytes for the same arguments, on every machine.
//!
//! Times ascend over some minutes; paths and user agents come by Zipf's law, the way real traffic repeats itself. Bare
//! entries are about 203 bytes, full ones 365, wide ones 760. No escapes unless a benchmark adds them.

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How many entries.
    pub(crate) entries: usize,
    /// Over how many minutes they spread.
    pub(crate) minutes: usize,
    /// How many distinct paths there may be.
    pub(crate) paths: usize,
    /// How many distinct user agents there may be.
    pub(crate) agents: usize,
    /// Which fields entries have.
    pub(crate) fields: Fields,
}

/// Which fields entries have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    /// The four that are required.
    Bare,
    /// Eleven: all but the route.
    Full,
    /// The four among twenty that are ignored.
    Wide,
}

impl Fields {
    /// Those of this name.
    #[allow(dead_code, reason = "each program uses its own part")]
    pub(crate) fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "bare" => Ok(Self::Bare),
            "full" => Ok(Self::Full),
            "wide" => Ok(Self::Wide),
            _ => Err("bare, full or wide".to_owned()),
        }
    }
}

impl Shape {
    /// The shape that the project's targets are stated for, with this many entries.
    pub(crate) fn standard(entries: usize) -> Self {
        Self { entries, minutes: 10, paths: 4_000, agents: 300, fields: Fields::Bare }
    }

    /// The entries as NDJSON.
    pub(crate) fn ndjson(self) -> Vec<u8> {
        let mut body = self.items().collect::<Vec<_>>().join("\n").into_bytes();
        body.push(b'\n');
        body
    }

    /// The entries as one JSON array.
    pub(crate) fn json_array(self) -> Vec<u8> {
        format!("[{}]", self.items().collect::<Vec<_>>().join(",")).into_bytes()
    }

    /// The same traffic as lines of NCSA combined log over so many minutes of 28 December 2025, handed to `write` one by
    /// one until they hold `bytes`.
    #[allow(dead_code, reason = "each program uses its own part")]
    pub(crate) fn combined_log(self, bytes: usize, mut write: impl FnMut(&str)) {
        let (mut random, paths, agents) = (Random(42), Zipf::new(self.paths), Zipf::new(self.agents));
        let mut done = 0;
        while done < bytes {
            let second = (done as u128 * self.minutes as u128 * 60 / bytes as u128) as usize;
            let (minute, second) = (second / 60, second % 60);
            let client = random.next();
            let client = match client % 8 {
                0 => format!("2001:db8::{:x}", client >> 8 & 0xFFF),
                _ => format!("203.0.{}.{}", client >> 8 & 0x3F, client >> 16 & 0xFF),
            };
            let line = format!(
                "{client} - - [28/Dec/2025:{:02}:{:02}:{:02} +0000] \"{} {} HTTP/1.1\" {} {} \"{}\" \"{}\"\n",
                minute / 60,
                minute % 60,
                second,
                ["GET", "GET", "GET", "GET", "GET", "GET", "POST", "HEAD"][random.next() as usize % 8],
                path(paths.pick(&mut random)),
                [200, 200, 200, 200, 200, 200, 304, 301, 404, 500][random.next() as usize % 10],
                random.next() % 50_000,
                ["-", "https://www.example.com/", "https://www.example.com/products?page=2"]
                    [random.next() as usize % 3],
                agent(agents.pick(&mut random)),
            );
            write(&line);
            done += line.len();
        }
    }

    fn items(self) -> impl Iterator<Item = String> {
        let (mut random, paths, agents) = (Random(42), Zipf::new(self.paths), Zipf::new(self.agents));
        // Drawn from apart, so that the four fields are the same whatever comes with them.
        let mut others = Random(7);
        (0..self.entries).map(move |index| {
            let second = index * self.minutes * 60 / self.entries;
            let (minute, second) = (second / 60, second % 60);
            let four = format!(
                r#""receivedAt":"2025-12-28T{:02}:{:02}:{:02}.{:03}Z","method":"{}","path":"{}","userAgent":"{}""#,
                minute / 60,
                minute % 60,
                second,
                random.next() % 1_000,
                ["GET", "GET", "GET", "GET", "GET", "GET", "POST", "HEAD"][random.next() as usize % 8],
                path(paths.pick(&mut random)),
                agent(agents.pick(&mut random)),
            );
            match self.fields {
                Fields::Bare => format!("{{{four}}}"),
                Fields::Full => format!("{{{four},{}}}", measured(&mut others)),
                Fields::Wide => format!("{{{},{four},{}}}", traced(&mut others), proxied(&mut others)),
            }
        })
    }
}

/// Status, length, duration and who asked for what from where.
fn measured(random: &mut Random) -> String {
    let host = ["www.example.com", "shop.example.com", "api.example.com", "example.org"][random.below(4)];
    let referrer = match random.below(8) {
        0..=3 => "-".to_owned(),
        4 | 5 => format!("https://{host}/products/{}", random.below(300)),
        6 => "https://www.google.com/".to_owned(),
        _ => format!("https://news{}.example.net/story?id={}", random.below(40), random.below(1_000)),
    };
    let client = match random.below(8) {
        0 => format!("2001:db8::{:x}", random.below(0xFFF)),
        _ => format!("203.0.{}.{}", random.below(64), random.below(256)),
    };
    // Most answers take milliseconds, some much longer.
    let micros = (random.below(1 << 14) + 500) << random.below(6);
    format!(
        concat!(
            r#""status":{},"responseBytes":{},"durationSeconds":{}.{:06},"host":"{}","referrer":"{}","#,
            r#""clientIp":"{}","country":"{}""#
        ),
        [200, 200, 200, 200, 200, 200, 304, 301, 404, 500][random.below(10)],
        random.below(50_000),
        micros / 1_000_000,
        micros % 1_000_000,
        host,
        referrer,
        client,
        ["DE", "US", "FR", "GB", "NL", "IN", "BR", "JP"][random.below(8)],
    )
}

/// Ten fields as gateways write them before what is counted.
fn traced(random: &mut Random) -> String {
    format!(
        concat!(
            r#""level":"info","logger":"access","hostname":"edge-{:02}.fra.example.net","pid":{},"traceId":"{:016x}{:016x}","#,
            r#""spanId":"{:016x}","requestId":"{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}","service":"storefront","#,
            r#""environment":"production","version":"2025.12.{}""#
        ),
        random.below(24),
        1_000 + random.below(9_000),
        random.next(),
        random.next(),
        random.next(),
        random.below(1 << 32),
        random.below(1 << 16),
        random.below(1 << 12),
        random.below(1 << 12),
        random.next() >> 16,
        random.below(28),
    )
}

/// Ten fields as proxies write them behind what is counted.
fn proxied(random: &mut Random) -> String {
    format!(
        concat!(
            r#""protocol":"HTTP/2.0","tlsVersion":"TLSv1.3","tlsCipher":"TLS_AES_128_GCM_SHA256","upstream":"10.0.{}.{}:8080","#,
            r#""upstreamStatus":{},"upstreamSeconds":0.{:03},"requestBytes":{},"cacheStatus":"{}","retries":null,"sampled":{}"#
        ),
        random.below(8),
        random.below(256),
        [200, 200, 200, 304, 404, 500][random.below(6)],
        random.below(1_000),
        300 + random.below(2_000),
        ["HIT", "MISS", "BYPASS", "EXPIRED"][random.below(4)],
        random.below(2) == 0,
    )
}

fn path(number: usize) -> String {
    let area = ["products", "articles", "users", "search", "static/js", "api/v2/orders"][number % 6];
    match number % 3 {
        0 => format!("/{area}/{}", number * 7_919 % 100_003),
        1 => format!("/{area}/{number}/details?page={}&sort=price", number % 13),
        _ => format!("/{area}/{}/comments", number * 31),
    }
}

fn agent(number: usize) -> String {
    let (major, build) = (90 + number % 60, number * 37 % 6_000);
    match number % 8 {
        0..=4 => {
            let system =
                ["Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64"];
            let system = system[number % 3];
            format!(
                "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.{build}.0 Safari/537.36"
            )
        }
        5 => format!("Mozilla/5.0 (X11; Linux x86_64; rv:{major}.0) Gecko/20100101 Firefox/{major}.{build}"),
        6 => format!("Mozilla/5.0 (compatible; Googlebot/2.{build}; +http://www.google.com/bot.html)"),
        _ => format!("curl/8.{build}.{major}"),
    }
}

/// `SplitMix64`: small, and good enough to draw test data from.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Picks number k of n with a probability in proportion to 1/(k+1).
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(n: usize) -> Self {
        let mut sum = 0.0;
        Self(
            (1..=n)
                .map(|k| {
                    sum += 1.0 / k as f64;
                    sum
                })
                .collect(),
        )
    }

    fn pick(&self, random: &mut Random) -> usize {
        let total = self.0.last().copied().unwrap_or(1.0);
        let point = (random.next() >> 11) as f64 / (1_u64 << 53) as f64 * total;
        self.0.partition_point(|sum| *sum <= point).min(self.0.len() - 1)
    }
}
