//! Sockets: TCP or Unix, listening or connected, behind one pair of types.
//!
//! Input: a [`Listen`]. Output: a [`Listener`] and [`Stream`]s. The file of a Unix socket belongs to this module: it is
//! made with mode 0660, replaces the file of a server that has ended, and is removed with the listener. Never: the
//! removal of a live server's file.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::listen::Listen;
use crate::base::disk::if_exists;

/// Mode of a Unix socket: members of its group may connect.
const UNIX_MODE: u32 = 0o660;
/// Connections that the kernel holds ready until they are accepted; it cuts this to its own limit (`net.core.somaxconn`,
/// 4096 on a current Linux). With 128, std's value, a burst of 200 loses some for a second.
const BACKLOG: i32 = 4096;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&mut &*stream).read(into),
            Self::Unix(stream) => (&mut &*stream).read(into),
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&mut &*stream).write(bytes),
            Self::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    pub(crate) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    pub(crate) fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout)),
        }
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Self::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    /// Ignores errors: a socket that is already disconnected needs no shutdown.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        drop(match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        });
    }
}

/// A listening socket.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, file: UnixFile },
}

impl Listener {
    pub(crate) fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                rustix::net::listen(&listener, BACKLOG)?;
                Ok(Self::Tcp(listener))
            }
            Listen::Unix(path) => bind_unix(path).map(|(listener, file)| Self::Unix { listener, file }),
        }
    }

    /// The address with its real port.
    pub(crate) fn address(&self) -> io::Result<Listen> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            Self::Unix { file, .. } => Ok(Listen::Unix(file.path.clone())),
        }
    }

    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            Self::Unix { listener, .. } => listener.set_nonblocking(true),
        }
    }

    /// Takes the next connection, blocking and without delay for small packets.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // Fails for a connection that was reset meanwhile; reading it will fail too.
                drop(stream.set_nodelay(true));
                Ok(Stream::Tcp(stream))
            }
            Self::Unix { listener, .. } => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

impl Listener {
    /// The socket for tiny_http, and the guard of its file, which must live as long.
    pub(crate) fn into_tiny_http(self) -> (tiny_http::Listener, Option<UnixFile>) {
        match self {
            Self::Tcp(listener) => (listener.into(), None),
            Self::Unix { listener, file } => (listener.into(), Some(file)),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix { listener, .. } => listener.as_fd(),
        }
    }
}

/// The file of a Unix socket. Dropping it removes the file, unless another socket has replaced it.
#[derive(Debug)]
pub(crate) struct UnixFile {
    path: PathBuf,
    inode: Option<(u64, u64)>,
}

impl Drop for UnixFile {
    fn drop(&mut self) {
        if self.inode.is_some() && inode(&self.path) == self.inode {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    path.symlink_metadata().ok().map(|found| (found.dev(), found.ino()))
}

fn bind_unix(path: &Path) -> io::Result<(UnixListener, UnixFile)> {
    remove_stale(path)?;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // On Linux the file gets the mode that the socket has when it is bound, so others can never connect in between. The
    // umask may clear bits; the second call sets them.
    let mode = Mode::from_raw_mode(UNIX_MODE);
    rustix::fs::fchmod(&socket, mode)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let file = UnixFile { path: path.to_owned(), inode: inode(path) };
    rustix::fs::chmod(path, mode)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((UnixListener::from(socket), file))
}

/// Removes a socket's file that no process listens on; any other file stays and is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Some(found) = if_exists(path.symlink_metadata())? else { return Ok(()) };
    if !found.file_type().is_socket() {
        let text = format!("{} exists and is not a socket", path.display());
        return Err(io::Error::new(ErrorKind::AlreadyExists, text));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(rustix::fs::unlink(path)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => {
            let text = format!("another server listens on {}", path.display());
            Err(io::Error::new(ErrorKind::AddrInUse, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_dead_servers_socket_is_replaced_and_a_live_ones_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listen = Listen::Unix(path.clone());
        // std leaves the file behind when its listener goes, as a killed server does.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = Listener::bind(&listen).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, UNIX_MODE);
        assert_eq!(Listener::bind(&listen).unwrap_err().kind(), ErrorKind::AddrInUse);
        UnixStream::connect(&path).unwrap();
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let listen = Listen::Unix(file.path().to_owned());
        assert_eq!(Listener::bind(&listen).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(file.path().exists());
    }
}
