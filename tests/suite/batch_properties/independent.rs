//! An independent reading of a body: as serde_json values, times by jiff, numbers as floats, counted in plain maps.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use log_analytics::batch::{
    Field, Format, Limits, MAX_AGENT_BYTES, MAX_PATH_BYTES, Summarized, agent, fixed_visitor_key, insights,
};
use log_analytics::dimension::{DIMENSIONS, PATH, TEXT_COUNT, TEXTS, USER_AGENT, text_field};
use log_analytics::measures::{Cell, CellKind, Visitors};
use log_analytics::model::{CustomerId, WindowSize};
use serde_json::Value;

/// All windows by size, start in minutes, and a name for each number in them.
pub(super) type Plain = BTreeMap<(WindowSize, u32), Window>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Window {
    numbers: BTreeMap<String, u64>,
    visitors: Visitors,
}

impl Window {
    fn add(&mut self, name: String, number: u64) {
        if number > 0 {
            *self.numbers.entry(name).or_default() += number;
        }
    }

    fn add_cell(&mut self, of: &str, cell: Cell, count: u64) {
        match cell.kind() {
            CellKind::Status(status) => self.add(format!("{of} status {status}"), count),
            CellKind::ZeroDuration => self.add(format!("{of} no time"), count),
            CellKind::Bucket(index) => self.add(format!("{of} bucket {index}"), count),
        }
    }
}

/// All windows of a summary.
pub(super) fn plain(got: &Summarized) -> Plain {
    let customer = CustomerId::new("acme").expect("a valid id");
    let mut windows = Plain::new();
    for insight in insights(&customer, &got.summary) {
        let (keys, counts) = (&insight.keys, &insight.counts);
        let window = windows.entry((insight.window.size, insight.window.start.0)).or_default();
        for (of, totals) in [("all", &counts.all), ("robots", &counts.robots)] {
            window.add(format!("{of} requests"), totals.requests);
            window.add(format!("{of} bytes"), totals.measures.response_bytes);
            window.add(format!("{of} micros"), totals.measures.duration_micros);
            totals.measures.cells().for_each(|(cell, count)| window.add_cell(of, cell, count));
        }
        for (dimension, by) in counts.by.iter().enumerate() {
            let of =
                |index: u32| format!("{} {}", DIMENSIONS[dimension].name, keys.tables[dimension].get(index));
            for row in &by.rows {
                window.add(format!("{} requests", of(row.index)), u64::from(row.requests));
                window.add(format!("{} robots", of(row.index)), u64::from(row.robots));
            }
            for (row, measures) in by.rows.iter().zip(by.measures.iter()) {
                let of = of(row.index);
                window.add(format!("{of} bytes"), measures.response_bytes);
                window.add(format!("{of} micros"), measures.duration_micros);
                measures
                    .cells
                    .iter()
                    .for_each(|(cell, count)| window.add_cell(&of, *cell, u64::from(*count)));
            }
        }
        window.visitors = counts.visitors.clone();
    }
    windows
}

/// An entry as this reading sees it.
struct Seen {
    minute: u32,
    /// By dimension.
    keys: Vec<(usize, String)>,
    is_robot: bool,
    status: Option<u16>,
    bytes: Option<u64>,
    micros: Option<u64>,
    visitor: Option<u64>,
}

/// The windows of a body. `None` where serde_json's values cannot hold it: halves of surrogate pairs, numbers that no
/// float holds, deep nesting.
pub(super) fn independent(body: &[u8], format: Format, limits: &Limits) -> Option<Plain> {
    let body = String::from_utf8_lossy(body);
    // Floats make zero of what is too small for them.
    let is_tiny = |exponent: &str| exponent.bytes().take_while(u8::is_ascii_digit).count() > 2;
    if body.to_ascii_lowercase().split("e-").skip(1).any(is_tiny) {
        return None;
    }
    let items: Vec<Value> = match format {
        Format::JsonArray => serde_json::from_str(&body).ok()?,
        Format::Ndjson => body
            .split('\n')
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).ok())
            .collect::<Option<_>>()?,
    };
    let mut windows = Plain::new();
    for item in &items {
        let seen = see(item, limits).expect("the entry was accepted");
        for size in WindowSize::ALL {
            count(windows.entry((size, seen.minute / size.minutes() * size.minutes())).or_default(), &seen);
        }
    }
    Some(windows)
}

fn count(window: &mut Window, seen: &Seen) {
    let mut of = vec![("all".to_owned(), true)];
    of.extend(seen.is_robot.then(|| ("robots".to_owned(), true)));
    for (dimension, key) in &seen.keys {
        let name = format!("{} {key}", DIMENSIONS[*dimension].name);
        if seen.is_robot {
            window.add(format!("{name} robots"), 1);
        }
        of.push((name, DIMENSIONS[*dimension].is_measured));
    }
    for (of, is_measured) in of {
        window.add(format!("{of} requests"), 1);
        if is_measured {
            window.add(format!("{of} bytes"), seen.bytes.unwrap_or(0));
            window.add(format!("{of} micros"), seen.micros.unwrap_or(0));
            let cells = [seen.status.and_then(Cell::status), seen.micros.map(Cell::duration)];
            cells.into_iter().flatten().for_each(|cell| window.add_cell(&of, cell, 1));
        }
    }
    if let Some(hash) = seen.visitor.filter(|_| !seen.is_robot) {
        window.visitors.insert(hash);
    }
}

fn see(item: &Value, limits: &Limits) -> Option<Seen> {
    let text = |field: Field| {
        let text = item.get(field.name())?.as_str()?.trim();
        let is_absent = field.index() >= Field::REQUIRED && matches!(text, "" | "-");
        (!is_absent).then_some(text)
    };
    let target = |field: Field| {
        let target = text(field)?;
        let path = if limits.keep_query { target } else { target.split('?').next()?.trim_end() };
        Some(if path.is_empty() { "/".to_owned() } else { cut(path, MAX_PATH_BYTES) })
    };
    let received_at_ms = match item.get(Field::RECEIVED_AT.name())? {
        Value::String(text) => nine_digits(text).parse::<Timestamp>().ok()?.as_millisecond() as f64,
        number => match number.as_f64()? {
            seconds if seconds < 1e11 => seconds * 1e3,
            millis if millis < 1e14 => millis,
            micros if micros < 1e17 => micros / 1e3,
            nanos => nanos / 1e6,
        },
    };
    let method = text(Field::METHOD)?.to_ascii_uppercase();
    let path = target(Field::ROUTE).or_else(|| target(Field::PATH))?;
    let user_agent = cut(text(Field::USER_AGENT)?, MAX_AGENT_BYTES);
    let family = agent::family(&user_agent);
    let mut keys = vec![(PATH, format!("{method} {path}")), (USER_AGENT, family.name().to_owned())];
    let mut text_keys: Vec<Option<String>> = Vec::new();
    for number in 0..TEXT_COUNT {
        let field = text_field(number);
        let key =
            text(Field::of_text(number)).filter(|text| text.len() <= field.max_bytes).and_then(field.key);
        text_keys.push(key.map(String::from));
    }
    for (number, key) in text_keys.iter().enumerate() {
        let is_same = text_field(number).unless_equal_to.is_some_and(|other| text_keys[other] == *key);
        keys.extend(key.clone().filter(|_| !is_same).map(|key| (TEXTS[number], key)));
    }
    let number = |field: Field, in_text: fn(&str) -> bool| match item.get(field.name())? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|_| in_text(text.trim())),
        _ => None,
    };
    let digits: fn(&str) -> bool = |text| text.bytes().all(|byte| byte.is_ascii_digit());
    let decimal: fn(&str) -> bool = |text| {
        text.ends_with(|c: char| c.is_ascii_digit())
            && text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
    };
    let whole = |field: Field, max: f64| {
        number(field, digits).filter(|number| (0.0..=max).contains(number) && number.fract() == 0.0)
    };
    let micros = number(Field::DURATION, decimal).filter(|seconds| (0.0..=1e6).contains(seconds));
    let client = text(Field::CLIENT_IP).filter(|text| text.len() <= 64).and_then(client_bytes);
    Some(Seen {
        minute: (received_at_ms / 60_000.0) as u32,
        keys,
        is_robot: matches!(family.class(), agent::Class::Bot | agent::Class::Ai),
        status: whole(Field::STATUS, 999.0).map(|status| status as u16),
        bytes: whole(Field::RESPONSE_BYTES, (1_u64 << 40) as f64).map(|bytes| bytes as u64),
        micros: micros.map(|seconds| (seconds * 1e6).round() as u64),
        visitor: client.map(|client| {
            let agent = fixed_visitor_key().quick_hash64(user_agent.as_bytes());
            fixed_visitor_key().quick_hash64(&[&client[..], &agent.to_le_bytes()].concat())
        }),
    })
}

/// A time as jiff takes it: with no more than nine digits behind the point.
fn nine_digits(time: &str) -> String {
    let Some((whole, rest)) = time.split_once('.') else { return time.to_owned() };
    let zone = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &rest[..rest.len() - zone.len()];
    format!("{whole}.{digits:.9}{zone}")
}

fn cut(text: &str, max_bytes: usize) -> String {
    let end = (0..=max_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].to_owned()
}

/// The bytes of a client: `[address%zone]:port`, `address%zone`, `address:port` or `name:port`, all but the first optional.
fn client_bytes(text: &str) -> Option<Vec<u8>> {
    let port = |text: &str| {
        text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
    };
    let v6 = |text: &str| {
        text.split('%').next()?.parse::<std::net::Ipv6Addr>().ok().map(|address| address.octets().to_vec())
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, rest) = rest.split_at_checked(rest.find(']')?)?;
        return v6(inside).filter(|_| port(&rest[1..]));
    }
    if let Some(address) = v6(text) {
        return Some(address);
    }
    let end = text.find(':').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if !port(rest) || name.is_empty() {
        return None;
    }
    if let Ok(IpAddr::V4(address)) = name.parse() {
        return Some(address.to_ipv6_mapped().octets().to_vec());
    }
    let is_name = name.chars().all(|c| !c.is_whitespace() && !c.is_control() && !",;\"[]".contains(c));
    is_name.then(|| name.to_lowercase().into_bytes())
}
