//! Windows that late insights name, counted again from the summaries in the object store.
//!
//! Input: the topic of late insights, summaries. Output: whole rows of the windows they name. Never: a sum added to a row.
//!
//! The window job has forgotten such a window and never writes it again. So the rows written here, whose version is 2^40
//! plus the number of batches counted, compete only with rows of another reconciliation, and the one that saw more batches
//! wins. Keys that have rows in ClickHouse and that the window does not name now get rows that say 0. Offsets are committed
//! after the rows are written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::ReconcileError;
use crate::base::clock;
use crate::cluster::clickhouse::{ClickHouse, DatabaseError, LineError};
use crate::cluster::kafka::Kafka;
use crate::cluster::records::{InsightEvent, SummaryObject};
use crate::cluster::rows::RowHead;
use crate::cluster::s3::ObjectStore;
use crate::cluster::span::MinuteSpan;
use crate::cluster::summaries::SummaryListing;
use crate::dimension::DIMENSIONS;
use crate::model::{CustomerId, WindowId, WindowSize, WindowStart};
use crate::windows::fold::WindowLimits;
use crate::windows::view::{Wanted, WindowView};
use crate::windows::window::Window;

/// Versions of reconciled windows begin here; the window job's stay below.
const RECONCILED: u64 = 1 << 40;
/// Rows are inserted in pieces of about this size.
const INSERT_BYTES: usize = 4 << 20;
/// The names of a window's keys are at most what the window job's limits allow: 8 MiB for each dimension.
const MAX_NAMES_BYTES: u64 = 64 << 20;
const POLL: Duration = Duration::from_millis(200);
/// Windows counted at the same time. Busy ones take about 1 MB each; a full one, whose limits are those of the server, 16 MiB.
const MAX_WINDOWS: usize = 500;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LateReport {
    /// Late insights read.
    pub insights: u64,
    /// Records that are not insights.
    pub unreadable: u64,
    /// Windows counted again.
    pub windows: u64,
    pub summaries: u64,
}

/// A window as it is added up, and the batches that are in it.
struct RecountedWindow {
    batches: BTreeSet<String>,
    window: Window,
}

/// Reads the late insights up to their end, counts the windows that they name again, and commits the offsets. Calls
/// `progress` for every summary that is read.
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
                            let starts = named.entry(insight.window.customer).or_default();
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

/// Counts windows of a customer from all its summaries that have them.
fn count_again(
    store: &ObjectStore,
    customer: &CustomerId,
    starts: &BTreeSet<WindowStart>,
    report: &mut LateReport,
    progress: &mut dyn FnMut(),
) -> Result<HashMap<WindowStart, RecountedWindow>, ReconcileError> {
    let mut totals: HashMap<WindowStart, RecountedWindow> = HashMap::new();
    let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return Ok(totals) };
    let range = *first..WindowStart(last.0 + 1);
    let mut listing = SummaryListing::new(store, customer, &range);
    while let Some(listed) = listing.next_summary()? {
        let has_some = |minutes: MinuteSpan| starts.range(minutes.first..=minutes.last).next().is_some();
        let Some(listed) = listed.filter(|listed| has_some(listed.minutes)) else { continue };
        let Some(bytes) = store.get(&listed.key, SummaryObject::MAX_BYTES)? else { continue };
        report.summaries += 1;
        progress();
        match SummaryObject::decode(&bytes) {
            Ok(summary) if summary.customer == *customer => {
                for window in summary.windows.iter().filter(|window| starts.contains(&window.start)) {
                    let total = totals.entry(window.start).or_insert_with(|| {
                        let id = WindowId { size: WindowSize::Minute, start: window.start };
                        let window = Window::new(customer.clone(), id);
                        RecountedWindow { batches: BTreeSet::new(), window }
                    });
                    if total.batches.insert(summary.batch_id.as_str().to_owned()) {
                        total.window.merge_view(&window.view(), &WindowLimits::default());
                    }
                }
            }
            Ok(_) => log::error!("{} is of another customer", listed.key),
            Err(error) => log::error!("{}: {error}", listed.key),
        }
    }
    Ok(totals)
}

fn write(
    clickhouse: &ClickHouse,
    customer: &CustomerId,
    start: WindowStart,
    total: &RecountedWindow,
) -> Result<(), ReconcileError> {
    let head = RowHead::new(customer, start, RECONCILED + total.batches.len() as u64);
    let view = WindowView::of(&total.window, &Wanted::ALL);
    let mut unnamed = stored_keys(clickhouse, customer, start)?;
    clickhouse.insert("minute_totals", &head.totals(&view))?;
    let mut rows = Vec::new();
    let insert = |rows: &mut Vec<u8>, least: usize| -> Result<(), DatabaseError> {
        if rows.len() > least {
            clickhouse.insert("minute_keys", rows)?;
            rows.clear();
        }
        Ok(())
    };
    for (dimension, keys) in DIMENSIONS.iter().zip(&view.by) {
        for key in keys {
            unnamed.remove(&(dimension.name.to_owned(), key.key.clone().into_owned()));
            rows.extend(head.key(dimension.name, key));
            insert(&mut rows, INSERT_BYTES)?;
        }
    }
    for (dimension, key) in unnamed {
        rows.extend(head.folded_key(&dimension, &key));
        insert(&mut rows, INSERT_BYTES)?;
    }
    Ok(insert(&mut rows, 0)?)
}

/// Dimension and name of every key that ClickHouse has a count of in this window, whatever its version.
fn stored_keys(
    clickhouse: &ClickHouse,
    customer: &CustomerId,
    start: WindowStart,
) -> Result<HashSet<(String, String)>, ReconcileError> {
    let sql = "SELECT DISTINCT toString(dimension), key FROM minute_keys WHERE customer = {customer:String} \
               AND window_start = toDateTime({start:UInt32}, 'UTC') AND requests > 0 FORMAT JSONCompactEachRow";
    let start_s = (u64::from(start.0) * 60).to_string();
    let parameters = [("customer", customer.as_str()), ("start", &start_s)];
    let mut lines = clickhouse.select(sql, &parameters, MAX_NAMES_BYTES)?;
    let (mut keys, mut line) = (HashSet::new(), Vec::new());
    let failed = |error| match error {
        LineError::Database(error) => ReconcileError::Database(error),
        LineError::TooLarge => unreadable("a window has too many keys"),
    };
    while lines.next(&mut line).map_err(failed)? {
        let key =
            serde_json::from_slice(&line).map_err(|_| unreadable("the name of a key cannot be read"))?;
        keys.insert(key);
    }
    Ok(keys)
}

fn unreadable(what: &str) -> ReconcileError {
    ReconcileError::Database(DatabaseError::Unavailable(what.to_owned()))
}
