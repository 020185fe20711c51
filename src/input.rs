//! Log files as streams of plain bytes, whatever they are: a file, standard input, gzip or zstd.
//!
//! In comes a path (`-` for standard input); out go decoded bytes, and how far the stored ones are read, for whoever
//! shows progress. Compression is told by the first bytes, not by the name: rotated logs have all kinds of names.
//! Nothing here holds more than a few hundred KiB, and nothing is ever written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::disk;
use crate::data_dir::at;

/// Bytes read from a file at once.
const READ_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
/// Frames may look back 128 MiB (`zstd --long`): logs come from their owner, not from the network.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How an input is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Plain,
    /// One gzip member or several.
    Gzip,
    /// One zstd frame or several.
    Zstd,
}

/// A file or standard input, not yet opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file.
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

    /// How many bytes are stored; `None` where nobody knows.
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
    reader: Box<dyn Read + Send>,
}

impl Opened {
    /// The file itself and its length, where it is a regular one and not compressed: for reading it anywhere.
    pub fn plain_file(&self) -> Option<(Arc<File>, u64)> {
        let file = self.file.as_ref().filter(|_| self.coding == Coding::Plain)?;
        let data = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((Arc::clone(file), data.len()))
    }

    fn new(raw: Box<dyn Read + Send>, progress: Arc<AtomicU64>) -> io::Result<Self> {
        let mut raw = BufReader::with_capacity(READ_BYTES, Counted { inner: raw, progress });
        let coding = match first_bytes(&mut raw)? {
            start if start.starts_with(GZIP_MAGIC) => Coding::Gzip,
            start if start.starts_with(ZSTD_MAGIC) => Coding::Zstd,
            _ => Coding::Plain,
        };
        let reader: Box<dyn Read + Send> = match coding {
            Coding::Plain => Box::new(raw),
            Coding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
            Coding::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(raw)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
        };
        Ok(Self { coding, file: None, reader })
    }
}

impl Read for Opened {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.reader.read(space)
    }
}

/// What is in the buffer at the start: enough to tell the coding, except where a pipe gives its first byte alone, which
/// nobody does who writes a compressed stream.
fn first_bytes(raw: &mut impl BufRead) -> io::Result<&[u8]> {
    raw.fill_buf()
}

struct Counted<R> {
    inner: R,
    progress: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(space)?;
        self.progress.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Adds up to `bytes` more bytes to `buffer`, without touching memory twice; 0 is the end.
///
/// # Errors
/// What the input says.
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

    #[test]
    fn coding_is_told_by_the_first_bytes_and_undone() {
        let text = b"a line\nanother\n".repeat(50_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        for (coding, stored) in [
            (Coding::Plain, text.clone()),
            (Coding::Gzip, [gzip.clone(), gzip.clone()].concat()),
            (Coding::Zstd, [zstd.clone(), zstd].concat()),
        ] {
            let stored_bytes = stored.len() as u64;
            let (found, got, counted) = read(stored);
            let copies = if coding == Coding::Plain { 1 } else { 2 };
            assert_eq!((found, counted), (coding, stored_bytes));
            assert!(got.unwrap() == text.repeat(copies), "{coding:?}");
        }
        let (_, cut, _) = read(gzip[..gzip.len() / 2].to_vec());
        assert!(cut.is_err(), "half a gzip file is no file");
        assert_eq!(read(Vec::new()).1.unwrap(), b"");
    }
}
