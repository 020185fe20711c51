//! A client of one server, for the commands that talk to one: import, report, health.
//!
//! Input: the server's address, headers and bodies. Output: whole answers. HTTP and TLS are those of `ureq`; this adds
//! Unix sockets, limits that fit our server, and the server's description of an error. Never: a retry, a redirect or a
//! proxy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::{Response, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::base::disk::RealDisk;

mod unix;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one read or write: longer than a server may take to commit a batch.
const IO_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer that is read: a page of windows can be large.
const MAX_ANSWER_BYTES: u64 = 256 << 20;
/// Environment variable that OpenSSL, curl and others read as well: a file of certificates to trust in place of the
/// public authorities.
const CERTIFICATES: &str = "SSL_CERT_FILE";

/// The address of a server: `http://HOST[:PORT][/PREFIX]`, `https://HOST[:PORT][/PREFIX]` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    socket: Option<PathBuf>,
    /// Put before every path; without a slash at its end.
    base: String,
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self { socket: Some(PathBuf::from(path)), base: "http://localhost".to_owned() });
        }
        let is_server = text.parse().is_ok_and(|uri: Uri| {
            let host = uri.host().is_some_and(|host| !host.is_empty());
            let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
            matches!(uri.scheme_str(), Some("http" | "https")) && host && !user && uri.query().is_none()
        });
        if !is_server || text.contains('#') {
            return Err(format!(
                "{text:?} is not a server address: give http://HOST:PORT, https://HOST:PORT or unix:PATH"
            ));
        }
        Ok(Self { socket: None, base: text.trim_end_matches('/').to_owned() })
    }
}

impl ServerUrl {
    /// Whether the server is on this machine.
    pub fn is_local(&self) -> bool {
        let uri: Option<Uri> = self.base.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        self.socket.is_some() || host == "localhost" || host == "[::1]" || host.starts_with("127.")
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            None => f.write_str(&self.base),
            Some(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerAnswer {
    pub status: u16,
    /// `retry-after`, where it is a number of seconds.
    pub retry_after: Option<u64>,
    /// The path of the next page, where `link` names one.
    pub next: Option<String>,
    pub body: Vec<u8>,
}

impl ServerAnswer {
    /// The `errorDescription` of the server's error shape, or the beginning of any other body.
    pub fn description(&self) -> String {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ServerError {
            error_description: String,
        }
        match serde_json::from_slice::<ServerError>(&self.body) {
            Ok(body) => body.error_description,
            Err(_) => String::from_utf8_lossy(&self.body).chars().take(200).collect(),
        }
    }
}

/// A client of one server, with one connection that it keeps.
#[derive(Debug)]
pub struct ServerClient {
    url: ServerUrl,
    agent: Option<Agent>,
    is_connected: bool,
}

impl ServerClient {
    /// Connects when the first request is sent.
    pub fn new(url: ServerUrl) -> Self {
        Self { url, agent: None, is_connected: false }
    }

    /// Whether the next request may use a connection that was used before, and that the server may have closed meanwhile.
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Sends a GET and reads the answer.
    ///
    /// # Errors
    /// What the network says; the connection is then given up.
    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> io::Result<ServerAnswer> {
        let mut request = self.agent()?.get(format!("{}{path}", self.url.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.call();
        self.finish(answer)
    }

    /// Sends a POST and reads the answer.
    ///
    /// # Errors
    /// What the network says; the connection is then given up. The server may have taken the request nevertheless.
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<ServerAnswer> {
        let mut request = self.agent()?.post(format!("{}{path}", self.url.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send(body);
        self.finish(answer)
    }

    fn agent(&mut self) -> io::Result<Agent> {
        if let Some(agent) = &self.agent {
            return Ok(agent.clone());
        }
        let agent = match &self.url.socket {
            Some(path) => unix::agent(config(TlsConfig::default()), path),
            None if self.url.base.starts_with("https:") => Agent::new_with_config(config(tls_config()?)),
            None => Agent::new_with_config(config(TlsConfig::default())),
        };
        Ok(self.agent.insert(agent).clone())
    }

    fn finish(&mut self, answer: Result<Response<ureq::Body>, ureq::Error>) -> io::Result<ServerAnswer> {
        let answer = answer.and_then(|mut answer| {
            let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
            let retry_after = text("retry-after").and_then(|seconds| seconds.parse().ok());
            let next = text("link").and_then(next_page).map(str::to_owned);
            Ok(ServerAnswer {
                status: answer.status().as_u16(),
                retry_after,
                next,
                body: answer.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec()?,
            })
        });
        self.is_connected = answer.is_ok();
        answer.map_err(|error| explained(error.into_io()))
    }
}

/// Replaces the text of a TLS error, which is for developers of TLS, by what to do about it.
fn explained(error: io::Error) -> io::Error {
    if error.to_string().contains("CaUsedAsEndEntity") {
        let text = "the server's certificate is one of an authority, as `openssl req -x509` makes it by default: make it \
                    with `-addext basicConstraints=critical,CA:FALSE`, and trust it by SSL_CERT_FILE";
        return io::Error::new(error.kind(), text);
    }
    error
}

/// The path of `<PATH>; rel="next"`.
pub(crate) fn next_page(link: &str) -> Option<&str> {
    link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"").filter(|path| path.starts_with('/'))
}

fn config(tls: TlsConfig) -> Config {
    Agent::config_builder()
        .user_agent(concat!("log-analytics/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_per_read(Some(IO_TIMEOUT))
        .timeout_per_write(Some(IO_TIMEOUT))
        .max_idle_connections(1)
        .max_idle_connections_per_host(1)
        .tls_config(tls)
        .build()
}

fn tls_config() -> io::Result<TlsConfig> {
    let roots = match std::env::var_os(CERTIFICATES) {
        None => RootCerts::WebPki,
        Some(file) => read_certificates(Path::new(&file)).map_err(|error| {
            io::Error::new(error.kind(), format!("{CERTIFICATES}: {}: {error}", Path::new(&file).display()))
        })?,
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

fn read_certificates(file: &Path) -> io::Result<RootCerts> {
    let mut certificates = Vec::new();
    for item in parse_pem(&RealDisk::shared().read(file)?) {
        if let PemItem::Certificate(certificate) = item.map_err(ureq::Error::into_io)? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no certificate in it"));
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_as_given() {
        for (text, shown) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("http://logs.example/in/", "http://logs.example/in"),
            ("https://logs.example", "https://logs.example"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), shown);
        }
        for text in [
            "127.0.0.1:8080",
            "localhost",
            "http://",
            "http:///in",
            "unix:",
            "http://a b",
            "http://u@h",
            "http://h/?q",
            "http://h/#f",
            "ftp://h",
        ] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn servers_on_this_machine_are_told_from_others() {
        let is_local = |text: &str| text.parse::<ServerUrl>().unwrap().is_local();
        assert!(
            ["http://127.0.0.1:8080", "https://localhost", "http://[::1]:1", "unix:/x"]
                .into_iter()
                .all(is_local)
        );
        assert!(!is_local("https://logs.example") && !is_local("http://10.0.0.1"));
    }

    #[test]
    fn an_error_is_described_in_the_servers_words() {
        let answer = |body: &str| {
            ServerAnswer { status: 400, retry_after: None, next: None, body: body.into() }.description()
        };
        assert_eq!(answer(r#"{"requestId":"1","errorDescription":"no entries"}"#), "no entries");
        assert_eq!(answer("<html>"), "<html>");
    }
}
