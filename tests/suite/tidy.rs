//! The rules of the repository that a machine can check: which files may lie where, how they open, how long they may get, how
//! tests are named and when they may be ignored. `tests/process/help.rs` checks `--help` and the README.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MAX_LINES: usize = 500;

/// Campaigns: tests that do nothing unless a variable in the environment starts them.
const COMMANDS: [&str; 1] = ["campaign"];

/// The files and folders at the top of the repository, besides dotfiles.
const TOP: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "tests",
    "bench",
    "data",
    "deploy",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below these folders, with their text, by their path in the repository.
pub(crate) fn sources(folders: &[&str]) -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    folders.iter().for_each(|folder| walk(&root().join(folder), &mut found));
    found.sort();
    assert!(!found.is_empty());
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for (path, text) in sources(&["src", "tests", "bench"]) {
        assert!(text.starts_with("//! "), "{path} does not open with //!");
    }
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    for (path, text) in sources(&["src", "tests", "bench"]) {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{path} has {lines} lines: which second thing does it own?");
    }
}

#[test]
fn nothing_is_unbounded_or_unfinished() {
    // Put together, so that this file does not hold what it looks for.
    let banned = [["unbou", "nded("], ["TO", "DO"], ["FIX", "ME"], ["unimple", "mented!"], ["to", "do!"]]
        .map(|halves| halves.concat());
    for (path, text) in sources(&["src", "tests", "bench"]) {
        for (number, line) in text.lines().enumerate() {
            for banned in &banned {
                assert!(!line.contains(banned), "{path}:{}: {banned}: {line}", number + 1);
            }
        }
    }
}

#[test]
fn only_what_needs_a_tool_is_ignored_and_says_which() {
    let (attribute, allowed) = (["#[ig", "nore"].concat(), ["#[ig", "nore = \"needs "].concat());
    let mut ignored = 0;
    for (path, text) in sources(&["src", "tests", "bench"]) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains(&attribute)) {
            let says = line.trim().strip_prefix(&allowed).and_then(|rest| rest.strip_suffix("\"]"));
            let tool = says.and_then(|says| says.split_once(": "));
            assert!(tool.is_some(), "{path}:{}: not `needs TOOL: where it comes from`: {line}", number + 1);
            ignored += 1;
        }
    }
    assert!(ignored > 0);
}

#[test]
fn few_binaries_hold_all_tests_and_helpers_that_die_are_seen() {
    let sources = sources(&["src", "tests"]);
    let is_binary = |path: &str| match path.split('/').collect::<Vec<_>>()[..] {
        ["tests", file] => file.ends_with(".rs"),
        ["tests", _, file] => file == "main.rs",
        _ => false,
    };
    let binaries: Vec<_> = sources.iter().map(|(path, _)| path).filter(|path| is_binary(path)).collect();
    assert!((1..=5).contains(&binaries.len()), "each of them links the whole crate: {binaries:?}");
    let allowed = ["allow(dead", "_code"].concat();
    for (path, text) in &sources {
        assert!(!text.contains(&allowed), "{path} hides from the compiler what nobody uses");
    }
}

#[test]
fn tests_are_named_as_facts() {
    for (path, text) in sources(&["src", "tests"]) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            if *line != "#[test]" {
                continue;
            }
            let function = lines[number..].iter().find_map(|line| line.strip_prefix("fn ")).unwrap();
            let name = function.split(['(', '<']).next().unwrap();
            if COMMANDS.contains(&name) {
                continue;
            }
            assert!(!name.starts_with("test_"), "{path}: {name} says nothing about what holds");
            assert!(name.split('_').count() >= 3, "{path}: {name} is not a fact");
        }
    }
}

#[test]
fn every_dependency_has_its_reason_beside_it() {
    let manifest = read("Cargo.toml");
    let mut in_dependencies = false;
    let mut checked = 0;
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies]");
        } else if in_dependencies && line.contains('=') && !line.trim_start().starts_with('#') {
            let reason = line.split_once('#').map_or("", |(_, reason)| reason.trim());
            assert!(reason.len() >= 10, "why is this here? {line}");
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} dependencies were found");
}

#[test]
#[ignore = "needs git: .ci/tools installs it"]
fn the_top_of_the_repository_holds_what_belongs_there() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let top: BTreeSet<&str> = listed.split('\0').filter_map(|path| path.split('/').next()).collect();
    let top = top.into_iter().filter(|name| !name.is_empty() && !name.starts_with('.'));
    for name in top {
        assert!(TOP.contains(&name), "{name} does not belong at the top of the repository");
    }
}
