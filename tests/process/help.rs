//! `--help` and the README are complete: every flag of a role has a variable named after it, and the README names every
//! subcommand.

use std::fs;
use std::path::Path;

use crate::support::server::run;

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
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
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
