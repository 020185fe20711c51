//! Realistic access logs for benchmarks: the same bytes for the same arguments, on every machine.
//!
//! Entries are about 203 bytes: times ascending over some minutes, paths and user agents by Zipf's law, the
//! way real traffic repeats itself. No escapes and no unknown fields unless a benchmark adds them.

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
}

impl Shape {
    /// The shape that the project's targets are stated for, with this many entries.
    pub(crate) fn standard(entries: usize) -> Self {
        Self { entries, minutes: 10, paths: 4_000, agents: 300 }
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
        (0..self.entries).map(move |index| {
            let second = index * self.minutes * 60 / self.entries;
            let (minute, second) = (second / 60, second % 60);
            format!(
                concat!(
                    r#"{{"receivedAt":"2025-12-28T{:02}:{:02}:{:02}.{:03}Z","method":"{}","#,
                    r#""path":"{}","userAgent":"{}"}}"#
                ),
                minute / 60,
                minute % 60,
                second,
                random.next() % 1_000,
                ["GET", "GET", "GET", "GET", "GET", "GET", "POST", "HEAD"][random.next() as usize % 8],
                path(paths.pick(&mut random)),
                agent(agents.pick(&mut random)),
            )
        })
    }
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
