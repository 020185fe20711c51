//! `GET /openapi.json`: a description of the API for programs (OpenAPI 3.1).
//!
//! The document is written by hand in `openapi.json` beside this file; `tests/process/openapi` compares it with the
//! real server. Limits in it are the defaults of their flags.

use flate2::Compression;

use super::{Head, Response, negotiate};

pub(super) fn document(head: &Head) -> Response {
    let document = include_str!("openapi.json").replace("{{version}}", env!("CARGO_PKG_VERSION"));
    negotiate::answer(head, "application/json", document.into_bytes(), Compression::fast())
        .with("cache-control", "no-cache")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_document_is_json_whose_references_lead_somewhere() {
        let document: Value = serde_json::from_slice(&document(&Head::default()).body).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let mut references = 0;
        let mut todo = vec![&document];
        while let Some(value) = todo.pop() {
            if let Some(reference) = value["$ref"].as_str() {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                references += 1;
            }
            match value {
                Value::Object(map) => todo.extend(map.values()),
                Value::Array(items) => todo.extend(items),
                _ => {}
            }
        }
        assert!(references > 20, "only {references} references were found");
    }
}
