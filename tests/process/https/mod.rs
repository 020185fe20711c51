//! `https://` addresses: health, import and report through a gateway that speaks TLS, whose certificate an authority of our own
//! signed. Certificates and key are those of this folder and of nothing else.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::server::{Server, program};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/https").join(name)
}

/// Passes requests on to a server, each connection's until it ends.
fn gateway(server: SocketAddr, certificate: &str) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(file(certificate)).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    std::thread::Builder::new()
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                // A client that does not trust the certificate ends the connection.
                let _ = pass_on(StreamOwned::new(session, stream), server);
            }
        })
        .unwrap();
    address
}

/// Half duplex: one request, then its answer, as clients without pipelining send them.
fn pass_on(mut tls: StreamOwned<ServerConnection, TcpStream>, server: SocketAddr) -> io::Result<()> {
    let mut plain = TcpStream::connect(server)?;
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = tls.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        plain.write_all(&bytes[..read])?;
        plain.set_read_timeout(Some(std::time::Duration::from_millis(200)))?;
        match plain.read(&mut bytes) {
            // The request is not whole yet.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            answer => tls.write_all(&bytes[..answer?])?,
        }
    }
}

fn run(address: SocketAddr, trusted: Option<&str>, args: &[&str]) -> Output {
    let mut command = program();
    command.args(args).args(["--url", &format!("https://localhost:{}", address.port())]);
    if let Some(trusted) = trusted {
        command.env("SSL_CERT_FILE", file(trusted));
    }
    command.output().unwrap()
}

#[test]
fn commands_reach_a_server_behind_tls_if_they_trust_its_certificate() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let self_signed = run(gateway(server.addr, "self-signed.pem"), Some("self-signed.pem"), &["health"]);
    let told = String::from_utf8_lossy(&self_signed.stderr).into_owned();
    assert!(
        self_signed.status.code() == Some(1) && told.contains("basicConstraints=critical,CA:FALSE"),
        "{told}"
    );
    let gateway = gateway(server.addr, "cert.pem");
    let health = run(gateway, Some("ca.pem"), &["health"]);
    assert!(health.status.success(), "{}", String::from_utf8_lossy(&health.stderr));
    let untrusted = run(gateway, None, &["health"]);
    let told = String::from_utf8_lossy(&untrusted.stderr).into_owned();
    assert!(untrusted.status.code() == Some(1) && told.contains("certificate"), "{told}");
    let broken = run(gateway, Some("key.pem"), &["health"]);
    let told = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert!(broken.status.code() == Some(1) && told.contains("SSL_CERT_FILE"), "{told}");

    let log = temp.path().join("a.log");
    fs::write(&log, "192.0.2.7 - - [28/Dec/2025:18:03:07 +0000] \"GET / HTTP/1.1\" 200 5\n".repeat(20))
        .unwrap();
    let import = run(gateway, Some("ca.pem"), &["import", "--customer", "acme", log.to_str().unwrap()]);
    let says = String::from_utf8_lossy(&import.stdout).into_owned();
    assert!(says.contains("20 counted"), "{says}{}", String::from_utf8_lossy(&import.stderr));
    let report =
        run(gateway, Some("ca.pem"), &["report", "--customer", "acme", "--from", "2025-12-28T00:00:00Z"]);
    assert!(
        String::from_utf8_lossy(&report.stdout).contains("20"),
        "{}",
        String::from_utf8_lossy(&report.stderr)
    );
}
