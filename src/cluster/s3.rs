//! The object store: a client of one S3 bucket. Requests block, each has a time limit, connections are reused.
//!
//! Input: keys and bytes. Output: the store's answer, or whether another try may help.
//! Never: a retry. Only the caller knows what a request may have done whose answer was lost.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use prometheus::HistogramVec;
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, Map, S3Action, UrlStyle};
use ureq::Agent;
use ureq::http::{HeaderMap, Response};

use super::records::METADATA_PREFIX;
use super::{credentials, http_agent};
use crate::base::disk::Disk;
use crate::base::sync;

/// How long a signed request may be on its way.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// The part of an error document that is read.
const MAX_ERROR_BYTES: u64 = 4 * 1024;
/// A page of a thousand keys of a thousand bytes, and its markup.
const MAX_LISTING_BYTES: u64 = 16 << 20;
/// For one request: enough for the largest body at 16 MB/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The bucket's address and credentials.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// `http(s)://HOST:PORT/BUCKET`.
    pub url: String,
    pub region: String,
    /// `BUCKET.HOST` instead of `HOST/BUCKET`.
    pub virtual_host: bool,
    /// Without it the variables of AWS's own tools are used.
    pub credentials_file: Option<PathBuf>,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The store is unreachable, overloaded or slow, or two conditional writes collided: try again. The request may have
    /// been carried out.
    Unavailable(String),
    /// The store refuses the request; another try does not help.
    Refused {
        status: u16,
        /// The store's code and words.
        message: String,
    },
    /// An object is larger than it may be.
    TooLarge { limit_bytes: u64 },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the object store is unavailable: {why}"),
            Self::Refused { status, message } => {
                write!(f, "the object store refuses the request: {status} {message}")
            }
            Self::TooLarge { limit_bytes } => write!(f, "the object is larger than {limit_bytes} bytes"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Why the content of an object is not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// The store did not answer; a later try may succeed.
    Store(StoreError),
    /// Another program wrote it, or another object that it refers to is gone.
    Unusable(String),
}

impl From<StoreError> for ObjectError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The outcome of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object was written.
    Stored,
    /// The key was taken; nothing changed.
    Exists,
}

#[derive(Clone, Debug, Default)]
pub struct Metadata(HeaderMap);

impl Metadata {
    /// The value of this name (without prefix).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(format!("{METADATA_PREFIX}{name}"))?.to_str().ok()
    }
}

/// One object of a listing.
#[derive(Clone, Debug)]
pub struct Listed {
    pub key: String,
    /// When it was last written, RFC 3339.
    pub last_modified: String,
}

/// The objects whose keys begin with a prefix, one by one, ascending by key.
pub struct Listing<'s> {
    store: &'s ObjectStore,
    prefix: String,
    page: std::vec::IntoIter<Listed>,
    /// The next page lists what is above this key; `None` behind the last page.
    after: Option<String>,
}

impl Listing<'_> {
    /// The next object. Asks the store for a page of a thousand where it has none left.
    pub fn next_object(&mut self) -> Result<Option<Listed>, StoreError> {
        loop {
            if let Some(object) = self.page.next() {
                return Ok(Some(object));
            }
            let Some(after) = self.after.take() else { return Ok(None) };
            let (page, is_last) = self.store.list_page(&self.prefix, &after)?;
            self.after = page.last().filter(|_| !is_last).map(|object| object.key.clone());
            self.page = page.into_iter();
        }
    }
}

pub struct ObjectStore {
    agent: Agent,
    bucket: Bucket,
    credentials: RwLock<Option<Arc<Credentials>>>,
    credentials_file: Option<PathBuf>,
    seconds: HistogramVec,
}

impl ObjectStore {
    /// A client of the bucket; connects when it is first asked.
    ///
    /// # Errors
    /// The flag and what is wrong with it.
    pub fn new(options: &StoreOptions, disk: &dyn Disk, seconds: HistogramVec) -> Result<Self, String> {
        let (endpoint, bucket) = split_url(&options.url)
            .ok_or_else(|| format!("--s3 {:?} is not http(s)://HOST[:PORT]/BUCKET", options.url))?;
        let style = if options.virtual_host { UrlStyle::VirtualHost } else { UrlStyle::Path };
        let endpoint = endpoint.parse().map_err(|error| format!("--s3: {error}"))?;
        let bucket = Bucket::new(endpoint, style, bucket.to_owned(), options.region.clone())
            .map_err(|error| format!("--s3: {error}"))?;
        let store = Self {
            agent: http_agent(REQUEST_TIMEOUT),
            bucket,
            credentials: RwLock::new(None),
            credentials_file: options.credentials_file.clone(),
            seconds,
        };
        store.reload(disk)?;
        Ok(store)
    }

    /// Reads the credentials again.
    ///
    /// # Errors
    /// What is wrong with the file; the credentials then stay as they are.
    pub fn reload(&self, disk: &dyn Disk) -> Result<(), String> {
        let credentials = match &self.credentials_file {
            Some(file) => {
                Some(credentials::s3(disk, file).map_err(|error| format!("--s3-credentials-file: {error}"))?)
            }
            None => Credentials::from_env(),
        };
        *sync::write(&self.credentials) = credentials.map(Arc::new);
        Ok(())
    }

    /// Writes an object if there is none of this key.
    ///
    /// # Errors
    /// See [`StoreError`]; after [`StoreError::Unavailable`] the object may be there or not.
    pub fn put_if_absent(
        &self,
        key: &str,
        body: &[u8],
        metadata: &[(&'static str, String)],
    ) -> Result<Put, StoreError> {
        let credentials = self.credentials();
        let mut action = self.bucket.put_object(credentials.as_deref(), key);
        action.headers_mut().insert("if-none-match", "*");
        for (name, value) in metadata {
            action.headers_mut().insert(format!("{METADATA_PREFIX}{name}"), value.as_str());
        }
        let headers = action.headers_mut().clone();
        let mut response = self.send("put", &action, &headers, Some(body))?;
        match response.status().as_u16() {
            200 => Ok(Put::Stored),
            412 => Ok(Put::Exists),
            // Two conditional writes collided (ConditionalRequestConflict); perhaps neither was carried out.
            409 => Err(StoreError::Unavailable(error_text(&mut response))),
            _ => Err(failed(&mut response)),
        }
    }

    /// Writes an object, whether there is one of this key or not.
    pub fn put(&self, key: &str, body: &[u8]) -> Result<(), StoreError> {
        let credentials = self.credentials();
        let action = self.bucket.put_object(credentials.as_deref(), key);
        let mut response = self.send("put", &action, &Map::new(), Some(body))?;
        if response.status().is_success() { Ok(()) } else { Err(failed(&mut response)) }
    }

    /// The metadata of an object; `None` where there is no such object.
    pub fn head(&self, key: &str) -> Result<Option<Metadata>, StoreError> {
        let credentials = self.credentials();
        let action = self.bucket.head_object(credentials.as_deref(), key);
        let mut response = self.send("head", &action, &Map::new(), None)?;
        match response.status().as_u16() {
            200 => Ok(Some(Metadata(response.headers().clone()))),
            404 => Ok(None),
            _ => Err(failed(&mut response)),
        }
    }

    /// The bytes of an object; `None` where there is no such object.
    pub fn get(&self, key: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.get_with_metadata(key, limit_bytes)?.map(|(bytes, _)| bytes))
    }

    /// The bytes and the metadata of an object; `None` where there is no such object.
    pub fn get_with_metadata(
        &self,
        key: &str,
        limit_bytes: u64,
    ) -> Result<Option<(Vec<u8>, Metadata)>, StoreError> {
        let credentials = self.credentials();
        let action = self.bucket.get_object(credentials.as_deref(), key);
        let mut response = self.send("get", &action, &Map::new(), None)?;
        match response.status().as_u16() {
            200 => {}
            404 if error_text(&mut response).contains("NoSuchBucket") => return Err(no_bucket()),
            404 => return Ok(None),
            _ => return Err(failed(&mut response)),
        }
        let length = response.body().content_length();
        if length.is_some_and(|length| length > limit_bytes) {
            return Err(StoreError::TooLarge { limit_bytes });
        }
        let mut bytes = Vec::with_capacity(length.and_then(|l| usize::try_from(l).ok()).unwrap_or(0));
        let reader = response.body_mut().with_config().limit(u64::MAX).reader();
        reader
            .take(limit_bytes.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        match bytes.len() as u64 {
            read if read > limit_bytes => Err(StoreError::TooLarge { limit_bytes }),
            read if length.is_some_and(|length| length != read) => {
                Err(StoreError::Unavailable("the response ended early".to_owned()))
            }
            _ => Ok(Some((bytes, Metadata(response.headers().clone())))),
        }
    }

    /// Deletes an object, if there is one.
    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        let credentials = self.credentials();
        let action = self.bucket.delete_object(credentials.as_deref(), key);
        let mut response = self.send("delete", &action, &Map::new(), None)?;
        match response.status().as_u16() {
            200 | 204 | 404 => Ok(()),
            _ => Err(failed(&mut response)),
        }
    }

    /// The objects whose keys begin with `prefix` and are above `after`, which may be empty.
    pub fn list(&self, prefix: &str, after: &str) -> Listing<'_> {
        let (prefix, after) = (prefix.to_owned(), Some(after.to_owned()));
        Listing { store: self, prefix, page: Vec::new().into_iter(), after }
    }

    /// One page of a listing, and whether it is the last.
    fn list_page(&self, prefix: &str, after: &str) -> Result<(Vec<Listed>, bool), StoreError> {
        let credentials = self.credentials();
        let mut action = self.bucket.list_objects_v2(credentials.as_deref());
        action.with_prefix(prefix);
        if !after.is_empty() {
            action.with_start_after(after);
        }
        let mut response = self.send("list", &action, &Map::new(), None)?;
        if !response.status().is_success() {
            return Err(failed(&mut response));
        }
        let body = response.body_mut().with_config().limit(MAX_LISTING_BYTES).read_to_string();
        let body = body.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let listed = ListObjectsV2::parse_response(&body)
            .map_err(|error| StoreError::Unavailable(format!("invalid listing: {error}")))?;
        let objects = listed.contents.into_iter().map(|object| Listed {
            key: object.key,
            last_modified: object.last_modified.unwrap_or_default(),
        });
        Ok((objects.collect(), listed.next_continuation_token.is_none()))
    }

    /// Whether the bucket exists and may be used.
    pub fn check(&self) -> Result<(), StoreError> {
        let credentials = self.credentials();
        let action = self.bucket.head_bucket(credentials.as_deref());
        let mut response = self.send("check", &action, &Map::new(), None)?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            404 => Err(no_bucket()),
            _ => Err(failed(&mut response)),
        }
    }

    fn credentials(&self) -> Option<Arc<Credentials>> {
        sync::read(&self.credentials).clone()
    }

    /// Signs and sends one request. Its URL holds the signature and is never logged.
    fn send<'a, A: S3Action<'a>>(
        &self,
        operation: &str,
        action: &A,
        headers: &Map<'_>,
        body: Option<&[u8]>,
    ) -> Result<Response<ureq::Body>, StoreError> {
        let _timer = self.seconds.with_label_values(&[operation]).start_timer();
        let url = action.sign(SIGNED_FOR);
        let answered = match (A::METHOD, body) {
            (rusty_s3::Method::Put, body) => {
                let mut request = self.agent.put(url.as_str());
                for (name, value) in headers.iter() {
                    request = request.header(name, value);
                }
                request.send(body.unwrap_or_default())
            }
            (rusty_s3::Method::Head, _) => self.agent.head(url.as_str()).call(),
            (rusty_s3::Method::Delete, _) => self.agent.delete(url.as_str()).call(),
            (_, _) => self.agent.get(url.as_str()).call(),
        };
        answered.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

fn no_bucket() -> StoreError {
    StoreError::Refused { status: 404, message: "no such bucket".to_owned() }
}

/// The error of an unexpected status.
fn failed(response: &mut Response<ureq::Body>) -> StoreError {
    let status = response.status().as_u16();
    let message = error_text(response);
    match status {
        // Timeouts, too many requests, and the store's own failures.
        408 | 429 | 500..=599 => StoreError::Unavailable(format!("{status} {message}")),
        _ => StoreError::Refused { status, message },
    }
}

/// The code and the words of an error document.
fn error_text(response: &mut Response<ureq::Body>) -> String {
    let mut text = String::new();
    // An unreadable document leaves the message empty; the status is enough.
    let _ = response.body_mut().as_reader().take(MAX_ERROR_BYTES).read_to_string(&mut text);
    let tag = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(value, _)| value.to_owned())
    };
    [tag("Code"), tag("Message")].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

/// `http://host:port/bucket` as endpoint and bucket.
fn split_url(url: &str) -> Option<(&str, &str)> {
    let (_, rest) = url.split_once("://")?;
    let (endpoint, bucket) = url.trim_end_matches('/').rsplit_once('/')?;
    let whole = rest.contains('/') && !bucket.is_empty() && !endpoint.ends_with('/');
    whole.then_some((endpoint, bucket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_the_last_part_of_its_url() {
        assert_eq!(split_url("http://127.0.0.1:7480/logs"), Some(("http://127.0.0.1:7480", "logs")));
        assert_eq!(split_url("https://s3.example/prefix/logs/"), Some(("https://s3.example/prefix", "logs")));
        for bad in ["", "logs", "http://host", "http://host/", "host/logs"] {
            assert_eq!(split_url(bad), None, "{bad}");
        }
    }
}
