//! Tests the tests: breaks the design in one place after another and checks that a test fails each time.
//!
//! `list.txt` holds the mutations, each with the invariant it breaks and the tests that should fail. An ordinary run only
//! checks that each of them can still be made, and that its tests exist. A campaign makes them in a copy of the sources,
//! about a minute each:
//!
//! ```sh
//! MUTATIONS=all cargo test --test mutations -- campaign --nocapture
//! MUTATIONS=no_lock,tail_not_rewritten cargo test --test mutations -- campaign --nocapture
//! ```
//!
//! `MUTATIONS_TARGET` keeps what was built for the next time (default: `target/mutations`). `MUTATIONS_SECONDS` is how
//! long one argument list may run (default: 300); tests that a mutation makes hang have noticed it. A mutation that no
//! test notices is a missing test.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]
#![allow(unreachable_pub, reason = "helpers are shared by several test binaries")]

#[path = "../support/test_names.rs"]
mod test_names;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use test_names::tests_below;

const LIST: &str = include_str!("list.txt");

struct Mutation {
    name: String,
    breaks: String,
    file: String,
    /// `cargo test` argument lists.
    tests: Vec<Vec<String>>,
    old: String,
    new: String,
}

/// Reads the list.
fn mutations() -> Vec<Mutation> {
    let parse = |text: &str| {
        let (head, change) = text.split_once("\nold\n").expect("`old` follows the head");
        let (old, new) = change.split_once("new\n").expect("`new` follows `old`");
        let (name, fields) = head.split_once('\n').unwrap();
        let field = |wanted: &str| -> String {
            let line = fields.lines().find_map(|line| line.strip_prefix(wanted)).expect(wanted);
            line.trim_start_matches(':').trim().to_owned()
        };
        let words = |tests: &str| tests.split_whitespace().map(str::to_owned).collect();
        Mutation {
            name: name.trim().to_owned(),
            breaks: field("breaks"),
            file: field("file"),
            tests: field("tests").split('|').map(words).collect(),
            old: old.to_owned(),
            new: format!("{}\n", new.trim_end()),
        }
    };
    LIST.split("\n== ").skip(1).map(parse).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Mutation {
    fn apply(&self, text: &str) -> String {
        let found = text.matches(&self.old).count();
        assert_eq!(
            found, 1,
            "{}: `old` stands {found} times in {}; adapt the mutation",
            self.name, self.file
        );
        text.replacen(&self.old, &self.new, 1)
    }
}

#[test]
fn every_mutation_can_still_be_made() {
    let mutations = mutations();
    assert!(mutations.len() >= 50);
    for mutation in mutations {
        let text = fs::read_to_string(root().join(&mutation.file)).unwrap();
        assert_ne!(mutation.apply(&text), text, "{} changes nothing", mutation.name);
        assert!(!mutation.breaks.is_empty() && !mutation.tests.is_empty());
    }
}

#[test]
fn every_mutation_names_tests_that_exist() {
    for mutation in mutations() {
        for arguments in &mutation.tests {
            let (folder, filter) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["--lib", filter] => ("src".to_owned(), filter),
                ["--test", binary, filter] => (format!("tests/{binary}"), filter),
                _ => panic!("{}: a binary and a filter are expected, not {arguments:?}", mutation.name),
            };
            let mut names = Vec::new();
            tests_below(&root().join(folder), "", &mut names);
            assert!(names.iter().any(|name| name.contains(filter)), "{}: {arguments:?}", mutation.name);
        }
    }
}

#[test]
fn campaign() {
    let Ok(wanted) = std::env::var("MUTATIONS") else { return };
    let target = std::env::var("MUTATIONS_TARGET").map_or(root().join("target/mutations"), PathBuf::from);
    let tree = target.join("tree");
    copy_sources(&tree);
    let limit = std::env::var("MUTATIONS_SECONDS").map_or(300, |text| text.parse().unwrap());
    let mut survived = Vec::new();
    for mutation in mutations() {
        if wanted != "all" && !wanted.split(',').any(|name| name == mutation.name) {
            continue;
        }
        let file = tree.join(&mutation.file);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, mutation.apply(&text)).unwrap();
        let noticed =
            mutation.tests.iter().find_map(|arguments| failing_test(&tree, &target, arguments, limit));
        fs::write(&file, text).unwrap();
        match noticed {
            Some(test) => println!("| {} | {} | {test} |", mutation.name, mutation.breaks),
            None => {
                println!("| {} | {} | SURVIVED |", mutation.name, mutation.breaks);
                survived.push(mutation.name);
            }
        }
    }
    assert!(survived.is_empty(), "no test notices {survived:?}");
}

/// What a build needs, as it is now, committed or not.
fn copy_sources(tree: &Path) {
    let _ = fs::remove_dir_all(tree);
    fs::create_dir_all(tree).unwrap();
    for name in ["Cargo.toml", "Cargo.lock", ".cargo", "README.md", "src", "tests", "bench", "data", "deploy"]
    {
        let copied = Command::new("cp").arg("-a").arg(root().join(name)).arg(tree).status().unwrap();
        assert!(copied.success(), "{name}");
    }
}

/// How many tests a run had to do.
fn selected(output: &str) -> u64 {
    let count = |line: &str| line.strip_prefix("running ")?.split(' ').next()?.parse::<u64>().ok();
    output.lines().filter_map(count).sum()
}

/// Runs these tests for at most so many seconds; the first that fails or hangs, by name. `None` where all pass.
fn failing_test(tree: &Path, target: &Path, arguments: &[String], limit_seconds: u64) -> Option<String> {
    let cargo = |mut command: Command, more: &[&str]| {
        command.arg("test").args(more).args(arguments).args(["--", "--include-ignored"]);
        command.current_dir(tree).env("CARGO_TARGET_DIR", target);
        command.env_remove("MUTATIONS").output().unwrap()
    };
    let built = cargo(Command::new(env!("CARGO")), &["--quiet", "--no-run"]);
    assert!(built.status.success(), "it does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    // Ends the test programs and what they started, too.
    let mut limited = Command::new("timeout");
    limited.arg("--signal=KILL").arg(limit_seconds.to_string()).arg(env!("CARGO"));
    let run = cargo(limited, &[]);
    let output = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(selected(&output) > 0, "no test has a name with {arguments:?} in it");
    if run.status.success() {
        return None;
    }
    let named = |end: &str| output.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(end));
    let failed = named(" ... FAILED").map(str::to_owned);
    let hangs = || {
        let name = named(" has been running for over 60 seconds")?;
        Some(format!("{name} (hangs)"))
    };
    let failed = failed.or_else(hangs).unwrap_or_else(|| format!("({})", run.status));
    Some(format!("`{}` {failed}", arguments.join(" ")))
}
