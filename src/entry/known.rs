//! The text formats that are told apart line by line. A format is a row: its name, its line in nginx's syntax with the
//! variables of `format::variables`, and how its writer escapes texts. `tests/formats` has an example of each.
//!
//! Input: a line. Output: its fields, by the first row that it fits. Never: a line whose reading depends on other lines.
//!
//! The order decides where a line fits several rows: what says more about itself stands first. Rows whose first and last
//! bytes do not suit a line cost it nothing.

use std::sync::LazyLock;

use super::field::{Escape, Found};
use super::format::nginx::known_steps;
use super::template::Template;
use super::template::matching::Matcher;

/// A row of the table.
struct Row {
    name: &'static str,
    line: &'static str,
    escape: Escape,
}

const fn row(name: &'static str, line: &'static str, escape: Escape) -> Row {
    Row { name, line, escape }
}

const ROWS: [Row; 27] = [
    // The Elastic Load Balancing user guide, "Access log entries". What was added behind the protocol may grow.
    row(
        "alb",
        r#"$lb_type $time $_ $client:$count $_ $part_seconds $part_seconds $part_seconds $status $number $number $bytes "$request" "$http_user_agent" $_ $_$more"#,
        Escape::Backslash,
    ),
    row(
        "elb",
        r#"$time $_ $client:$count $_ $part_seconds $part_seconds $part_seconds $status $number $number $bytes "$request" "$http_user_agent" $_ $_"#,
        Escape::Backslash,
    ),
    // The classic load balancer's line before 2015 had no agent.
    row(
        "elb",
        r#"$time $_ $client:$count $_ $part_seconds $part_seconds $part_seconds $status $number $number $bytes "$request""#,
        Escape::Backslash,
    ),
    // The S3 user guide, "Amazon S3 server access log format": the host header stands behind the authentication type.
    row(
        "s3",
        r#"$hex_id $_ [$time] $client $_ $_ $_ $_ "$request" $status $_ $bytes $number $millis $number "$http_referer" "$http_user_agent" $_ $_ $_ $_ $_ $authority$more_words"#,
        Escape::Backslash,
    ),
    row(
        "s3",
        r#"$hex_id $_ [$time] $client $_ $_ $_ $_ "$request" $status $_ $bytes $number $millis $number "$http_referer" "$http_user_agent"$more_words"#,
        Escape::Backslash,
    ),
    // HAProxy's configuration manual, 8.2.3; `$rest` of the HTTPS format (8.2.4) is TLS.
    row(
        "haproxy",
        r#"$client:$count [$time] $_ $_/$_ $number/$number/$number/$number/$millis $status $bytes $_ $_ $_ $number/$number/$number/$number/$number $number/$number $text"$request"$more_words"#,
        Escape::Hash,
    ),
    // Envoy's access log usage, "Default format string"; Istio puts details behind the flags and words behind the upstream.
    row(
        "envoy",
        r#"[$time] "$request" $status $_ $number $bytes $millis $number "$forwarded" "$http_user_agent" "$_" "$authority" "$_""#,
        Escape::None,
    ),
    row(
        "istio",
        r#"[$time] "$request" $status $_ $text $number $bytes $millis $number "$forwarded" "$http_user_agent" "$_" "$authority" "$_"$more_words"#,
        Escape::None,
    ),
    // nginx Proxy Manager's `proxy` and `standard`.
    row(
        "nginx-proxy-manager",
        r#"[$time_local] $_ $text $status - $method $_ $authority "$request_uri" [Client $client] [Length $bytes] [Gzip $_] [Sent-to $_] "$http_user_agent" "$http_referer""#,
        Escape::Backslash,
    ),
    row(
        "nginx-proxy-manager",
        r#"[$time_local] $status - $method $_ $authority "$request_uri" [Client $client] [Length $bytes] [Gzip $_] "$http_user_agent" "$http_referer""#,
        Escape::Backslash,
    ),
    // Traefik's common log format: count, router, server and duration behind the agent.
    row(
        "traefik",
        r#"$who [$time] "$request" $status $bytes "$http_referer" "$http_user_agent" $count "$text" "$text" ${millis}ms"#,
        Escape::Quote,
    ),
    // ingress-nginx's `upstreaminfo`, with and without the name of the alternative upstream and the request's id.
    row(
        "ingress-nginx",
        r#"$who [$time] "$request" $status $bytes "$http_referer" "$http_user_agent" $number $seconds [$text] [$text] $text $hex_id"#,
        Escape::Backslash,
    ),
    row(
        "ingress-nginx",
        r#"$who [$time] "$request" $status $bytes "$http_referer" "$http_user_agent" $number $seconds [$text] $text $hex_id"#,
        Escape::Backslash,
    ),
    // LiteSpeed puts the line in quotes, without escaping those inside and with or without the last one.
    row(
        "litespeed",
        r#""$who [$time] "$request" $status $bytes "$http_referer" "$http_user_agent"""#,
        Escape::Backslash,
    ),
    row(
        "litespeed",
        r#""$who [$time] "$request" $status $bytes "$http_referer" "$http_user_agent"$more"#,
        Escape::Backslash,
    ),
    row("litespeed", r#""$who [$time] "$request" $status $bytes""#, Escape::Backslash),
    // Squid's native format.
    row(
        "squid",
        r#"$unix_time $blanks$millis $client $_/$status $bytes $method $url $_ $_/$_$more_words"#,
        Escape::None,
    ),
    // NCSA: Apache's and nginx's common and combined, with a virtual host, with more fields anywhere.
    row(
        "combined",
        r#"$who [$time] $between"$request" $status $bytes "$http_referer" "$http_user_agent"$more"#,
        Escape::Backslash,
    ),
    row(
        "combined",
        r#"[$time] $who_after_time"$request" $status $bytes "$http_referer" "$http_user_agent"$more"#,
        Escape::Backslash,
    ),
    row(
        "combined",
        r#"$who $time $between"$request" $status $bytes "$http_referer" "$http_user_agent"$more"#,
        Escape::Backslash,
    ),
    row(
        "combined",
        r#"$time $who_after_time"$request" $status $bytes "$http_referer" "$http_user_agent"$more"#,
        Escape::Backslash,
    ),
    // Numbers between size and referrer, such as Apache's %D.
    row(
        "combined",
        r#"$who [$time] $between"$request" $status $bytes $number "$http_referer" "$http_user_agent"$more"#,
        Escape::Backslash,
    ),
    row(
        "combined",
        r#"$who [$time] $between"$request" $status $bytes $number $number "$http_referer" "$http_user_agent"$more"#,
        Escape::Backslash,
    ),
    row("common", r#"$who [$time] $between"$request" $status $bytes$more"#, Escape::Backslash),
    row("common", r#"[$time] $who_after_time"$request" $status $bytes$more"#, Escape::Backslash),
    row("common", r#"$who $time $between"$request" $status $bytes$more"#, Escape::Backslash),
    row("common", r#"$time $who_after_time"$request" $status $bytes$more"#, Escape::Backslash),
];

/// A row, compiled.
pub(super) struct KnownFormat {
    pub(super) name: &'static str,
    template: Template,
}

static FORMATS: LazyLock<Vec<KnownFormat>> = LazyLock::new(|| {
    let compile = |row: &Row| {
        let steps = known_steps(row.line).expect("the table's lines are valid");
        KnownFormat { name: row.name, template: Template::new(steps, row.escape) }
    };
    ROWS.iter().map(compile).collect()
});

/// The rows of all formats, or of one.
pub(super) fn formats(name: Option<&str>) -> impl Iterator<Item = &'static KnownFormat> {
    FORMATS.iter().filter(move |format| name.is_none_or(|name| format.name == name))
}

/// Names of the formats, each once.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl KnownFormat {
    /// Whether a line is of this format; then its fields are found.
    #[inline]
    pub(super) fn read(&self, matcher: &mut Matcher, line: &[u8], found: &mut Found) -> bool {
        matcher.read(&self.template, line, found)
    }

    /// How many of the format's steps a line fits, and how many there are.
    pub(super) fn likeness(&self, matcher: &mut Matcher, line: &[u8]) -> (usize, usize) {
        (matcher.depth(&self.template, line), self.template.step_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_compiles_and_has_a_time_and_a_request() {
        use crate::entry::field::Field;
        assert_eq!(FORMATS.len(), ROWS.len());
        for format in FORMATS.iter() {
            let has = |wanted| format.template.has(|field| field == wanted);
            assert!(has(Field::Time), "{}", format.name);
            assert!(has(Field::Request) || has(Field::Target), "{}", format.name);
        }
    }
}
