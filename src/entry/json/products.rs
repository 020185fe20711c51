//! What single products mean by names that others use otherwise. A product is a row: the names that tell it, and what it
//! means by some of them; all other names mean what [`super::names`] says.
//!
//! Input: the names in a line. Output: the first row whose marks are among them. Never: a guess at units; a number called
//! `duration` is one only where its product is known.

use crate::entry::field::{Escape, Field, Unit};

/// A row of the table.
pub(in crate::entry) struct Product {
    pub(in crate::entry) name: &'static str,
    /// All of these must be there,
    pub(super) all: &'static [&'static str],
    /// and one of these, if there are any.
    pub(super) any: &'static [&'static str],
    /// What some names mean here.
    pub(super) fields: &'static [(&'static str, Field)],
    /// Nothing but `fields` counts.
    pub(super) is_closed: bool,
    /// Its times are UTC where they have no offset.
    pub(in crate::entry) is_utc: bool,
    /// Its method, where it logs none.
    pub(in crate::entry) method: Option<&'static str>,
    /// What the field [`Field::Guard`] must begin with, if it is there.
    pub(super) guard: &'static str,
    /// How user agents are escaped, within the escaping of JSON.
    pub(super) agent: Escape,
}

const PRODUCT: Product = Product {
    name: "json",
    all: &[],
    any: &[],
    fields: &[],
    is_closed: false,
    is_utc: false,
    method: None,
    guard: "",
    agent: Escape::Json,
};

const MILLIS: Field = Field::Duration(Unit::Millis);
const SECONDS: Field = Field::Duration(Unit::Seconds);

pub(super) static PRODUCTS: [Product; 19] = [
    Product {
        name: "entries",
        all: &["receivedat"],
        fields: &[
            ("receivedat", Field::Time),
            ("method", Field::Method),
            ("path", Field::Target),
            ("useragent", Field::Agent),
            ("route", Field::Route),
            ("status", Field::Status),
            ("responsebytes", Field::Bytes),
            ("durationseconds", SECONDS),
            ("host", Field::Host),
            ("referrer", Field::Referrer),
            ("clientip", Field::Client),
            ("country", Field::Country),
        ],
        is_closed: true,
        ..PRODUCT
    },
    // Docker's json-file driver, and what log shippers make of it.
    Product {
        name: "docker",
        all: &["log"],
        any: &["stream", "time"],
        fields: &[("log", Field::Inner), ("stream", Field::Stream)],
        is_closed: true,
        ..PRODUCT
    },
    // systemd's Journal JSON Format.
    Product {
        name: "journald",
        all: &["message"],
        any: &["realtimetimestamp", "systemdunit", "bootid"],
        fields: &[("message", Field::Inner)],
        is_closed: true,
        ..PRODUCT
    },
    Product {
        name: "kong",
        all: &["latencies.request"],
        fields: &[("latencies.request", MILLIS)],
        ..PRODUCT
    },
    Product {
        name: "caddy",
        all: &["request.method", "request.uri"],
        fields: &[("duration", SECONDS)],
        is_utc: true,
        guard: "http.log.access",
        ..PRODUCT
    },
    Product {
        name: "traefik",
        any: &["startutc", "downstreamstatus", "downstreamcontentsize"],
        fields: &[("duration", Field::Duration(Unit::Nanos))],
        ..PRODUCT
    },
    Product {
        name: "envoy",
        any: &[
            "responseflags",
            "responsecodedetails",
            "upstreamcluster",
            "downstreamremoteaddress",
            "downstreamlocaladdress",
            "xenvoyoriginalpath",
            "xenvoyoriginpath",
        ],
        fields: &[("duration", MILLIS), ("xforwardedfor", Field::Forwarded)],
        ..PRODUCT
    },
    // Tomcat's JsonAccessLogValve: `host` is the remote host.
    Product { name: "tomcat", all: &["logicalusername"], fields: &[("host", Field::Client)], ..PRODUCT },
    Product {
        name: "logback-access",
        all: &["requesteduri", "elapsedtime"],
        fields: &[("elapsedtime", MILLIS)],
        ..PRODUCT
    },
    Product {
        name: "pino-http",
        all: &["req.method", "responsetime"],
        fields: &[("responsetime", MILLIS)],
        ..PRODUCT
    },
    Product { name: "lograge", all: &["controller", "action"], fields: &[("duration", MILLIS)], ..PRODUCT },
    // Matomo's log_format for nginx has no method, and calls `$request_time`, which is seconds, milliseconds.
    Product { name: "matomo", all: &["generationtimemilli"], method: Some("GET"), ..PRODUCT },
    // Akamai's DataStream 2.
    Product { name: "akamai", all: &["reqtimesec"], agent: Escape::Form, ..PRODUCT },
    // CloudFront's standard logging v2 as JSON.
    Product {
        name: "cloudfront",
        all: &["csmethod", "csuristem"],
        fields: &[("timetaken", SECONDS)],
        is_utc: true,
        agent: Escape::Percent,
        ..PRODUCT
    },
    // Azure's Application Gateway v2 and Front Door count seconds; v1 milliseconds, under the same name.
    Product {
        name: "azure",
        all: &["properties.httpmethod", "properties.timetaken"],
        any: &["properties.serverresponselatency", "properties.trackingreference", "properties.originalhost"],
        fields: &[("properties.timetaken", SECONDS)],
        ..PRODUCT
    },
    Product { name: "vercel", all: &["proxy.method"], ..PRODUCT },
    Product { name: "cloudflare", all: &["clientrequestmethod"], ..PRODUCT },
    Product { name: "google-cloud", all: &["httprequest.requestmethod"], ..PRODUCT },
    Product { name: "json", ..PRODUCT },
];
