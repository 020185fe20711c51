//! What single products mean by names that others use otherwise. A product is a row: the names that tell it, and what it
//! means by some of them; all other names mean what [`super::names`] says.
//!
//! Input: the names in a line. Output: the first row whose marks are among them. Never: a guess at units; a number called
//! `duration` is one only where its product is known.

use crate::entry::field::{Escape, LogField, Unit};

/// A row of the table.
pub(in crate::entry) struct Product {
    pub(in crate::entry) name: &'static str,
    /// All of these must be there,
    pub(super) all: &'static [&'static str],
    /// and one of these, if there are any.
    pub(super) any: &'static [&'static str],
    /// What some names mean here.
    pub(super) fields: &'static [(&'static str, LogField)],
    /// Nothing but `fields` counts.
    pub(super) is_closed: bool,
    /// Its times are UTC where they have no offset.
    pub(in crate::entry) is_utc: bool,
    /// Its method, where it logs none.
    pub(in crate::entry) method: Option<&'static str>,
    /// What the field [`LogField::Guard`] must begin with, if it is there.
    pub(in crate::entry) guard: &'static str,
    /// How user agents are escaped, within the escaping of JSON,
    pub(super) agent: Escape,
    /// and referrers.
    pub(super) referrer: Escape,
    /// Its paths lack their slash.
    pub(in crate::entry) lacks_slash: bool,
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
    referrer: Escape::Json,
    lacks_slash: false,
};

const MILLIS: LogField = LogField::Duration(Unit::Millis);
const SECONDS: LogField = LogField::Duration(Unit::Seconds);

pub(super) static PRODUCTS: [Product; 49] = [
    Product {
        name: "entries",
        all: &["receivedat"],
        fields: &[
            ("receivedat", LogField::Time),
            ("method", LogField::Method),
            ("path", LogField::Target),
            ("useragent", LogField::Agent),
            ("route", LogField::Route),
            ("status", LogField::Status),
            ("responsebytes", LogField::Bytes),
            ("durationseconds", SECONDS),
            ("host", LogField::Host),
            ("referrer", LogField::Referrer),
            ("clientip", LogField::Client),
            ("country", LogField::Country),
        ],
        is_closed: true,
        ..PRODUCT
    },
    // Docker's json-file driver, and what log shippers make of it.
    Product {
        name: "docker",
        all: &["log"],
        any: &["stream", "time"],
        fields: &[("log", LogField::Inner), ("stream", LogField::Stream), ("time", LogField::Time)],
        is_closed: true,
        ..PRODUCT
    },
    // systemd's Journal JSON Format.
    Product {
        name: "journald",
        all: &["message"],
        any: &["realtimetimestamp", "systemdunit", "bootid"],
        fields: &[("message", LogField::Inner), ("realtimetimestamp", LogField::Time)],
        is_closed: true,
        ..PRODUCT
    },
    Product {
        name: "kong",
        all: &["latencies.request"],
        fields: &[("latencies.request", MILLIS)],
        ..PRODUCT
    },
    // The http-logger of APISIX.
    Product { name: "apisix", all: &["apisixlatency"], fields: &[("latency", MILLIS)], ..PRODUCT },
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
        fields: &[("duration", LogField::Duration(Unit::Nanos))],
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
        fields: &[("duration", MILLIS), ("xforwardedfor", LogField::Forwarded)],
        ..PRODUCT
    },
    // Tomcat's JsonAccessLogValve: `host` is the remote host.
    Product { name: "tomcat", all: &["logicalusername"], fields: &[("host", LogField::Client)], ..PRODUCT },
    Product {
        name: "logback-access",
        all: &["requesteduri", "elapsedtime"],
        fields: &[("elapsedtime", MILLIS), ("contentlength", LogField::Bytes)],
        ..PRODUCT
    },
    Product {
        name: "pino-http",
        all: &["req.method", "responsetime"],
        fields: &[("responsetime", MILLIS)],
        ..PRODUCT
    },
    // restify's audit logger.
    Product {
        name: "restify",
        all: &["req.method", "remoteaddress", "latency"],
        fields: &[("latency", MILLIS)],
        ..PRODUCT
    },
    // Open Liberty's "JSON log events reference list", access log.
    Product {
        name: "liberty",
        all: &["ibmrequestmethod", "ibmuripath"],
        fields: &[
            ("ibmdatetime", LogField::Time),
            ("ibmrequestmethod", LogField::Method),
            ("ibmuripath", LogField::Target),
            ("ibmquerystring", LogField::Query),
            ("ibmresponsecode", LogField::Status),
            ("ibmbytesreceived", LogField::Bytes),
            ("ibmelapsedtime", LogField::Duration(Unit::Micros)),
            ("ibmrequestheaderhost", LogField::Host),
            ("ibmrequestheaderreferer", LogField::Referrer),
            ("ibmuseragent", LogField::Agent),
            ("ibmremotehost", LogField::Client),
        ],
        is_closed: true,
        ..PRODUCT
    },
    // The operations log of Ceph's gateway (`rgw_log.cc`): `uri` is the request line. It counted microseconds before it had
    // `trans_id`.
    Product {
        name: "ceph-rgw",
        all: &["uri", "httpstatus", "totaltime", "transid"],
        fields: &[("uri", LogField::Request), ("totaltime", MILLIS)],
        ..PRODUCT
    },
    Product {
        name: "ceph-rgw",
        all: &["uri", "httpstatus", "totaltime", "objectsize"],
        fields: &[("uri", LogField::Request), ("totaltime", LogField::Duration(Unit::Micros))],
        ..PRODUCT
    },
    // API Gateway, "Variables for access logging".
    Product {
        name: "api-gateway",
        all: &["requestid", "responselatency"],
        fields: &[("responselatency", MILLIS)],
        ..PRODUCT
    },
    Product { name: "lograge", all: &["controller", "action"], fields: &[("duration", MILLIS)], ..PRODUCT },
    // Matomo's log_format for nginx has no method, and calls `$request_time`, which is seconds, milliseconds.
    Product { name: "matomo", all: &["generationtimemilli"], method: Some("GET"), ..PRODUCT },
    // Akamai's DataStream 2.
    Product {
        name: "akamai",
        all: &["reqtimesec"],
        agent: Escape::Form,
        referrer: Escape::Form,
        lacks_slash: true,
        ..PRODUCT
    },
    // Azure's App Service, without its envelope.
    Product {
        name: "azure",
        all: &["csmethod", "csuristem", "sport", "csusername"],
        fields: &[("timetaken", MILLIS)],
        agent: Escape::Plus,
        ..PRODUCT
    },
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
        any: &[
            "properties.serverresponselatency",
            "properties.trackingreference",
            "properties.originalrequesturiwithargs",
            "properties.clientresponsetime",
            "properties.wafevaluationtime",
            "properties.sslcipher",
        ],
        // What was asked for, and what it was rewritten to.
        fields: &[
            ("properties.timetaken", SECONDS),
            ("properties.originalrequesturiwithargs", LogField::Target),
            ("properties.requesturi", LogField::Target),
        ],
        ..PRODUCT
    },
    Product {
        name: "azure",
        all: &["properties.httpmethod", "properties.timetaken", "properties.instanceid"],
        fields: &[("properties.timetaken", MILLIS)],
        agent: Escape::Plus,
        ..PRODUCT
    },
    // Azure's API Management.
    Product {
        name: "azure",
        all: &["calleripaddress", "properties.responsecode"],
        fields: &[
            ("calleripaddress", LogField::Client),
            ("properties.method", LogField::Method),
            ("properties.url", LogField::Target),
            ("properties.responsecode", LogField::Status),
            ("properties.responsesize", LogField::Bytes),
        ],
        ..PRODUCT
    },
    Product {
        name: "linkerd",
        all: &["processingns", "totalns"],
        fields: &[("totalns", LogField::Duration(Unit::Nanos)), ("client.addr", LogField::Client)],
        ..PRODUCT
    },
    // ASP.NET Core's request logging by Serilog, in its compact format.
    Product {
        name: "serilog",
        all: &["t", "mt", "elapsed"],
        fields: &[("t", LogField::Time), ("elapsed", MILLIS)],
        ..PRODUCT
    },
    // Vercel's log drains: `path` is that of the function that answered.
    Product {
        name: "vercel",
        all: &["proxy.method", "proxy.path"],
        fields: &[("path", LogField::Ignored)],
        ..PRODUCT
    },
    // Netlify's traffic log drains: the URL has the host.
    Product {
        name: "netlify",
        all: &["siteid", "url"],
        fields: &[("path", LogField::Ignored), ("duration", MILLIS)],
        ..PRODUCT
    },
    // What the apache2 and nginx parsers of Fluentd and Fluent Bit give.
    Product {
        name: "fluentd",
        all: &["remote", "code"],
        fields: &[("remote", LogField::Client), ("code", LogField::Status)],
        ..PRODUCT
    },
    // Logstash's COMBINEDAPACHELOG before ECS: `host` is the machine that read the log.
    Product {
        name: "logstash",
        all: &["verb", "httpversion"],
        fields: &[("response", LogField::Status), ("host", LogField::Ignored)],
        ..PRODUCT
    },
    // GELF: `host` is the machine that sends, and the message may be the line.
    Product {
        name: "gelf",
        all: &["shortmessage"],
        fields: &[("host", LogField::Ignored), ("shortmessage", LogField::Inner)],
        ..PRODUCT
    },
    // Datadog's archives: `host` is the machine, and durations are nanoseconds ("Default Standard Attributes").
    Product {
        name: "datadog",
        all: &["id", "service", "source", "host"],
        fields: &[("host", LogField::Ignored), ("duration", LogField::Duration(Unit::Nanos))],
        ..PRODUCT
    },
    // Its search's answers.
    Product {
        name: "datadog",
        all: &["id", "type", "service", "host"],
        fields: &[("host", LogField::Ignored), ("duration", LogField::Duration(Unit::Nanos))],
        ..PRODUCT
    },
    Product { name: "cloudflare", all: &["clientrequestmethod"], ..PRODUCT },
    Product {
        name: "google-cloud",
        all: &["httprequest.requestmethod"],
        fields: &[("httprequest.remoteip", LogField::Client)],
        ..PRODUCT
    },
    // App Engine's request log.
    Product {
        name: "google-cloud",
        all: &["protopayload.method", "protopayload.resource"],
        fields: &[
            ("protopayload.starttime", LogField::Time),
            ("protopayload.method", LogField::Method),
            ("protopayload.resource", LogField::Target),
            ("protopayload.status", LogField::Status),
            ("protopayload.responsesize", LogField::Bytes),
            ("protopayload.latency", LogField::DurationWithUnit),
            ("protopayload.host", LogField::Host),
            ("protopayload.referrer", LogField::Referrer),
            ("protopayload.useragent", LogField::Agent),
            ("protopayload.ip", LogField::Client),
        ],
        is_closed: true,
        ..PRODUCT
    },
    // Fastly's examples of formats: microseconds, and times that are UTC whether they say so or not.
    Product {
        name: "fastly",
        all: &["timeelapsed"],
        any: &["istls", "serviceid", "geocity", "geocountrycode", "cachestatus"],
        fields: &[("timeelapsed", LogField::Duration(Unit::Micros))],
        is_utc: true,
        ..PRODUCT
    },
    // Heroku's router. The whole time is what it took to connect to the dyno and to serve the request.
    Product {
        name: "heroku",
        all: &["fwd", "dyno", "service"],
        fields: &[
            ("fwd", LogField::Forwarded),
            ("connect", LogField::DurationPart(Unit::Millis)),
            ("service", LogField::DurationPart(Unit::Millis)),
        ],
        ..PRODUCT
    },
    // Grafana's request log; before version 10 it has no `duration`.
    Product {
        name: "grafana",
        all: &["logger", "t", "timems"],
        fields: &[("t", LogField::Time), ("duration", MILLIS), ("timems", MILLIS)],
        ..PRODUCT
    },
    Product {
        name: "aws-waf",
        all: &["terminatingruleid", "httprequest.httpmethod"],
        fields: &[("responsecodesent", LogField::Status)],
        ..PRODUCT
    },
    Product {
        name: "vpc-lattice",
        all: &["servicearn", "sourceipport"],
        fields: &[("duration", MILLIS)],
        ..PRODUCT
    },
    // Oracle Cloud's load balancer, as its logging service wraps it.
    Product {
        name: "oci-load-balancer",
        all: &["data.lbstatuscode", "data.backendaddr"],
        fields: &[
            ("data.timestamp", LogField::Time),
            ("data.request", LogField::Request),
            ("data.lbstatuscode", LogField::Status),
            ("data.sentbytes", LogField::Bytes),
            ("data.requestprocessingtime", SECONDS),
            ("data.host", LogField::Host),
            ("data.useragent", LogField::Agent),
            ("data.clientaddr", LogField::Client),
            ("data.forwardedforaddr", LogField::Forwarded),
        ],
        ..PRODUCT
    },
    Product {
        name: "tyk",
        all: &["latencytotal", "latencyupstream"],
        fields: &[("latencytotal", MILLIS)],
        ..PRODUCT
    },
    // Alibaba's CDN in real time, and Huawei's, which calls the time what Alibaba calls the duration.
    Product {
        name: "alibaba-cdn",
        all: &["uriparam", "hitinfo"],
        fields: &[
            ("requesttime", LogField::TimeOrDuration(Unit::Millis)),
            ("responsetime", MILLIS),
            ("uriparam", LogField::Query),
            ("referdomain", LogField::Referrer),
        ],
        ..PRODUCT
    },
    // Tencent's CDN in real time.
    Product {
        name: "tencent-cdn",
        all: &["rspsize", "httpcode", "requesttime"],
        fields: &[("rspsize", LogField::Bytes), ("requesttime", MILLIS), ("param", LogField::Query)],
        ..PRODUCT
    },
    // What Vector and Splunk parsed: `host` is the machine that read the log.
    Product { name: "vector", all: &["sourcetype"], fields: &[("host", LogField::Ignored)], ..PRODUCT },
    Product { name: "json", ..PRODUCT },
    Product { name: "logfmt", ..PRODUCT },
    // The recommended labels of LTSV: `host` is the client.
    Product {
        name: "ltsv",
        fields: &[
            ("host", LogField::Client),
            ("vhost", LogField::Host),
            ("req", LogField::Request),
            ("reqtime", SECONDS),
            ("reqtimemicrosec", LogField::Duration(Unit::Micros)),
        ],
        ..PRODUCT
    },
];

pub(super) static LOGFMT: &Product = &PRODUCTS[PRODUCTS.len() - 2];
