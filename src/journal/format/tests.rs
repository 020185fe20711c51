//! The bytes of a record, compared with the example in the documentation, and damaged at every place.

use super::*;
use xxhash_rust::xxh3::xxh3_128;

fn example() -> RecordDraft {
    example_of(&Content::Json(Format::JsonArray))
}

fn example_of(content: &Content) -> RecordDraft {
    let parts = Parts {
        customer: &CustomerId::new("acme").unwrap(),
        batch_id: &BatchId::new("k1").unwrap(),
        server_made_id: false,
        content,
        entries: 1,
        fingerprint: xxh3_128(b"[]"),
        body_bytes: 2,
    };
    let mut draft = RecordDraft::new(
        parts,
        16,
        |_| {},
        |bytes| {
            bytes.extend_from_slice(b"[]");
            BodyCoding::Plain
        },
    );
    draft.number(Seq(7), Seq(6), 1_766_945_000_000, &key(0));
    draft
}

/// The record key of a secret of ascending bytes.
fn key(first: u8) -> RecordKey {
    let bytes: Vec<u8> = (first..first + 16).collect();
    RecordKey::new(&Secret::from_file(&bytes).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_worked_example_is_encoded_and_decoded() {
    let page = include_str!("../format.rs");
    let page: String = page
        .split("```text")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let draft = example();
    assert_eq!(hex(draft.bytes()), page);

    let record = Record::decode(draft.bytes(), &key(0)).unwrap();
    assert_eq!((record.header.seq, record.header.durable_through), (Seq(7), Seq(6)));
    let (customer, batch_id) = record.names().unwrap();
    assert_eq!((customer.as_str(), batch_id.as_str()), ("acme", "k1"));
    assert_eq!((record.summary(), record.stored_body()), (&b""[..], &b"[]"[..]));
}

#[test]
fn a_record_says_what_its_body_is() {
    for (name, parameters) in
        [("json-array", None), ("ndjson", None), ("log-lines", Some("")), ("log-lines", Some("timezone=UTC"))]
    {
        let content = Content::named(name, parameters).unwrap();
        let draft = example_of(&content);
        let record = Record::decode(draft.bytes(), &key(0)).unwrap();
        assert_eq!((record.content().unwrap(), record.stored_body()), (content, &b"[]"[..]));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let draft = example();
    for bit in 0..draft.bytes().len() * 8 {
        let mut bytes = draft.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Record::decode(&bytes, &key(0)).is_err(), "bit {bit}");
    }
    for cut in 0..draft.bytes().len() {
        assert_eq!(
            Record::decode(&draft.bytes()[..cut], &key(0)).unwrap_err(),
            Invalid::Truncated,
            "cut at {cut}"
        );
    }
}

#[test]
fn a_record_of_another_secret_is_told_from_damage() {
    let mut bytes = example().bytes().to_vec();
    assert_eq!(Record::decode(&bytes, &key(1)).unwrap_err(), Invalid::WrongSecret);
    // A changed tag is damage, like any other changed byte.
    bytes[16] ^= 1;
    assert_eq!(Record::decode(&bytes, &key(0)).unwrap_err(), Invalid::HeaderChecksum);
}

#[test]
fn a_deletion_is_a_batch_of_nothing_and_nothing_else_is_a_deletion() {
    let customer = CustomerId::new("acme").unwrap();
    let mut draft = RecordDraft::deletion(&customer, &BatchId::new("d1").unwrap());
    draft.number(Seq(7), Seq(6), 1_766_945_000_000, &key(0));
    assert_eq!(hex(&draft.bytes()[HEADER_BYTES..]), format!("{}{}00000000000000", hex(b"acme"), hex(b"d1")));
    let record = Record::decode(draft.bytes(), &key(0)).unwrap();
    assert!(record.header.is_deletion && record.header.server_made_id);
    assert_eq!(record.names().unwrap().0, customer);
    assert_eq!(summary::decode(record.summary()).unwrap(), Summary::default());

    for (offset, byte) in [(93, FLAG_DELETION), (93, KNOWN_FLAGS), (72, 1), (76, 1)] {
        let mut wrong = draft.clone();
        wrong.bytes[offset] = byte;
        wrong.number(Seq(7), Seq(6), 1_766_945_000_000, &key(0));
        let decoded = Record::decode(wrong.bytes(), &key(0));
        assert!(matches!(decoded, Err(Invalid::Content(_))), "{byte} at {offset}");
    }
}
