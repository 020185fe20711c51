//! What the fields of JSON access logs are called, and the columns of W3C logs.
//!
//! Input: a name, written in any way: letters and digits alone count, small or large, and a dot stands for nesting. Output: a
//! field and its rank among the names of that field. Never: what an upstream said, or sizes and addresses of the server.

use crate::entry::field::{Field, Unit};

/// Names of a field, the one that counts most first; names with `|` between count alike.
type Named = (Field, &'static [&'static str]);

/// All names. `request.…` is Caddy's, `proxy.…` Vercel's, `properties.…` Azure's, `httprequest.…` Google's, `req.…` and
/// `res.…` pino's; `url.…`, `source.…`, `client.…` and `http.…` are those of ECS and OpenTelemetry.
pub(super) const NAMES: [Named; 22] = [
    (
        Field::Time,
        &[
            "receivedat",
            "timeiso8601",
            "startutc",
            "edgestarttimestamp",
            "starttime|requeststarttime",
            "startlocal",
            "startedat|requesttimeepoch|reqtimesec|timeunixnano",
            "ts|msec",
            "proxy.timestamp",
            "timestamp",
            "datetime",
            "timelocal",
            "time",
            "eventtime|accesstime|requestreceivedtime",
        ],
    ),
    (Field::TimeOrSeconds, &["requesttime"]),
    (Field::Date, &["date"]),
    (Field::Request, &["request", "requestline|httprequestline|requestfirstline", "requestedurl"]),
    (
        Field::Method,
        &[
            "method",
            "requestmethod|httpmethod|clientrequestmethod|csmethod|reqmethod|requestverb|verb",
            "request.method|proxy.method|req.method|httprequest.requestmethod|httprequest.httpmethod",
            "http.request.method|http.method|properties.httpmethod",
        ],
    ),
    (
        Field::Target,
        &[
            "xenvoyoriginalpath|xenvoyoriginpath",
            "requesturi|clientrequesturi|url.original|originaluri|originalurl|csuri",
            "path",
            "requesturl|requestpath|requesteduri|reqpath|clientrequestpath|csuristem|rawpath",
            "request.uri|request.url|request.path|req.url|proxy.path|httprequest.requesturl|httprequest.uri",
            "url|url.full|http.target|http.url|http.path|properties.requesturi|target",
            "url.path",
            "resourcepath",
        ],
    ),
    (Field::Rewritten, &["uri|documenturi"]),
    (
        Field::Query,
        &[
            "query|querystring|args|requestquery|csuriquery|querystr|rawquerystring",
            "url.query|httprequest.args|properties.requestquery|clientrequestquery",
        ],
    ),
    (
        Field::Status,
        &[
            "status|edgeresponsestatus|downstreamstatus|scstatus",
            "responsestatus|responsecode|responsestatuscode|httpstatus|httpstatuscode|respstatus",
            "proxy.statuscode|response.status|response.statuscode|res.statuscode|httprequest.status",
            "http.response.statuscode|http.statuscode|http.status|properties.httpstatus|properties.httpstatuscode",
            "statuscode",
        ],
    ),
    (
        Field::Bytes,
        &[
            "responsebytes|edgeresponsebytes|downstreamcontentsize|scbytes",
            "bodybytessent|bodysent",
            "bytessent|bytesout|sentbytes",
            "responsesize|responsebodysize|responselength|responsebodybytes|respsize",
            "bytes|size|length",
            "response.size|response.bodysize|proxy.responsebytesize|httprequest.responsesize",
            "http.response.body.bytes|http.response.body.size|http.response.bytes|http.response.size",
            "http.responsecontentlength|properties.sentbytes|properties.responsebytes",
        ],
    ),
    (Field::Duration(Unit::Nanos), &["event.duration"]),
    (Field::Duration(Unit::Seconds), &["http.server.request.duration"]),
    (Field::DurationWithUnit, &["httprequest.latency"]),
    (
        Field::Host,
        &[
            "xforwardedhost|xhostheader",
            "httphost|authority|requesthost|clientrequesthost|reqhost|hostheader|request.host|proxy.host",
            "cshost|request.headers.host|req.headers.host|http.host|properties.originalhost",
            "host|url.domain|properties.host|properties.hostname|vhost|virtualhost",
            "servername|domain|domainname|server.address|net.host.name",
        ],
    ),
    (
        Field::Referrer,
        &[
            "referrer|referer|httpreferer|httpreferrer|requestreferer|requestreferrer|clientrequestreferer|csreferer",
            "request.headers.referer|req.headers.referer|proxy.referer|httprequest.referer|properties.referer",
            "http.request.referrer|http.referer|http.referrer|http.request.headers.referer|http.request.header.referer",
        ],
    ),
    (
        Field::Agent,
        &[
            "useragent|httpuseragent|requestuseragent|clientrequestuseragent|csuseragent|useragent.original",
            "request.headers.useragent|req.headers.useragent|proxy.useragent|httprequest.useragent",
            "http.useragent|http.request.headers.useragent|http.request.header.useragent|properties.useragent",
            "agent|ua",
        ],
    ),
    (
        Field::Client,
        &[
            "clientip|request.clientip|proxy.clientip|source.ip|client.ip|client.address|cip|cliip",
            "remoteaddr|remoteip|clienthost|request.remoteip|httprequest.remoteip|httprequest.clientip",
            "clientaddr|clientaddress|request.remoteaddr|req.remoteaddress|req.remoteaddr|req.ip",
            "downstreamremoteaddress|sourceip|srcip|http.clientip|properties.clientip|realip|xrealip",
            "ip|client|remotehost|source.address|net.peer.ip|net.sock.peer.addr|network.peer.address",
            "downstreamdirectremoteaddress",
            "xforwardedfor|httpxforwardedfor|forwardedfor",
        ],
    ),
    (Field::Route, &["route"]),
    (Field::Country, &["country"]),
    (Field::Inner, &["log", "message"]),
    (Field::Stream, &["stream"]),
    (Field::Guard, &["logger"]),
];

/// Names that only tell one product from another.
pub(super) const MARKS: [&str; 24] = [
    "realtimetimestamp",
    "systemdunit",
    "bootid",
    "latencies.request",
    "downstreamlocaladdress",
    "responseflags",
    "responsecodedetails",
    "upstreamcluster",
    "logicalusername",
    "elapsedtime",
    "responsetime",
    "generationtimemilli",
    "controller",
    "action",
    "properties.timetaken",
    "properties.serverresponselatency",
    "properties.trackingreference",
    "timetaken",
    "duration",
    "latency",
    "elapsed",
    "took",
    "requestduration",
    "totaltime",
];

/// Names of durations that say no unit, and what is put behind them that does.
pub(super) const DURATIONS: [&str; 10] = [
    "duration",
    "latency",
    "elapsed",
    "elapsedtime",
    "took",
    "requesttime",
    "responsetime",
    "requestduration",
    "timetaken",
    "totaltime",
];
pub(super) const UNITS: [(&str, Unit); 17] = [
    ("s", Unit::Seconds),
    ("sec", Unit::Seconds),
    ("secs", Unit::Seconds),
    ("seconds", Unit::Seconds),
    ("ms", Unit::Millis),
    ("msec", Unit::Millis),
    ("millis", Unit::Millis),
    ("milliseconds", Unit::Millis),
    ("us", Unit::Micros),
    ("usec", Unit::Micros),
    ("micros", Unit::Micros),
    ("microseconds", Unit::Micros),
    ("ns", Unit::Nanos),
    ("nsec", Unit::Nanos),
    ("nano", Unit::Nanos),
    ("nanos", Unit::Nanos),
    ("nanoseconds", Unit::Nanos),
];

/// Objects that only hold the others: what is in them counts as if it stood at the top.
pub(super) const WRAPPERS: [&str; 4] = ["attributes", "jsonpayload", "fields", "logattributes"];
