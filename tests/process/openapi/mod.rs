//! The document at `/openapi.json` is true: schemathesis reads it, makes valid and invalid requests from it, and finds no fault
//! in the answers of the real binary: no 5xx, no status, header or body that the document does not describe, no invalid
//! request accepted, no valid one refused.
//!
//! Needs the package `schemathesis` from PyPI in `target/tools/schemathesis` (`.ci/tools` installs it); fails with
//! that advice where it is missing. What it looks for, and why four operations may answer 400 to what the
//! schema allows, is in `tests/process/openapi/schemathesis.toml`. `SCHEMATHESIS_EXAMPLES` is how many requests it makes for
//! each operation (60 by default); it prints its seed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::server::Server;

const OPERATOR: &str = "operator-token-0123456789";

#[test]
#[ignore = "needs schemathesis: .ci/tools installs it"]
fn schemathesis_finds_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/tools/schemathesis/bin/schemathesis");
    assert!(program.exists(), "schemathesis is missing: .ci/tools installs it");
    let temp = tempfile::tempdir().unwrap();
    let operator = temp.path().join("operator");
    fs::write(&operator, OPERATOR).unwrap();
    let server = Server::start(temp.path(), &["--operator-token-file", operator.to_str().unwrap()]);
    // Something to answer with.
    let body = fs::read(root.join("data/samples/batch.json")).unwrap();
    assert_eq!(server.client().post("0", "first", &body).unwrap().status, 202);

    let examples = std::env::var("SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| "60".to_owned());
    let output = Command::new(program)
        .arg("--config-file")
        .arg(root.join("tests/process/openapi/schemathesis.toml"))
        .args(["run", &format!("http://{}/openapi.json", server.addr), "--max-examples", &examples])
        .current_dir(temp.path())
        .env("PYTHONPATH", root.join("tests/process/openapi"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("OPERATOR_TOKEN", OPERATOR)
        .env("GATEWAY_TOKEN", "nobody-asks-for-it")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    println!("{report}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "schemathesis found something:\n{report}");
    assert!(report.contains("No issues found"), "{report}");
}

#[test]
fn the_document_tells_of_every_path_and_parameter_there_is() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    let answer = client.get("/openapi.json", &[]).unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let document = answer.json();
    let paths: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for path in &paths {
        let (method, other) = match *path {
            "/logs" => ("POST", "GET"),
            "/customers/{id}" => ("DELETE", "GET"),
            _ => ("GET", "POST"),
        };
        assert!(document["paths"][path][method.to_lowercase()].is_object(), "{path}");
        let answer = client.send(other, path, &[], Some(b"")).unwrap();
        assert_eq!(answer.status, 405, "{other} {path}");
        assert!(answer.header("allow").unwrap().contains(method));
        assert!(readme.contains(path), "README.md does not tell of {path}");
    }
    // The server lists its parameters itself where it gets one it does not know.
    for path in ["/aggregates", "/aggregates/top", "/entries"] {
        let answer = client.get(&format!("{path}?unheard-of=1"), &[("x-customer-id", "a")]).unwrap();
        let text = answer.json()["errorDescription"].as_str().unwrap().to_owned();
        let known: BTreeSet<String> =
            text.rsplit("known here: ").next().unwrap().split(", ").map(str::to_owned).collect();
        let resolve = |parameter: &Value| match parameter["$ref"].as_str() {
            Some(reference) => document.pointer(&reference[1..]).unwrap().clone(),
            None => parameter.clone(),
        };
        let told: BTreeSet<String> = document["paths"][path]["get"]["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(resolve)
            .filter(|parameter| parameter["in"] == json!("query"))
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(told, known, "{path}");
    }
}
