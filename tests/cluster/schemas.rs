//! The records of a cluster against the examples of `deploy/schemas`: the roles read what they must, refuse what they must, and
//! write the examples byte for byte. The window job is tested with the same examples; `.ci/schemas` holds them against the
//! schemas.

use std::fs;
use std::path::{Path, PathBuf};

use log_analytics::batch::Encoding;
use log_analytics::cluster::names;
use log_analytics::cluster::records::{BatchEvent, InsightEvent, MadeBy, RecordError, SummaryObject};
use log_analytics::model::BatchId;
use serde_json::Value;

const KINDS: [&str; 4] = ["batch-ingested", "insight-event", "summary-object", "raw-object-metadata"];

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/schemas/v2")
}

fn files(dir: PathBuf) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(&dir).map(|files| files.map(|f| f.unwrap().path()).collect()).unwrap_or_default();
    files.sort();
    files
}

/// Reads a record of this kind as the roles do.
fn read(kind: &str, bytes: &[u8]) -> Result<(), RecordError> {
    match kind {
        "batch-ingested" => BatchEvent::decode(bytes).map(drop),
        "insight-event" => InsightEvent::decode(bytes).map(drop),
        "summary-object" => SummaryObject::decode(bytes).map(drop),
        _ => {
            let metadata: Value = serde_json::from_slice(bytes).unwrap();
            let id = BatchId::new("any").unwrap();
            BatchEvent::from_metadata(id, |name| metadata[name].as_str()).map(drop)
        }
    }
}

#[test]
fn examples_are_accepted_and_refused_by_readers() {
    let mut seen = 0;
    for kind in KINDS {
        for (folder, accepted) in [("good", true), ("bad", false), ("inconsistent", false)] {
            for file in files(dir().join("examples").join(folder).join(kind)) {
                let bytes = fs::read(&file).unwrap();
                assert_eq!(read(kind, &bytes).is_ok(), accepted, "{}", file.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 30, "{seen} examples");
}

#[test]
fn what_is_written_is_what_the_examples_say() {
    let batches = files(dir().join("examples/batches"));
    assert!(batches.len() >= 2);
    for batch in batches {
        let file = |name: &str| fs::read_to_string(batch.join(name)).unwrap().trim_end().to_owned();
        let body = fs::read(batch.join("body")).unwrap();
        let keys: Value = serde_json::from_str(&file("keys.json")).unwrap();

        let event = BatchEvent::decode(file("batch-ingested.json").as_bytes()).unwrap();
        assert_eq!(String::from_utf8(event.encode()).unwrap(), file("batch-ingested.json"));
        assert_eq!(
            (event.batch_id.as_str(), event.raw_key().as_str()),
            (keys["batch-ingested"].as_str().unwrap(), keys["raw"].as_str().unwrap())
        );
        assert_eq!(event.summary_key(), keys["summary"].as_str().unwrap());
        let stem = event.raw_key().strip_prefix(names::RAW).unwrap().to_owned();
        assert_eq!(names::batch_in_stem(&stem).as_ref(), Some(&event.batch_id));

        let metadata: Value = serde_json::from_str(&file("raw-object-metadata.json")).unwrap();
        let from_metadata =
            BatchEvent::from_metadata(event.batch_id.clone(), |name| metadata[name].as_str()).unwrap();
        assert_eq!(from_metadata, (event.clone(), MadeBy::Client));
        for (name, value) in event.metadata(MadeBy::Client, None) {
            assert!(metadata.get(name).is_none_or(|known| *known == value), "{name}: {value}");
        }

        // The body, the limits and the time of receipt decide everything else.
        assert_eq!(event.content.fingerprint(&body), event.fingerprint);
        assert_eq!((body.len(), event.encoding), (event.body_bytes as usize, Encoding::Identity));
        let summarized = event.content.summarize(&body, &event.limits, event.received_at_ms).unwrap().summary;
        let summary = SummaryObject::of(&event, &summarized);
        assert_eq!(String::from_utf8(summary.encode()).unwrap(), file("summary-object.json"));
        assert_eq!(SummaryObject::decode(file("summary-object.json").as_bytes()).unwrap(), summary);

        let mut insights = 0;
        for (insight, line) in summary.insights().zip(file("insight-events.ndjson").lines()) {
            let expected: Value = serde_json::from_str(line).unwrap();
            assert_eq!(names::window_key(&insight.window.customer, insight.window.start), expected["key"]);
            let value = insight.encode();
            assert!(
                line.ends_with(&format!("\"value\":{}}}", std::str::from_utf8(&value).unwrap())),
                "{line}"
            );
            assert_eq!(InsightEvent::decode(&value).unwrap(), insight);
            insights += 1;
        }
        assert_eq!(insights, summarized.minutes.len());
    }
}
