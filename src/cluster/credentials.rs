//! Files with credentials.
//!
//! Input: a file. Output: credentials, or an error that names file and line. Never: the content in an error or a log.

use std::path::Path;

use rusty_s3::Credentials;

use crate::base::disk::Disk;

/// Far more than the few lines that such a file has.
const MAX_FILE_BYTES: usize = 64 * 1024;

fn read(disk: &dyn Disk, file: &Path) -> Result<String, String> {
    let bytes = disk.read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(format!("{}: larger than {MAX_FILE_BYTES} bytes", file.display()));
    }
    String::from_utf8(bytes).map_err(|_| format!("{}: not UTF-8", file.display()))
}

/// The `NAME = VALUE` lines of a text. Empty lines, comments (`#`, `;`) and `[section]` lines are skipped.
fn pairs(text: &str) -> Result<Vec<(&str, &str)>, usize> {
    let is_skipped = |line: &&str| line.is_empty() || line.starts_with(['#', ';', '[']);
    text.lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, line)| !is_skipped(line))
        .map(|(number, line)| {
            line.split_once('=').map(|(name, value)| (name.trim(), value.trim())).ok_or(number + 1)
        })
        .collect()
}

fn options_of<'t>(file: &Path, text: &'t str) -> Result<Vec<(&'t str, &'t str)>, String> {
    pairs(text).map_err(|line| format!("{}:{line}: not NAME = VALUE", file.display()))
}

/// Credentials for the object store, in the form of AWS's own tools, of one profile.
///
/// # Errors
/// The file and what is wrong with it.
pub fn s3(disk: &dyn Disk, file: &Path) -> Result<Credentials, String> {
    let text = read(disk, file)?;
    let pairs = options_of(file, &text)?;
    let value = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let need = |name: &str| value(name).ok_or_else(|| format!("{}: {name} is missing", file.display()));
    let (key, secret) = (need("aws_access_key_id")?, need("aws_secret_access_key")?);
    Ok(match value("aws_session_token") {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    })
}

/// Options of librdkafka.
///
/// # Errors
/// The file and what is wrong with it.
pub fn kafka(disk: &dyn Disk, file: &Path) -> Result<Vec<(String, String)>, String> {
    let text = read(disk, file)?;
    let pairs = options_of(file, &text)?;
    Ok(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// A user name on the first line and a password on the second.
///
/// # Errors
/// The file and what is wrong with it.
pub fn user(disk: &dyn Disk, file: &Path) -> Result<(String, String), String> {
    let text = read(disk, file)?;
    let mut lines = text.lines();
    match (lines.next(), lines.next(), lines.next()) {
        (Some(user), Some(password), None) if !user.is_empty() => Ok((user.to_owned(), password.to_owned())),
        _ => Err(format!("{}: expected two lines, user and password", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_read_line_by_line() {
        let text = "[default]\n# a comment\naws_access_key_id = A=B\n\nother=\n";
        assert_eq!(pairs(text), Ok(vec![("aws_access_key_id", "A=B"), ("other", "")]));
        assert_eq!(pairs("a=b\nsecret"), Err(2));
    }
}
