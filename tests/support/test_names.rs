//! The names of the tests below a folder, read from their sources.

use std::fs;
use std::path::Path;

/// The tests below `dir` as the test runner names them: modules by their files, then the function. `module` goes before each.
pub fn tests_below(dir: &Path, module: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let inner = match stem {
            "mod" | "main" | "lib" => module.to_owned(),
            _ => format!("{module}{stem}::"),
        };
        if path.is_dir() {
            tests_below(&path, &inner, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after = text.split("#[test]").skip(1);
            let name = |text: &str| text.split_once("fn ").unwrap().1.split('(').next().unwrap().to_owned();
            found.extend(after.map(|text| format!("{inner}{}", name(text))));
        }
    }
}
