//! Log files as streams of plain bytes, however they are stored: plain, gzip, zstd or xz.
//!
//! Input: a path (`-` for standard input). Output: decoded bytes, and how many stored ones were read, for progress
//! bars. The first bytes tell the coding, not the name: rotated logs have all kinds of names. Never: more than a few
//! hundred KiB in memory (beside a decoder's window), a write, or text from an unknown coding.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::disk;
use crate::data_dir::at;
use crate::entry::is_utf16;

/// Bytes read from a file at once.
pub(crate) const READ_BYTES: usize = 256 * 1024;
/// Fewer bytes than this are read and dropped rather than seeked over.
const SEEK_FROM_BYTES: u64 = 64 * 1024;
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];
/// The first bytes of the codings that are read.
const CODINGS: [(&[u8], Coding); 3] =
    [(GZIP_MAGIC, Coding::Gzip), (&[0x28, 0xB5, 0x2F, 0xFD], Coding::Zstd), (b"\xFD7zXZ\0", Coding::Xz)];
/// The first bytes of files that are not read, although people keep logs in them; and the command that makes text of
/// them.
const REFUSED: [(&[u8], &str, &str); 6] = [
    (b"BZh", "bzip2", "bzcat"),
    (&[0x04, 0x22, 0x4D, 0x18], "LZ4", "lz4cat"),
    (b"PK\x03\x04", "ZIP", "unzip -p"),
    (b"7z\xBC\xAF\x27\x1C", "7z", "7z e -so"),
    (&[0x1F, 0x9D], "compress (.Z)", "zcat"),
    (b"LZIP", "lzip", "lzip -dc"),
];
/// Decoded bytes that are checked for UTF-16.
const START_BYTES: usize = 64;
/// Memory that an xz file may ask for: xz -9 takes 65 MiB, and files made for attacks gigabytes.
const XZ_MEMORY_KIB: u32 = 256 * 1024;
/// Frames may look back 128 MiB (`zstd --long`): logs come from their owner, not from the network.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How an input is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Plain,
    /// One gzip member or several.
    Gzip,
    /// One zstd frame or several.
    Zstd,
    /// One xz stream or several.
    Xz,
}

/// A file or standard input, not yet opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    File(PathBuf),
}

impl Input {
    /// The input an argument names: `-` is standard input.
    pub fn from_arg(arg: &Path) -> Self {
        if arg.as_os_str() == "-" { Self::Stdin } else { Self::File(arg.to_owned()) }
    }

    /// How messages call it.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// How many bytes are stored, if that is known.
    pub fn stored_bytes(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => path.metadata().ok().filter(|data| data.is_file()).map(|data| data.len()),
        }
    }

    /// Opens it. `progress` is raised by every stored byte that is read.
    ///
    /// # Errors
    /// The name and what the file system says of it.
    pub fn open(&self, progress: Arc<AtomicU64>) -> io::Result<Opened> {
        let file = match self {
            Self::Stdin => None,
            Self::File(path) => Some(Arc::new(disk::open_for_reading(path).map_err(at(path))?)),
        };
        let raw: Box<dyn Read + Send> = match &file {
            None => Box::new(io::stdin()),
            Some(file) => Box::new(Arc::clone(file)),
        };
        let opened = Opened::new(raw, progress)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.name())))?;
        Ok(Opened { file, ..opened })
    }
}

/// An input that is open for reading; reading gives decoded bytes.
pub struct Opened {
    /// How it is stored.
    pub coding: Coding,
    file: Option<Arc<File>>,
    progress: Arc<AtomicU64>,
    reader: Box<dyn Read + Send>,
}

impl Opened {
    /// The file itself and its length, if it is a regular one and not compressed: it can be read at any offset.
    pub fn plain_file(&self) -> Option<(Arc<File>, u64)> {
        let file = self.file.as_ref().filter(|_| self.coding == Coding::Plain)?;
        let data = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((Arc::clone(file), data.len()))
    }

    /// Skips the first decoded bytes, or all if there are fewer. Nothing may have been read before.
    pub fn skip(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > SEEK_FROM_BYTES
            && let Some((file, _)) = self.plain_file()
        {
            (&*file).seek(SeekFrom::Start(bytes))?;
            self.progress.fetch_add(bytes, Ordering::Relaxed);
            self.reader = Box::new(CountingReader { inner: file, progress: Arc::clone(&self.progress) });
            return Ok(());
        }
        io::copy(&mut self.reader.by_ref().take(bytes), &mut io::sink()).map(drop)
    }

    fn new(raw: Box<dyn Read + Send>, progress: Arc<AtomicU64>) -> io::Result<Self> {
        let counter = Arc::clone(&progress);
        let mut raw = CountingReader { inner: raw, progress };
        let start = start(&mut raw)?;
        let coding = CODINGS.iter().find(|(magic, _)| start.starts_with(magic));
        let coding = coding.map_or(Coding::Plain, |(_, coding)| *coding);
        if let Some((_, name, command)) = REFUSED.iter().find(|(magic, ..)| start.starts_with(magic)) {
            return Err(refused(&format!(
                "{name} is not read here; give the text: {command} FILE | log-analytics … -"
            )));
        }
        let stored = Cursor::new(start).chain(raw);
        let buffered = |stored| BufReader::with_capacity(READ_BYTES, stored);
        let mut decoded: Box<dyn Read + Send> = match coding {
            // No buffer: callers read large pieces, and `progress` must count no byte that they have not seen.
            Coding::Plain => Box::new(stored),
            Coding::Gzip => {
                Box::new(GzipMembers { member: Some(flate2::bufread::GzDecoder::new(buffered(stored))) })
            }
            Coding::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(buffered(stored))?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
            Coding::Xz => {
                Box::new(lzma_rust2::XzReader::new_mem_limit(buffered(stored), true, XZ_MEMORY_KIB))
            }
        };
        let mut start = vec![0; START_BYTES];
        let read = decoded.read(&mut start)?;
        start.truncate(read);
        if is_utf16(&start) {
            let command = "iconv -f UTF-16 -t UTF-8 FILE | log-analytics … -";
            return Err(refused(&format!("UTF-16 text is not read here; convert it: {command}")));
        }
        let reader = Box::new(Cursor::new(start).chain(decoded));
        Ok(Self { coding, file: None, progress: counter, reader })
    }
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, reason)
}

impl Read for Opened {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.reader.read(space)
    }
}

/// Reads as many first bytes as the codings need, because a pipe may give the first byte alone.
fn start(raw: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(START_BYTES);
    let mut space = [0; START_BYTES];
    loop {
        let read = raw.read(&mut space[start.len()..])?;
        let before = start.len();
        start.extend_from_slice(&space[before..before + read]);
        let may_be = |magic: &[u8]| magic.len() > start.len() && magic.starts_with(&start);
        let is_open =
            CODINGS.iter().any(|(magic, _)| may_be(magic)) || REFUSED.iter().any(|(magic, ..)| may_be(magic));
        if read == 0 || !is_open {
            return Ok(start);
        }
    }
}

/// The members of a gzip file, one after the other. Zeros after them, as tapes and some stores leave them, are
/// ignored; flate2's own reader of several members would report a broken member.
struct GzipMembers<R> {
    member: Option<flate2::bufread::GzDecoder<R>>,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(space)?;
            if read > 0 || space.is_empty() {
                return Ok(read);
            }
            let Some(mut stored) = self.member.take().map(flate2::bufread::GzDecoder::into_inner) else {
                break;
            };
            if skip_zeros(&mut stored)? {
                self.member = Some(flate2::bufread::GzDecoder::new(stored));
            }
        }
        Ok(0)
    }
}

/// Skips zeros; returns whether anything follows them.
fn skip_zeros(stored: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = stored.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let (is_end, is_all) = (bytes.is_empty(), zeros == bytes.len());
        stored.consume(zeros);
        if is_end || !is_all {
            return Ok(!is_end);
        }
    }
}

struct CountingReader<R> {
    inner: R,
    progress: Arc<AtomicU64>,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(space)?;
        self.progress.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Adds up to `bytes` more bytes to `buffer`, without touching memory twice; 0 is the end.
pub fn read_more(input: &mut impl Read, buffer: &mut Vec<u8>, bytes: usize) -> io::Result<usize> {
    input.by_ref().take(bytes as u64).read_to_end(buffer)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(stored: Vec<u8>) -> (Coding, io::Result<Vec<u8>>, u64) {
        let progress = Arc::new(AtomicU64::new(0));
        let mut opened = Opened::new(Box::new(io::Cursor::new(stored)), Arc::clone(&progress)).unwrap();
        let mut all = Vec::new();
        let done = opened.read_to_end(&mut all).map(|_| all);
        (opened.coding, done, progress.load(Ordering::Relaxed))
    }

    /// A reader that returns one byte at a time.
    struct Dripping(Cursor<Vec<u8>>);

    impl Read for Dripping {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            let end = space.len().min(1);
            self.0.read(&mut space[..end])
        }
    }

    #[test]
    fn coding_is_told_however_slowly_the_bytes_come() {
        let xz = include_bytes!("../data/cases/45-xz/input.log.xz");
        let dripping = Dripping(Cursor::new(xz[..xz.len() / 2].to_vec()));
        let half = Opened::new(Box::new(dripping), Arc::default());
        let read = half.and_then(|mut opened| opened.read_to_end(&mut Vec::new()));
        assert!(read.is_err(), "half an xz file is not a file");
        for (stored, coding) in
            [(&b"\x1f"[..], Coding::Plain), (b"\xfd7zX", Coding::Plain), (b"[1]", Coding::Plain)]
        {
            let dripping = Dripping(Cursor::new(stored.to_vec()));
            let mut opened = Opened::new(Box::new(dripping), Arc::default()).unwrap();
            let mut all = Vec::new();
            opened.read_to_end(&mut all).unwrap();
            assert_eq!((opened.coding, &all[..]), (coding, stored));
        }
    }

    #[test]
    fn what_is_no_text_is_refused_by_name() {
        for (stored, name) in [
            (&b"BZh91AY&SY"[..], "bzip2"),
            (b"PK\x03\x04....", "ZIP"),
            (b"\xff\xfe1\x009\x002\x00", "UTF-16"),
        ] {
            let error = Opened::new(Box::new(Cursor::new(stored.to_vec())), Arc::default()).err().unwrap();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn coding_is_told_by_the_first_bytes_and_undone() {
        let text = b"a line\nanother\n".repeat(50_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        let zeros = vec![0; 600_000];
        for (coding, stored) in [
            (Coding::Plain, text.clone()),
            (Coding::Gzip, [gzip.clone(), gzip.clone()].concat()),
            (Coding::Gzip, [gzip.clone(), zeros.clone(), gzip.clone(), zeros].concat()),
            (Coding::Zstd, [zstd.clone(), zstd].concat()),
        ] {
            let stored_bytes = stored.len() as u64;
            let (found, got, counted) = read(stored);
            let copies = if coding == Coding::Plain { 1 } else { 2 };
            assert_eq!((found, counted), (coding, stored_bytes));
            assert!(got.unwrap() == text.repeat(copies), "{coding:?}");
        }
        let (_, cut, _) = read(gzip[..gzip.len() / 2].to_vec());
        assert!(cut.is_err(), "half a gzip file is not a file");
        assert_eq!(read(Vec::new()).1.unwrap(), b"");
    }
}
