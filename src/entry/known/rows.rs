//! The rows of the known text formats. A row: its name, its line in nginx's syntax with the variables of `format::variables`, and
//! how its writer escapes texts. Most lines are NCSA lines: a row that such a line may begin like stands behind the NCSA rows,
//! unless those would misread its lines.
//!
//! A word that an end without a blank has in front of it (`|`, `@`) is a text here, whose ends are tried once only.
//!
//! Never: a row for what a row of the same form reads already, or a duration that the format does not name.

use crate::entry::field::Escape;

/// A row of the table.
pub(super) struct FormatRow {
    pub(super) name: &'static str,
    pub(super) line: &'static str,
    pub(super) escape: Escape,
    /// Its method, where it logs none.
    pub(super) method: Option<&'static str>,
    /// Its paths may lack their slash.
    pub(super) lacks_slash: bool,
}

const fn row(name: &'static str, line: &'static str, escape: Escape) -> FormatRow {
    FormatRow { name, line, escape, method: None, lacks_slash: false }
}

pub(super) const ROWS: [FormatRow; 92] = [
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
    // HAProxy's configuration manual, 8.2.3, with and without captured headers; behind the HTTPS format's (8.2.4) stands TLS.
    row(
        "haproxy",
        r#"$client:$count [$time] $_ $_/$_ $number/$number/$number/$number/$millis $status $bytes $_ $_ $_ $number/$number/$number/$number/$number $number/$number {$text} "$request"$more_words"#,
        Escape::Hash,
    ),
    row(
        "haproxy",
        r#"$client:$count [$time] $_ $_/$_ $number/$number/$number/$number/$millis $status $bytes $_ $_ $_ $number/$number/$number/$number/$number $number/$number "$request"$more_words"#,
        Escape::Hash,
    ),
    // The host asked for behind the server, as sites that log it have it.
    row(
        "haproxy",
        r#"$client:$count [$time] $_ $_/$_ $authority $number/$number/$number/$number/$millis $status $bytes $_ $_ $_ $number/$number/$number/$number/$number $number/$number "$request"$more_words"#,
        Escape::Hash,
    ),
    // `option httplog clf` (8.2.3): agent and referrer are always empty; the total stands behind the other timers.
    row(
        "haproxy",
        r#"$who [$time] "$request" $status $bytes "$http_referer" "$http_user_agent" $count $count "$_" "$_" "$_" $number $number $number $number $millis "$_" $number $number $number $number $number $number $number $rest"#,
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
    row(
        "envoy",
        r#"[$time] "$request" $status $_ $number $bytes $millis $number "$forwarded" "$http_user_agent" "$_" "$authority" "$_"$more"#,
        Escape::None,
    ),
    // Emissary puts a word before Envoy's line.
    row(
        "envoy",
        r#"ACCESS [$time] "$request" $status $_ $number $bytes $millis $number "$forwarded" "$http_user_agent" "$_" "$authority" "$_"$more"#,
        Escape::None,
    ),
    // Bunny's CDN, "Log Format". The id is a number of 128 bits, which tells a bar in a user agent from its end.
    FormatRow {
        method: Some("GET"),
        ..row(
            "bunny",
            "$_|$status|$unix_time|$bytes|$count|$client|$http_referer|$target|$text|$http_user_agent|$hex_id|$text",
            Escape::None,
        )
    },
    FormatRow {
        method: Some("GET"),
        ..row(
            "bunny",
            "$_|$status|$unix_time|$bytes|$count|$client|$http_referer|$target|$text|$http_user_agent|$text|$text",
            Escape::None,
        )
    },
    // Gin's logger; before version 1.6 it put no quotes around the path.
    row(
        "gin",
        r#"[GIN] ${t:%Y/%m/%d - %H:%M:%S} |$blanks$status |$blanks$elapsed |$blanks$client | $method $blanks"$target""#,
        Escape::Json,
    ),
    row(
        "gin",
        "[GIN] ${t:%Y/%m/%d - %H:%M:%S} |$blanks$status |$blanks$elapsed |$blanks$client | $method $blanks$target",
        Escape::None,
    ),
    // uWSGI's default; with `log-micros` it counts microseconds.
    row(
        "uwsgi",
        "[pid: $count|app: $_|req: $_] $remote_addr ($text) {$text} [${t:%a %b %e %H:%M:%S %Y}] $method $target => generated $bytes bytes in $millis msecs$text($_ $status) $count headers in $count bytes ($count switches on core $count)",
        Escape::None,
    ),
    row(
        "uwsgi",
        "[pid: $count|app: $_|req: $_] $remote_addr ($text) {$text} [${t:%a %b %e %H:%M:%S %Y}] $method $target => generated $bytes bytes in $micros micros$text($_ $status) $count headers in $count bytes ($count switches on core $count)",
        Escape::None,
    ),
    // Negroni's `LoggerDefaultFormat`.
    row(
        "negroni",
        "[negroni] $time | $status | $blanks$elapsed | $authority | $method $target",
        Escape::None,
    ),
    // Tornado's `log_request` and `LogFormatter`; Jupyter puts the user before the client.
    row(
        "tornado",
        "[$letter ${t:%y%m%d %H:%M:%S} $_] $status $method $target ($client) $elapsed",
        Escape::None,
    ),
    row(
        "jupyter",
        "[$letter $time $text] $status $method $target ($text@$remote_addr) $elapsed$more_words",
        Escape::None,
    ),
    row(
        "jupyter",
        "[$letter $time $text] $status $method $target ($client) $elapsed$more_words",
        Escape::None,
    ),
    row(
        "sanic",
        "[$time] - (sanic.access)[$level][$client]: $method $url $blanks$status $bytes$more_words",
        Escape::None,
    ),
    // Actix's default, behind env_logger's head: `%a "%r" %s %b "%{Referer}i" "%{User-Agent}i" %T`.
    row(
        "actix",
        r#"[$time $_ $blanks$_] $client "$request" $status $bytes "$http_referer" "$http_user_agent" $seconds"#,
        Escape::None,
    ),
    // Hypercorn (`logging.py`): behind its logger's head a combined line whose protocol is a number.
    row(
        "hypercorn",
        r#"[$text] [$count] [$level] $client - - [$time] "$method $target $_" $status $bytes "$http_referer" "$http_user_agent""#,
        Escape::None,
    ),
    // The server built into PHP.
    row("php", "[${t:%a %b %e %H:%M:%S %Y}] $client [$status]: $method $url$more_words", Escape::None),
    // InfluxDB 1, "HTTP access log format": forwarded-for before the client, the request's id and microseconds behind the
    // combined fields. The form of a query stands behind its protocol.
    row(
        "influxdb",
        r#"[httpd] $who [$time] "$method $url HTTP/$_ {$text}" $status $bytes "$http_referer" "$http_user_agent" $_ $micros"#,
        Escape::Backslash,
    ),
    row(
        "influxdb",
        r#"[httpd] $who [$time] "$request" $status $bytes "$http_referer" "$http_user_agent" $_ $micros"#,
        Escape::Backslash,
    ),
    // CouchDB (`chttpd.erl`): host, client, user, request, milliseconds.
    row(
        "couchdb",
        "[notice] $time $_ $_ $_ $authority $client $_ $method $url $status $_ $millis",
        Escape::None,
    ),
    // Alibaba's CDN, "Offline log field descriptions".
    row(
        "alibaba-cdn",
        r#"[${t:%d/%b/%Y:%H:%M:%S%z}] $client $_ $millis "$http_referer" "$request" $status $number $bytes $_ "$http_user_agent" "$text"$more"#,
        Escape::Backslash,
    ),
    // Rails' default log, with and without tags: what was asked for. The answer stands in a line of its own, without the request.
    row("rails", r#"Started $method "$target" for $client at $time"#, Escape::None),
    row("rails", r#"[$text] Started $method "$target" for $client at $time"#, Escape::None),
    // Cloud Storage, "Usage log format".
    row(
        "cloud-storage",
        r#""$unix_time","$client","$text","$text","$method","$target","$status","$number","$bytes","$micros","$authority","$http_referer","$http_user_agent","$rest"#,
        Escape::Doubled,
    ),
    // GlassFish and Payara: `%client.name% %auth-user-name% %datetime% %request% %status% %response.length%`.
    row("glassfish", r#""$client" "$text" "$time" "$request" $status $bytes$more_words"#, Escape::None),
    row(
        "twisted",
        r#""$client" - - [$time] "$request" $status $bytes "$http_referer" "$http_user_agent""#,
        Escape::Backslash,
    ),
    // The JFrog platform's "Request log", and Artifactory's before version 7, which says how much came in.
    FormatRow {
        lacks_slash: true,
        ..row(
            "artifactory",
            "$time|$text|$remote_addr|$text|$request_method|$target|$status|$number|$bytes|$millis|$http_user_agent",
            Escape::None,
        )
    },
    row(
        "artifactory",
        "${t:%Y%m%d%H%M%S}|$millis|REQUEST|$remote_addr|$text|$request_method|$target|$server_protocol|$status|$number",
        Escape::None,
    ),
    // Serilog's request logging in its file and console templates.
    row("serilog", "$time [$_] HTTP $method $target responded $status in $millis ms", Escape::None),
    row("serilog", "[$_ $_] HTTP $method $target responded $status in $millis ms", Escape::None),
    // Chi's logger.
    row("chi", r#"$wall_time $between"$request" from $client - $status ${bytes}B in $elapsed"#, Escape::Json),
    // tower-http's `TraceLayer`, as axum's documentation sets it up; what began a request stands in a line of its own.
    row(
        "tower-http",
        "$time $blanks$level request{method=$method uri=$target version=$text}: tower_http::trace::on_response: finished processing request latency=$millis ms status=$status",
        Escape::None,
    ),
    // The router log of Gitea and Forgejo.
    row(
        "gitea",
        "$wall_time $text router: completed $method $target for $client, $status $text in $elapsed @ $rest",
        Escape::None,
    ),
    // Synapse (`http/site.py`): how long it took and how much it sent. `!` behind the status of a connection that was lost.
    row(
        "synapse",
        r#"$time - synapse.access.$text - $client - $_ - {$text} Processed request: ${seconds}sec$text ${bytes}B $status$between"$request" "$http_user_agent" [$text]"#,
        Escape::None,
    ),
    row("uvicorn", r#"$level:$blanks$client - "$request" $status$rest"#, Escape::None),
    // nginx Proxy Manager's `proxy` and `standard`.
    row(
        "nginx-proxy-manager",
        r#"[$time_local] $_ $text $status - $method $_ $authority "$request_uri" [Client $client] [Length $bytes] [Gzip $_] [Sent-to $text] "$http_user_agent" "$http_referer""#,
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
    // Cloud Foundry's router, "About access logs": host asked for, what came in and what went out, and names behind the agent.
    row(
        "gorouter",
        r#"$authority - [$time] "$request" $status $number $bytes "$http_referer" "$http_user_agent" "$client" "$_" x_forwarded_for:"$forwarded" $text response_time:$seconds $rest"#,
        Escape::Json,
    ),
    row(
        "gorouter",
        r#"$authority - [$time] "$request" $status $number $bytes "$http_referer" "$http_user_agent" "$client" "$_" x_forwarded_for:"$forwarded" $rest"#,
        Escape::Json,
    ),
    // oauth2-proxy, "Request Log Format"; before version 6 without the request's id, and with other times.
    row(
        "oauth2-proxy",
        r#"$client - $text [$wall_time] $authority $method $_ "$target" $_ "$http_user_agent" $status $bytes $seconds"#,
        Escape::Json,
    ),
    row(
        "oauth2-proxy",
        r#"$client - $text [$time] $authority $method $_ "$target" $_ "$http_user_agent" $status $bytes $seconds"#,
        Escape::Json,
    ),
    // APISIX's default `access_log_format`: host before the request, time before the referrer, then the upstream.
    row(
        "apisix",
        r#"$who [$time] $authority "$request" $status $bytes $seconds "$http_referer" "$http_user_agent" $text "$text""#,
        Escape::Backslash,
    ),
    // "Setting up CloudWatch logging for REST APIs in API Gateway", CLF: no blank before the request.
    row("api-gateway", r#"$who [$time]"$request" $status $bytes$more_words"#, Escape::Backslash),
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
    // Apache's `ssl_request_log`: `%t %h %{SSL_PROTOCOL}x %{SSL_CIPHER}x \"%r\" %b`.
    row("apache-ssl", r#"[$time] $client $_ $_ "$request" $bytes"#, Escape::Backslash),
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
    // Nexus: what came in before what went out, and milliseconds.
    row(
        "nexus",
        r#"$who [$time] "$request" $status $number $bytes $millis "$http_user_agent" [$text]"#,
        Escape::None,
    ),
    // Rack's `CommonLogger` (Puma, Sinatra): seconds with four decimals.
    row("rack", r#"$who [$time] "$request" $status $bytes $seconds4"#, Escape::None),
    row("common", r#"$who [$time] $between"$request" $status $bytes$more"#, Escape::Backslash),
    row("common", r#"[$time] $who_after_time"$request" $status $bytes$more"#, Escape::Backslash),
    row("common", r#"$who $time $between"$request" $status $bytes$more"#, Escape::Backslash),
    row("common", r#"$time $who_after_time"$request" $status $bytes$more"#, Escape::Backslash),
    // Seconds since 1970 in the brackets, as nginx's `$msec` has them.
    row(
        "combined",
        r#"$who [$unix_time] $between"$request" $status $bytes "$http_referer" "$http_user_agent"$more"#,
        Escape::Backslash,
    ),
    row("common", r#"$who [$unix_time] $between"$request" $status $bytes$more"#, Escape::Backslash),
    // uvicorn behind what people have Python's `logging` put in front.
    row("uvicorn", r#"$time $text$client - "$method $target HTTP/$_" $status$rest"#, Escape::None),
    row("uvicorn", r#"$client - "$method $target HTTP/$_" $status$rest"#, Escape::None),
    // "IIS Log File Format" of the IIS reference: local time, milliseconds, what came in before what went out.
    row(
        "iis-native",
        "$client, $text, ${t:%m/%d/%y}, ${t:%H:%M:%S}, $text, $text, $text, $millis, $number, $bytes, $status, $number, $method, $target, $rest",
        Escape::None,
    ),
    row(
        "iis-native",
        "$client, $text, ${t:%m/%d/%Y}, ${t:%H:%M:%S}, $text, $text, $text, $millis, $number, $bytes, $status, $number, $method, $target, $rest",
        Escape::None,
    ),
    // Linkerd's format `apache` has no length.
    row("linkerd", r#"$client:$count $_ - [$time] "$request" $status"#, Escape::None),
    // php-fpm's default `access.format`: `%R - %u %t "%m %r%Q%q" %s`.
    row("php-fpm", r#"$who $time "$request" $status"#, Escape::None),
    // morgan's `tiny`, `short` and `dev`.
    row("morgan", "$method $url $status $bytes - $millis ms", Escape::None),
    row("morgan", "$client $_ $method $url $_ $status $bytes - $millis ms", Escape::None),
    row("morgan", "$method $url $status $millis ms - $bytes", Escape::None),
    // Fiber's logger of version 2 and of versions before 2.50.
    row(
        "fiber",
        "$_ | $status | $blanks$elapsed | $blanks$client | $method $blanks| $target | $rest",
        Escape::None,
    ),
    row("fiber", "[$_] $status - $blanks$elapsed $method $blanks$url", Escape::None),
    // ASP.NET Core's own, from version 6 on, and of version 5, which has what came in before what went out. Its console logger
    // indents it.
    row("aspnet", "Request finished $_ $method $url - $status $bytes $_ ${millis}ms", Escape::None),
    row("aspnet", "      Request finished $_ $method $url - $status $bytes $_ ${millis}ms", Escape::None),
    row("aspnet", "Request finished $_ $method $url $_ $_ - $status $bytes $_ ${millis}ms", Escape::None),
    row(
        "aspnet",
        "      Request finished $_ $method $url $_ $_ - $status $bytes $_ ${millis}ms",
        Escape::None,
    ),
    // Bitbucket, "How to read the log formats": `o@` marks what went out, `i@` what came in.
    row(
        "bitbucket",
        r#"$remote_addr | http$text | o@$_ | $text | $time | "$request" | "$http_referer" "$http_user_agent" | $status | $number | $bytes | $text | $millis | $rest"#,
        Escape::None,
    ),
    // CouchDB's lines in the journal, which has the time.
    row("couchdb", "$text@$_ <$_> $_ $authority $client $_ $method $url $status $_ $millis", Escape::None),
];
