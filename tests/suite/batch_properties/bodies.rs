//! Bodies for the properties: made from a description of their structure, with mistakes, and changed in a few bytes.

use log_analytics::batch::{Field, Format, Limits};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use super::values::{all_fields, json_string, odd_value, quoted, value};

/// Something that stands for white space between tokens.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just(String::new()), 1 => Just(String::from(" ")), 1 => "[ \t\r\n]{0,3}"]
}

/// A key and a value that say nothing to us, or look as if they did.
fn unknown_field() -> impl Strategy<Value = (String, String)> {
    let plain =
        select(vec!["1", "-20.5", "true", "null", "\"x y\"", "\"é\"", "0.25", "[]", "{\"path\":[1,{}]}"]);
    let key = prop_oneof![
        60 => Just(String::from("\"id\"")),
        20 => json_string("[a-zé\"]{0,6}"),
        10 => json_string("[a-z]{28,70}"),
        1 => Just(String::from("id")),
    ];
    let looks = select(vec!["},{", "},{\"receivedAt\":", "\\"]).prop_map(|text| quoted(text, &[]));
    (key, prop_oneof![40 => plain.prop_map(String::from), 4 => looks, 1 => odd_value()])
}

/// An item: the fields in any order, maybe one too few, too many or of the wrong kind, among others.
fn item() -> impl Strategy<Value = String> {
    let field = |field: Field| {
        let name = field.name();
        let key = prop_oneof![300 => Just(format!("\"{name}\"")), 1 => Just(quoted(name, &[2, 0, 0])), 1 => Just(format!("\"{name}s\""))];
        (key, value(field)).boxed()
    };
    let required: Vec<_> = all_fields().into_iter().take(Field::REQUIRED).map(field).collect();
    let optional: Vec<_> = all_fields().into_iter().skip(Field::REQUIRED).map(field).collect();
    let optional_count = optional.len();
    let known = (required, optional.prop_flat_map(move |fields| subsequence(fields, 0..=optional_count)))
        .prop_map(|(required, optional)| [required, optional].concat());
    let known = prop_oneof![
        140 => known.clone(),
        70 => known.clone().prop_shuffle(),
        1 => known.clone().prop_flat_map(|fields| { let count = fields.len(); subsequence(fields, count - 1) }),
        1 => (known, any::<Index>()).prop_map(|(mut fields, place)| { fields.push(fields[place.index(fields.len())].clone()); fields }),
    ];
    let unknown = vec((unknown_field(), any::<Index>()), 0..2);
    let fields = (known, prop_oneof![3 => Just(vec![]), 1 => unknown]).prop_map(|(mut fields, unknown)| {
        for (field, place) in unknown {
            fields.insert(place.index(fields.len() + 1), field);
        }
        fields
    });
    let object = (fields, vec(space(), 4)).prop_map(|(fields, spaces)| object(&fields, &spaces));
    prop_oneof![400 => object, 1 => odd_value()]
}

fn object(fields: &[(String, String)], spaces: &[String]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| format!("{}{key}{}:{}{value}{}", spaces[0], spaces[1], spaces[2], spaces[3]))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// Items of one program: the same fields in the same order, some left out now and then.
fn like_items() -> impl Strategy<Value = Vec<String>> {
    let known: Vec<_> =
        all_fields().into_iter().map(|field| (Some(field), quoted(field.name(), &[]))).collect();
    let unknown =
        vec(unknown_field(), 0..4).prop_map(|fields| fields.into_iter().map(|(key, _)| (None, key)));
    let order = (Just(known), unknown)
        .prop_map(|(known, unknown)| known.into_iter().chain(unknown).collect::<Vec<_>>())
        .prop_shuffle();
    let kept = (order, 0..3_u32).prop_flat_map(|(order, optional)| {
        // All fields, some of them, or few beside the required ones.
        vec(0..3_u32, order.len()).prop_map(move |kept| {
            let is_required =
                |field: &Option<Field>| field.is_some_and(|field| field.index() < Field::REQUIRED);
            let fields = order.iter().zip(kept);
            let fields = fields.filter(|((field, _), kept)| is_required(field) || *kept >= optional);
            fields.map(|(field, _)| field.clone()).collect::<Vec<_>>()
        })
    });
    (kept, vec(space(), 4)).prop_flat_map(|(order, spaces)| {
        let fields: Vec<BoxedStrategy<Option<(String, String)>>> = order
            .into_iter()
            .map(|(field, key)| {
                let value = field.map_or_else(|| unknown_field().prop_map(|(_, value)| value).boxed(), value);
                let is_left_out =
                    if field.is_some_and(|field| field.index() < Field::REQUIRED) { 0.002 } else { 0.05 };
                proptest::option::weighted(1.0 - is_left_out, (Just(key), value)).boxed()
            })
            .collect();
        let item =
            fields.prop_map(move |fields| object(&fields.into_iter().flatten().collect::<Vec<_>>(), &spaces));
        vec(item, 10..40)
    })
}

/// A body and how to read it.
pub(super) fn body() -> impl Strategy<Value = (Format, Vec<u8>)> {
    let items = prop_oneof![12 => vec(item(), 1..4), 1 => vec(item(), 0..2), 9 => vec(item(), 4..12), 6 => like_items()];
    let array = (
        items.clone(),
        space(),
        space(),
        select(vec![
            "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]", "[]",
            "[", "[],", "[] x", "]", "{}",
        ]),
    )
        .prop_map(|(items, before, after, ends)| {
            let (open, close) = ends.split_at(1);
            let body = format!(
                "{before}{open}{before}{}{after}{close}{before}",
                items.join(&format!("{before},{after}"))
            );
            (Format::JsonArray, body.into_bytes())
        });
    let lines = (items, select(vec!["\n", "\r\n", "\n\n", " \n\t", "\r\n \r\n", " "]), any::<bool>())
        .prop_map(|(items, between, ends)| {
            let body = items.join(between) + if ends { between } else { "" };
            (Format::Ndjson, body.into_bytes())
        });
    prop_oneof![array, lines]
}

/// A few changes of bytes: put in, left out, or another instead.
pub(super) fn changed() -> impl Strategy<Value = (Format, Vec<u8>)> {
    let byte = prop_oneof![5 => select(b"\"\\{}[],:.-+eE019 \n\r\tZzu/dDtf\x00\x1f\x7f\xc3\xa9\xff\xef".to_vec()), 1 => any::<u8>()];
    let changes = vec((any::<Index>(), 0..3_u8, byte), 1..4);
    (body(), changes).prop_map(|((format, mut body), changes)| {
        for (place, what, byte) in changes {
            let place = place.index(body.len() + 1);
            if what == 0 || place == body.len() {
                body.insert(place, byte);
            } else if what == 1 {
                body.remove(place);
            } else {
                body[place] = byte;
            }
        }
        (format, body)
    })
}

pub(super) fn limits() -> impl Strategy<Value = Limits> {
    let small =
        (1..12_usize, 1..4_usize, any::<bool>()).prop_map(|(max_entries, max_minutes, keep_query)| Limits {
            max_entries,
            max_minutes,
            keep_query,
            ..Limits::default()
        });
    prop_oneof![3 => Just(Limits::default()), 1 => small]
}
