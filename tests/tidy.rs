//! The house rules that a machine can check: what may lie where, how files begin, how long they get, and that the
//! README and `--help` tell about everything there is.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::server::run;

const MAX_LINES: usize = 500;

/// Files that are longer, each with its reason. Better empty.
const LONGER: [(&str, &str); 1] = [("tests/batch_properties.rs", "one generator and its properties")];

/// Tests that people start by name, with arguments in the environment.
const COMMANDS: [&str; 1] = ["campaign"];

/// What may stand at the top of the repository, besides dotfiles.
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

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below these folders, with their text, by their path in the repository.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
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
        let (lines, excepted) = (text.lines().count(), LONGER.iter().any(|(longer, _)| *longer == path));
        assert!(lines <= MAX_LINES || excepted, "{path} has {lines} lines: which second thing does it own?");
        assert!(lines > MAX_LINES || !excepted, "{path} has {lines} lines and needs no exception any more");
    }
}

#[test]
fn nothing_is_unbounded_unfinished_or_skipped() {
    // Put together, so that this file does not hold what it looks for.
    let banned = [
        ["unbou", "nded("],
        ["TO", "DO"],
        ["FIX", "ME"],
        ["unimple", "mented!"],
        ["to", "do!"],
        ["#[ig", "nore"],
    ]
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
fn the_top_of_the_repository_holds_what_belongs_there() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        eprintln!("not shown here: there is no git, or this is no repository");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let top: BTreeSet<&str> = listed.split('\0').filter_map(|path| path.split('/').next()).collect();
    let top = top.into_iter().filter(|name| !name.is_empty() && !name.starts_with('.'));
    for name in top {
        assert!(TOP.contains(&name), "{name} does not belong at the top of the repository");
    }
}

fn help(args: &[&str]) -> String {
    let output = run(&[args, &["--help"]].concat());
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = lines.take_while(|line| line.starts_with("  "));
    listed
        .filter(|line| line.chars().nth(2).is_some_and(|c| c != ' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[test]
fn every_flag_of_the_server_has_a_variable_named_after_it() {
    const ROLES: &[&str] = &["serve", "ingest", "summarize-worker", "query", "reconcile"];
    let commands = if cfg!(feature = "cluster") { ROLES } else { &ROLES[..1] };
    commands.iter().for_each(|command| every_flag_has_a_variable(command));
}

fn every_flag_has_a_variable(command: &str) {
    let help = help(&[command]);
    // A flag's text goes from its own line to the next flag's.
    let is_flag = |line: &str| line.trim_start().starts_with("--") || line.trim_start().starts_with("-h,");
    let lines: Vec<&str> = help.lines().collect();
    let mut checked = 0;
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with("--")) {
        let flag = line.trim_start().split([' ', '=', '[']).next().unwrap();
        let about: Vec<&str> =
            lines[number + 1..].iter().copied().take_while(|line| !is_flag(line)).collect();
        // The name may stand on a line of its own behind what announces it.
        let about = [&[*line], &about[..]].concat().join(" ");
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
        let variable = format!("LOG_ANALYTICS_{}", flag[2..].to_uppercase().replace('-', "_"));
        assert!(about.contains(&format!("[env: {variable}=")), "{flag} has no variable {variable}: {about}");
        checked += 1;
    }
    assert!(checked > 10, "only {checked} flags of {command} were found");
}

#[test]
fn the_readme_tells_of_every_subcommand() {
    let readme = read("README.md");
    let help = help(&[]);
    let commands = subcommands(&help);
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        assert!(
            readme.contains(&format!("`{command}")) || readme.contains(&format!("log-analytics {command}")),
            "README.md does not tell of `{command}`"
        );
    }
}
