//! Refuses variables named `LOG_ANALYTICS_…` that no command knows: a misspelled setting would be ignored in silence.
//!
//! Input: the program's commands, the names in the environment. Output: the first unknown name, and the nearest known
//! one.

use std::collections::BTreeSet;

use clap::Command;

const PREFIX: &str = "LOG_ANALYTICS_";

/// Checks the names of all variables.
///
/// # Errors
/// The name that no command knows, with the nearest that one does.
pub(crate) fn refuse_unknown_variables(
    program: &Command,
    names: impl Iterator<Item = String>,
) -> Result<(), String> {
    let mut known = BTreeSet::new();
    gather(program, &mut known);
    for name in names {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if known.contains(&name) || is_from_kubernetes(rest) {
            continue;
        }
        let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, &name));
        return Err(match nearest {
            Some(nearest) => format!("no command knows the variable {name}: did you mean {nearest}?"),
            None => format!("no command knows the variable {name}"),
        });
    }
    Ok(())
}

fn gather(command: &Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str());
    known.extend(variables.map(str::to_owned));
    command.get_subcommands().for_each(|command| gather(command, known));
}

/// Whether Kubernetes sets it in every pod beside a service whose name begins with `log-analytics`: `…_SERVICE_HOST`,
/// `…_SERVICE_PORT_HTTP`, `…_PORT`, `…_PORT_8080_TCP_ADDR`.
fn is_from_kubernetes(name: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    words.last() == Some(&"PORT")
        || words.windows(2).any(|two| match two {
            ["SERVICE", "HOST" | "PORT"] => true,
            ["PORT", number] => is_number(number),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn look(name: &str) -> Result<(), String> {
        let serve = Command::new("serve").arg(Arg::new("a").long("data-dir").env("LOG_ANALYTICS_DATA_DIR"));
        let program =
            Command::new("all").arg(Arg::new("b").long("url").env("LOG_ANALYTICS_URL")).subcommand(serve);
        refuse_unknown_variables(&program, [name.to_owned()].into_iter())
    }

    #[test]
    fn variables_that_no_command_knows_are_refused_with_the_nearest() {
        for name in ["PATH", "LOG_ANALYTICS_URL", "LOG_ANALYTICS_DATA_DIR"] {
            look(name).unwrap();
        }
        let error = look("LOG_ANALYTICS_DATADIR").unwrap_err();
        assert!(error.contains("LOG_ANALYTICS_DATADIR: did you mean LOG_ANALYTICS_DATA_DIR?"), "{error}");
        assert!(look("LOG_ANALYTICS_").is_err());
    }

    #[test]
    fn variables_that_kubernetes_sets_for_a_service_are_none_of_ours() {
        for name in [
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "PORT",
            "PORT_8080_TCP",
            "PORT_8080_TCP_ADDR",
        ] {
            look(&format!("LOG_ANALYTICS_{name}")).unwrap();
            look(&format!("LOG_ANALYTICS_QUERY_{name}")).unwrap();
        }
    }
}
