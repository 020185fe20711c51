//! The data directory: the names of everything in it, and its secret.
//!
//! Input: the root. Output: paths; the secret. Never: knows the content of files; `journal` and `windows` do.
//!
//! ```text
//! LOCK, RETAIN, secret, checkpoint.json, customers.json
//! journal/00000000000000000001.log .idx      named after the first seq they hold
//! aggregate-results/<customer>/<stamp>.json   windows
//! aggregate-results/<customer>/<day>.minutes.ndjson.zst, <day>.hours.ndjson.zst   the windows of a packed day
//! quarantine/                                 copies of damaged files, for people to look at
//! tmp/                                        files on their way to a rename; emptied at start
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_128;

use crate::base::disk::{self, Disk, if_exists};
use crate::base::hex::percent_decoded;
use crate::base::secret::Secret;
use crate::model::{CustomerId, PackId, Seq, WindowId, WindowSize};
use crate::time;

/// The version of everything in a data directory. Until 1.0 a new version replaces the old one.
pub const FORMAT_VERSION: u8 = 2;

/// Encoded customer names longer than this are cut and given a hash.
const MAX_CUSTOMER_NAME_BYTES: usize = 200;
/// What is kept of a cut customer name.
const CUT_CUSTOMER_NAME_BYTES: usize = 150;

/// Paths inside one data directory, and its secret once that is read.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    next_temp: AtomicU64,
    secret: OnceLock<Secret>,
}

/// Why a data directory cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The disk failed.
    Io(io::Error),
    /// The secret is missing or has another length, though there is a journal. Holds its file.
    SecretLost(PathBuf),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl DataDir {
    /// Names for the data directory at `root`; touches nothing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), next_temp: AtomicU64::new(0), secret: OnceLock::new() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn secret_file(&self) -> PathBuf {
        self.root.join("secret")
    }

    pub fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    pub fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint.json")
    }

    /// The file with the customers' sums.
    pub fn customers(&self) -> PathBuf {
        self.root.join("customers.json")
    }

    /// The lock that backups share, and that anything that removes files holds exclusively.
    pub fn retain(&self) -> PathBuf {
        self.root.join("RETAIN")
    }

    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The segment whose first record is `first`.
    pub fn segment(&self, first: Seq) -> PathBuf {
        self.journal().join(format!("{first:020}.log"))
    }

    /// The deduplication index of the segment whose first record is `first`.
    pub fn index(&self, first: Seq) -> PathBuf {
        self.journal().join(format!("{first:020}.idx"))
    }

    /// The directory of the windows of all customers.
    pub fn windows(&self) -> PathBuf {
        self.root.join("aggregate-results")
    }

    /// The directory of one customer's windows.
    pub fn customer(&self, customer: &CustomerId) -> PathBuf {
        self.windows().join(customer_dir_name(customer))
    }

    pub fn window(&self, customer: &CustomerId, window: WindowId) -> PathBuf {
        self.customer(customer).join(window_file_name(window))
    }

    /// The directory of copies of damaged files.
    pub fn quarantine_dir(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// The directory of files on their way to a rename.
    pub fn temp_dir(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// A temporary name that is used once.
    pub fn temp(&self) -> PathBuf {
        self.temp_dir().join(format!("{}", self.next_temp.fetch_add(1, Ordering::Relaxed)))
    }

    /// Whether a server has written a data directory here, however damaged it is. Changes nothing.
    pub fn exists(&self, disk: &dyn Disk) -> io::Result<bool> {
        let is_ours = |name: &str| ["log", "idx"].iter().any(|ending| seq_in_name(name, ending).is_some());
        let has_journal_files = disk.list(&self.journal())?.iter().any(|entry| is_ours(&entry.name));
        let root = disk.list(&self.root)?;
        let has = |path: PathBuf| root.iter().any(|entry| path.ends_with(&entry.name));
        Ok(has_journal_files || has(self.checkpoint()) || (has(self.secret_file()) && has(self.windows())))
    }

    /// Creates what is missing, empties `tmp/`, and reads the secret, or makes it where there is no journal yet.
    pub fn prepare(&self, disk: &dyn Disk) -> Result<(), OpenError> {
        match self.read_secret(disk) {
            Err(OpenError::SecretLost(_)) if !self.has_journal(disk)? => {}
            read => read?,
        }
        self.create_dirs(disk)?;
        for entry in disk.list(&self.temp_dir()).map_err(at(&self.temp_dir()))? {
            let path = self.temp_dir().join(&entry.name);
            disk.remove(&path).map_err(at(&path))?;
        }
        if self.secret.get().is_none() {
            let (path, secret) = (self.secret_file(), Secret::random());
            disk::replace_file(disk, &self.temp(), &path, &[secret.as_bytes()]).map_err(at(&path))?;
            disk.sync_dir(&self.root).map_err(at(&self.root))?;
            self.secret.get_or_init(|| secret);
        }
        Ok(())
    }

    /// Creates the directories that are missing.
    ///
    /// # Errors
    /// The path and what the file system says of it.
    pub fn create_dirs(&self, disk: &dyn Disk) -> io::Result<()> {
        disk::create_dirs(disk, &self.root).map_err(at(&self.root))?;
        for dir in [self.journal(), self.windows(), self.quarantine_dir(), self.temp_dir()] {
            disk.create_dir(&dir).map_err(at(&dir))?;
        }
        disk.sync_dir(&self.root).map_err(at(&self.root))
    }

    fn has_journal(&self, disk: &dyn Disk) -> io::Result<bool> {
        Ok(disk.list(&self.journal())?.iter().any(|entry| seq_in_name(&entry.name, "log").is_some()))
    }

    /// Reads the secret and changes nothing.
    pub fn read_secret(&self, disk: &dyn Disk) -> Result<(), OpenError> {
        let path = self.secret_file();
        let bytes = if_exists(disk.read(&path)).map_err(at(&path))?;
        match bytes.and_then(|bytes| Secret::from_file(&bytes)) {
            Some(secret) => {
                self.secret.get_or_init(|| secret);
                Ok(())
            }
            None => Err(OpenError::SecretLost(path)),
        }
    }

    /// # Panics
    /// [`DataDir::prepare`] or [`DataDir::read_secret`] must have succeeded before.
    pub fn secret(&self) -> &Secret {
        self.secret.get().expect("the data directory was opened")
    }

    /// Keeps a copy of a damaged file in `quarantine/`, under a name that tells where it lay and when it was found,
    /// so that nothing there is ever overwritten. The file itself stays until something good replaces it: removed
    /// first, a crash in between would make it look as if it had never been. Returns the path of the copy.
    pub fn quarantine(
        &self,
        disk: &dyn Disk,
        path: &Path,
        content: &[u8],
        now_ms: u64,
    ) -> io::Result<PathBuf> {
        let relative = path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('/', "~");
        // Long names are cut from the left: the stamp at the end tells windows apart.
        let start = relative.len().saturating_sub(MAX_CUSTOMER_NAME_BYTES);
        let number = self.next_temp.fetch_add(1, Ordering::Relaxed);
        let name = format!("{now_ms}-{number}-{}", relative.get(start..).unwrap_or(&relative));
        let target = self.quarantine_dir().join(name);
        disk::replace_file(disk, &self.temp(), &target, &[content])?;
        disk.sync_dir(&self.quarantine_dir())?;
        Ok(target)
    }
}

/// Puts the path in front of an error of the file system.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error + use<> {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// The directory name of a customer: bytes outside `[A-Za-z0-9_.-]` and a leading `.` are percent-encoded; a
/// name over 200 bytes becomes its first 150, `~`, and the XXH3-128 hash of the customer id in hex. Different
/// customers get different names (`~` and `%` never stand for themselves).
pub fn customer_dir_name(customer: &CustomerId) -> String {
    let mut name = encode_name(customer.as_str());
    if name.len() > MAX_CUSTOMER_NAME_BYTES {
        name.truncate(CUT_CUSTOMER_NAME_BYTES);
        name.push_str(&format!("~{:032x}", xxh3_128(customer.as_str().as_bytes())));
    }
    name
}

/// A text as a name: bytes outside `[A-Za-z0-9_.-]` and a leading `.` are percent-encoded.
pub fn encode_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (position, byte) in text.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || (byte == b'.' && position > 0);
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

/// The ASCII text with this name; `None` if [`encode_name`] does not make such a name.
pub fn decode_name(name: &str) -> Option<String> {
    let text = String::from_utf8(percent_decoded(name.as_bytes())?).ok().filter(|text| text.is_ascii())?;
    (encode_name(&text) == name).then_some(text)
}

/// The customer whose directory has this name; `None` for a name that was cut, and for other directories.
pub fn customer_in_dir_name(name: &str) -> Option<CustomerId> {
    CustomerId::new(&decode_name(name)?).filter(|customer| customer_dir_name(customer) == name)
}

/// The window whose file has this name; `None` for other files.
pub fn window_in_file_name(name: &str) -> Option<WindowId> {
    name.strip_suffix(".json").and_then(time::parse_stamp)
}

/// The name of a window's file.
pub fn window_file_name(window: WindowId) -> String {
    format!("{}.json", time::format_stamp(window))
}

/// The ending of a packed day's name, by size, where a window's name has `.json`.
const PACK_ENDINGS: [(WindowSize, &str); 2] =
    [(WindowSize::Minute, ".minutes.ndjson.zst"), (WindowSize::Hour, ".hours.ndjson.zst")];

/// The name of a packed day's file.
pub fn pack_file_name(pack: PackId) -> String {
    let day = time::format_stamp(WindowId { size: WindowSize::Day, start: pack.day });
    let ending = PACK_ENDINGS.iter().find(|(size, _)| *size == pack.size).map_or("", |(_, ending)| ending);
    format!("{}{ending}", day.trim_end_matches('Z'))
}

/// The packed day whose file has this name; `None` for other files.
pub fn pack_in_file_name(name: &str) -> Option<PackId> {
    let (size, day) =
        PACK_ENDINGS.iter().find_map(|(size, ending)| Some((*size, name.strip_suffix(ending)?)))?;
    let window = time::parse_stamp(&format!("{day}Z")).filter(|window| window.size == WindowSize::Day)?;
    Some(PackId { size, day: window.start })
}

/// The first seq in the name of a journal file with this ending (`log`, `idx`); `None` for other files.
pub fn seq_in_name(name: &str, ending: &str) -> Option<Seq> {
    let digits = name.strip_suffix(ending)?.strip_suffix('.')?;
    let well_formed = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    well_formed.then(|| digits.parse().ok().map(Seq)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(customer: &str) -> String {
        customer_dir_name(&CustomerId::new(customer).unwrap())
    }

    #[test]
    fn customer_names_are_safe_directory_names() {
        assert_eq!(name("acme-1_x.y"), "acme-1_x.y");
        assert_eq!(name(".."), "%2E.");
        assert_eq!(name("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
        assert_eq!(name("a%2Fb"), "a%252Fb");
        let long = name(&"/".repeat(128));
        assert_eq!(long.len(), 150 + 1 + 32);
        assert!(long.starts_with("%2F%2F") && long.as_bytes()[150] == b'~');
        assert_ne!(long, name(&format!("{}x", "/".repeat(127))));
    }

    #[test]
    fn customer_names_are_read_back_unless_they_were_cut() {
        for customer in ["acme-1_x.y", "..", "../../etc/passwd", "a%2Fb", "~", "%"] {
            assert_eq!(customer_in_dir_name(&name(customer)).unwrap().as_str(), customer);
        }
        for other in [name(&"/".repeat(128)).as_str(), "", "%", "%2", "%2e.", "%61", "a b", "%FF", "é", "~a"]
        {
            assert_eq!(customer_in_dir_name(other), None, "{other}");
        }
    }

    #[test]
    fn names_of_packed_days_are_read_back() {
        for (size, name) in [
            (WindowSize::Minute, "20251228.minutes.ndjson.zst"),
            (WindowSize::Hour, "20251228.hours.ndjson.zst"),
        ] {
            let pack = PackId { size, day: crate::model::WindowStart(29_448_000) };
            assert_eq!(pack_file_name(pack), name);
            assert_eq!(pack_in_file_name(name), Some(pack));
        }
        for other in [
            "20251228Z.json",
            "20251228.days.ndjson.zst",
            "20251228T18.hours.ndjson.zst",
            "x.hours.ndjson.zst",
        ] {
            assert_eq!(pack_in_file_name(other), None, "{other}");
        }
    }

    #[test]
    fn journal_names_are_read_back() {
        assert_eq!(seq_in_name("00000000000000000042.log", "log"), Some(Seq(42)));
        for other in
            ["42.log", "00000000000000000042.idx", "0000000000000000004x.log", "99999999999999999999.log"]
        {
            assert_eq!(seq_in_name(other, "log"), None, "{other}");
        }
    }
}
