//! Tokens of the gateway, which names the customer of a batch, and of operators, who may see every customer's windows.
//!
//! Input: a token file, and the `authorization` header of requests. Output: whether a request is allowed. A file holds one
//! token a line, all of them valid, so that a token can be changed without a gap: add the new one, SIGHUP, change the
//! gateway, remove the old one, SIGHUP. Never: a comparison whose time depends on where tokens differ.

use std::path::{Path, PathBuf};
use std::sync::RwLock;

use super::Head;
use crate::base::disk::Disk;
use crate::base::sync;

/// A shorter token is refused at start: it could be guessed.
const MIN_TOKEN_BYTES: usize = 16;

/// The tokens of one file.
pub struct Tokens {
    file: Option<PathBuf>,
    valid: RwLock<Vec<String>>,
}

impl Tokens {
    /// No token file: every request is allowed.
    pub fn none() -> Self {
        Self { file: None, valid: RwLock::new(Vec::new()) }
    }

    /// Allows requests with a token of this file.
    ///
    /// # Errors
    /// In words, naming the file: it cannot be read, holds no token, or one that is too short.
    pub fn load(disk: &dyn Disk, file: &Path) -> Result<Self, String> {
        let valid = RwLock::new(read(disk, file)?);
        Ok(Self { file: Some(file.to_owned()), valid })
    }

    /// Reads the file again, if there is one; returns it and the number of its tokens. After an error the old tokens stay
    /// valid.
    pub fn reload(&self, disk: &dyn Disk) -> Result<Option<(&Path, usize)>, String> {
        let Some(file) = &self.file else { return Ok(None) };
        let tokens = read(disk, file)?;
        let count = tokens.len();
        *sync::write(&self.valid) = tokens;
        Ok(Some((file, count)))
    }

    /// Whether there is a token file; without one every request is allowed.
    pub fn exist(&self) -> bool {
        self.file.is_some()
    }

    pub fn allow(&self, head: &Head) -> bool {
        if self.file.is_none() {
            return true;
        }
        let mut values = head.all("authorization");
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, token)) = value.split_once(' ') else { return false };
        let token = token.trim_start();
        let valid = sync::read(&self.valid);
        // Every token is compared to its end, so that the time reveals nothing.
        let found = valid.iter().fold(false, |found, known| found | same(known.as_bytes(), token.as_bytes()));
        scheme.eq_ignore_ascii_case("bearer") && found
    }
}

fn read(disk: &dyn Disk, file: &Path) -> Result<Vec<String>, String> {
    let bytes = disk.read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{}: not UTF-8", file.display()))?;
    let tokens: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if tokens.is_empty() {
        return Err(format!("{}: no token in it", file.display()));
    }
    if tokens.iter().any(|token| token.len() < MIN_TOKEN_BYTES) {
        return Err(format!("{}: a token is shorter than {MIN_TOKEN_BYTES} characters", file.display()));
    }
    Ok(tokens)
}

/// Compares in a time that depends on the lengths only.
fn same(known: &[u8], given: &[u8]) -> bool {
    let difference = known.iter().zip(given).fold(0, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0 && known.len() == given.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::disk::{RealDisk, replace_file};

    fn head(values: &[&str]) -> Head {
        let headers = values.iter().map(|value| ("authorization".to_owned(), (*value).to_owned())).collect();
        Head { headers, ..Head::default() }
    }

    #[test]
    fn only_bearers_of_a_token_pass_and_tokens_can_be_changed() {
        let temp = tempfile::tempdir().unwrap();
        let (file, scratch) = (temp.path().join("tokens"), temp.path().join("scratch"));
        let write = |text: &str| replace_file(&RealDisk, &scratch, &file, &[text.as_bytes()]).unwrap();
        assert!(Tokens::none().allow(&head(&[])));

        write("first-token-0123456789\n\n second-token-0123456789 \n");
        let tokens = Tokens::load(&RealDisk, &file).unwrap();
        for (values, allowed) in [
            (&["Bearer first-token-0123456789"][..], true),
            (&["bearer  second-token-0123456789"], true),
            (&["Bearer first-token-012345678"], false),
            (&["Bearer first-token-01234567890"], false),
            (&["Bearer "], false),
            (&["Basic first-token-0123456789"], false),
            (&["first-token-0123456789"], false),
            (&[], false),
            (&["Bearer first-token-0123456789", "Bearer first-token-0123456789"], false),
        ] {
            assert_eq!(tokens.allow(&head(values)), allowed, "{values:?}");
        }

        write("third-token-0123456789");
        tokens.reload(&RealDisk).unwrap();
        assert!(!tokens.allow(&head(&["Bearer first-token-0123456789"])));
        assert!(tokens.allow(&head(&["Bearer third-token-0123456789"])));
        for bad in ["", "\n \n", "short"] {
            write(bad);
            assert!(tokens.reload(&RealDisk).is_err(), "{bad:?}");
        }
        assert!(tokens.allow(&head(&["Bearer third-token-0123456789"])));
    }
}
