//! The architecture that `src/lib.rs` draws: its layers, and what no module may do, checked against the code.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::{read, sources};

/// The floors that the page shows under "Layers", lowest first.
fn layers() -> Vec<Vec<String>> {
    let page = read("src/lib.rs");
    let block = page.split("# Layers").nth(1).expect("lib.rs has a section on layers");
    let block = block.split("```text\n").nth(1).and_then(|block| block.split("//! ```").next()).unwrap();
    let floors = block
        .lines()
        .map(|line| line.trim_start_matches("//!").split_whitespace().map(String::from).collect());
    let floors: Vec<Vec<String>> = floors.collect();
    assert!(floors.len() > 8, "only {} floors were found", floors.len());
    floors
}

/// Program text by module of the top level, without comments and unit tests.
fn program() -> BTreeMap<String, String> {
    let mut modules: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in sources(&["src"]).into_iter().filter(|(path, _)| is_program(path)) {
        let module = path.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        modules.entry(module).or_default().extend(code.flat_map(|line| [line, "\n"]));
    }
    modules.retain(|module, _| module != "lib" && module != "main");
    modules
}

/// Whether a file holds more than unit tests.
fn is_program(path: &str) -> bool {
    !path.contains("/tests/") && !path.ends_with("/tests.rs")
}

/// The modules that this text takes something from.
fn named(code: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => drop(names.insert(after.chars().take_while(|c| is_word(*c)).collect())),
            Some(list) => {
                let list = list.split("};").next().unwrap();
                names.extend(
                    list.split(',').map(|item| item.trim().chars().take_while(|c| is_word(*c)).collect()),
                );
            }
        }
    }
    names
}

#[test]
fn every_module_names_only_modules_of_lower_floors() {
    let floors = layers();
    let floor = |module: &str| floors.iter().position(|floor| floor.iter().any(|name| name == module));
    let modules = program();
    for (module, code) in &modules {
        let own = floor(module).unwrap_or_else(|| panic!("`{module}` is on no floor of src/lib.rs"));
        for other in named(code).iter().filter(|other| *other != module && modules.contains_key(*other)) {
            let below = floor(other).unwrap_or_else(|| panic!("`{other}` is on no floor of src/lib.rs"));
            assert!(below < own, "`{module}` names `{other}`, which is not below it");
        }
    }
    for module in floors.iter().flatten() {
        assert!(modules.contains_key(module), "src/lib.rs tells of `{module}`, which is not there");
    }
}

#[test]
fn pure_modules_touch_no_clock_disk_thread_or_network() {
    const PURE: [&str; 5] = ["entry", "batch", "model", "time", "query"];
    // The gate holds queries back until their turn, and the meter stops those that take too long.
    const EXCEPTED: [&str; 2] = ["src/query/gate.rs", "src/query/meter.rs"];
    let banned =
        ["std::fs", "std::net::Tcp", "std::thread", "crossbeam_channel", "base::disk", "base::clock"];
    let is_pure = |path: &str| PURE.iter().any(|module| path.split(['/', '.']).nth(1) == Some(*module));
    let is_pure = |path: &str| is_program(path) && is_pure(path);
    for (path, text) in sources(&["src"]).into_iter().filter(|(path, _)| is_pure(path)) {
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for banned in banned.iter().filter(|_| !EXCEPTED.contains(&path.as_str())) {
            assert!(!code.contains(banned), "{path} is pure, but names {banned}");
        }
    }
}
