//! Windows that late insights name, counted again from the summaries in the object store.
//!
//! The window job has forgotten such a window and never writes it again. So the rows written here, whose version is 2^40
//! plus the number of batches counted, compete only with rows of another reconciliation, and the one that saw more batches
//! wins. Offsets are committed after the rows are written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Serialize;

use super::ReconcileError;
use crate::base::clock;
use crate::cluster::clickhouse::ClickHouse;
use crate::cluster::kafka::Kafka;
use crate::cluster::names::summaries_of;
use crate::cluster::records::{InsightEvent, RecordCounts, SummaryObject};
use crate::cluster::s3::ObjectStore;
use crate::dimension::OTHER;
use crate::model::{CustomerId, WindowStart};
use crate::time;

/// Versions of reconciled windows begin here; the window job's stay below.
const RECONCILED: u64 = 1 << 40;
/// Rows are inserted in pieces of about this size.
const INSERT_BYTES: usize = 4 << 20;
const POLL: Duration = Duration::from_millis(200);
/// Windows counted at the same time: about 100 MB with the keys of busy ones.
const MAX_WINDOWS: usize = 500;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LateReport {
    /// Late insights read.
    pub insights: u64,
    /// Records that are not insights.
    pub unreadable: u64,
    /// Windows counted again.
    pub windows: u64,
    /// Summaries read for that.
    pub summaries: u64,
}

/// A window as it is added up.
#[derive(Default)]
struct WindowTotal {
    batches: BTreeSet<String>,
    paths: BTreeMap<Box<str>, u64>,
    agents: BTreeMap<Box<str>, u64>,
}

impl WindowTotal {
    fn add(map: &mut BTreeMap<Box<str>, u64>, counts: &RecordCounts) {
        for (key, count) in counts.iter() {
            match map.get_mut(key) {
                Some(known) => *known += u64::from(count),
                None => drop(map.insert(key.into(), u64::from(count))),
            }
        }
    }
}

/// Reads the late insights up to their end, counts the windows that they name again, and commits the offsets. Calls
/// `progress` for every summary that is read.
///
/// # Errors
/// See [`ReconcileError`].
pub fn recount(
    kafka: &Kafka,
    group: &str,
    store: &ObjectStore,
    clickhouse: &ClickHouse,
    progress: &mut dyn FnMut(),
) -> Result<LateReport, ReconcileError> {
    let mut report = LateReport::default();
    let config = kafka.consumer("reconcile", group);
    let consumer: BaseConsumer = config.create()?;
    let topic = &kafka.topics.late;
    let (mut position, ends) = positions(&consumer, topic, kafka.timeout())?;
    let mut start = TopicPartitionList::new();
    for (partition, offset) in &position {
        start.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.assign(&start)?;
    loop {
        let mut named: BTreeMap<CustomerId, BTreeSet<WindowStart>> = BTreeMap::new();
        let mut windows = 0;
        let mut deadline = clock::monotonic() + kafka.timeout();
        while windows < MAX_WINDOWS && !is_done(&consumer, topic, &mut position, &ends)? {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    deadline = clock::monotonic() + kafka.timeout();
                    position.insert(message.partition(), message.offset() + 1);
                    match message.payload().map(InsightEvent::decode) {
                        Some(Ok(insight)) => {
                            report.insights += 1;
                            let starts = named.entry(insight.customer).or_default();
                            windows += usize::from(starts.insert(insight.window.start));
                        }
                        other => {
                            let why = other.and_then(Result::err).map(|error| error.to_string());
                            let why = why.unwrap_or_else(|| "it is empty".to_owned());
                            log::error!("{topic} {}:{}: {why}", message.partition(), message.offset());
                            report.unreadable += 1;
                        }
                    }
                }
                Some(Err(error)) => log::warn!("kafka: {error}"),
                None => {}
            }
            if clock::monotonic() > deadline {
                return Err(ReconcileError::Stream(format!("{topic} cannot be read to its end")));
            }
        }
        for (customer, starts) in &named {
            let totals = count_again(store, customer, starts, &mut report, progress)?;
            for (start, total) in totals {
                write(clickhouse, customer, start, &total)?;
                report.windows += 1;
            }
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in &position {
            offsets.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
        }
        consumer.commit(&offsets, CommitMode::Sync)?;
        if windows < MAX_WINDOWS {
            return Ok(report);
        }
    }
}

type Positions = BTreeMap<i32, i64>;

/// Where the group stands in each partition, and where the partition ends.
fn positions(
    consumer: &BaseConsumer,
    topic: &str,
    timeout: Duration,
) -> Result<(Positions, Positions), ReconcileError> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .filter(|found| found.name() == topic && found.error().is_none())
        .flat_map(|found| found.partitions().iter().map(|partition| partition.id()))
        .collect();
    if partitions.is_empty() {
        return Err(ReconcileError::Stream(format!("there is no topic {topic}")));
    }
    let mut asked = TopicPartitionList::new();
    for partition in &partitions {
        asked.add_partition(topic, *partition);
    }
    let committed = consumer.committed_offsets(asked, timeout)?;
    let (mut position, mut ends) = (Positions::new(), Positions::new());
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, timeout)?;
        let committed = committed.find_partition(topic, partition).map(|found| found.offset());
        let from = match committed {
            Some(Offset::Offset(offset)) => offset.max(low),
            _ => low,
        };
        position.insert(partition, from);
        ends.insert(partition, high);
    }
    Ok((position, ends))
}

/// Whether every partition is read to its end. The last offsets may be markers of transactions, which are never polled:
/// the consumer's own position tells.
fn is_done(
    consumer: &BaseConsumer,
    topic: &str,
    position: &mut Positions,
    ends: &Positions,
) -> Result<bool, ReconcileError> {
    let own = consumer.position()?;
    for (partition, offset) in position.iter_mut() {
        if let Some(Offset::Offset(own)) = own.find_partition(topic, *partition).map(|found| found.offset()) {
            *offset = (*offset).max(own);
        }
    }
    Ok(position.iter().all(|(partition, offset)| offset >= &ends[partition]))
}

/// Counts windows of a customer from all its summaries.
fn count_again(
    store: &ObjectStore,
    customer: &CustomerId,
    starts: &BTreeSet<WindowStart>,
    report: &mut LateReport,
    progress: &mut dyn FnMut(),
) -> Result<HashMap<WindowStart, WindowTotal>, ReconcileError> {
    let mut totals: HashMap<WindowStart, WindowTotal> = HashMap::new();
    let mut from = None;
    loop {
        let page = store.list(&summaries_of(customer), from.as_deref())?;
        for object in page.objects {
            let Some(bytes) = store.get(&object.key, SummaryObject::MAX_BYTES)? else { continue };
            report.summaries += 1;
            progress();
            match SummaryObject::decode(&bytes) {
                Ok(summary) if summary.customer == *customer => {
                    for window in summary.windows.iter().filter(|window| starts.contains(&window.start)) {
                        let total = totals.entry(window.start).or_default();
                        if total.batches.insert(summary.batch_id.as_str().to_owned()) {
                            WindowTotal::add(&mut total.paths, &window.by_path);
                            WindowTotal::add(&mut total.agents, &window.by_agent);
                        }
                    }
                }
                Ok(_) => log::error!("{} is of another customer", object.key),
                Err(error) => log::error!("{}: {error}", object.key),
            }
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(totals),
        }
    }
}

#[derive(Serialize)]
struct MinuteRow<'a> {
    customer: &'a str,
    window_start: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    requests: u64,
    version: u64,
    r#final: u8,
}

fn write(
    clickhouse: &ClickHouse,
    customer: &CustomerId,
    start: WindowStart,
    total: &WindowTotal,
) -> Result<(), ReconcileError> {
    let version = RECONCILED + total.batches.len() as u64;
    for (table, map) in [("minute_by_path", &total.paths), ("minute_by_agent", &total.agents)] {
        let mut rows = Vec::new();
        // The window job may have written some keys under (other); here all have their own row, so that one is empty.
        let other = (!map.contains_key(OTHER)).then_some((OTHER, 0));
        for (key, requests) in map.iter().map(|(key, requests)| (&**key, *requests)).chain(other) {
            let is_path = table == "minute_by_path";
            let row = MinuteRow {
                customer: customer.as_str(),
                window_start: time::start_ms(start) / 1_000,
                path: is_path.then_some(key),
                agent: (!is_path).then_some(key),
                requests,
                version,
                r#final: 1,
            };
            serde_json::to_writer(&mut rows, &row).expect("text and numbers are written into memory");
            rows.push(b'\n');
            if rows.len() >= INSERT_BYTES {
                clickhouse.insert(table, &rows)?;
                rows.clear();
            }
        }
        if !rows.is_empty() {
            clickhouse.insert(table, &rows)?;
        }
    }
    Ok(())
}
