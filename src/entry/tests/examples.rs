//! Examples of the known formats of servers, load balancers and CDNs, from their documentation or source, and what is read of them.
//! A row: format, line, entry. Those of applications stand in [`app_examples`].

use super::{app_examples, entry_of, in_utc, read};
use crate::entry::{ReaderOptions, Skip, json, known};

/// Format, line, entry.
pub(super) type Example = (&'static str, &'static str, &'static str);

/// The examples of every format.
pub(super) fn all() -> impl Iterator<Item = &'static Example> {
    EXAMPLES.iter().chain(app_examples::EXAMPLES)
}

const EXAMPLES: &[Example] = &[
    (
        "common",
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
        r#"{"receivedAt":"2000-10-10T20:55:36Z","method":"GET","path":"/apache_pb.gif","userAgent":"","status":200,"responseBytes":2326,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "combined",
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)""#,
        r#"{"receivedAt":"2000-10-10T20:55:36Z","method":"GET","path":"/apache_pb.gif","userAgent":"Mozilla/4.08 [en] (Win98; I ;Nav)","status":200,"responseBytes":2326,"referrer":"http://www.example.com/start.html","clientIp":"127.0.0.1"}"#,
    ),
    // lighttpd puts the host in the ident's place.
    (
        "combined",
        r#"192.0.2.1 www.example.com - [10/Oct/2020:13:55:36 +0000] "GET / HTTP/2.0" 200 5 "-" "curl/8.6.0""#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    // varnishncsa logs absolute URLs.
    (
        "combined",
        r#"192.0.2.1 - - [10/Oct/2020:13:55:36 +0000] "GET http://www.example.com/a?b HTTP/1.1" 200 5 "-" "curl/8.6.0""#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/a","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "apache-ssl",
        r#"[10/Oct/2020:13:55:36 +0000] 192.0.2.1 TLSv1.3 TLS_AES_256_GCM_SHA384 "GET /ssl?x HTTP/1.1" 2326"#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/ssl","userAgent":"","responseBytes":2326,"clientIp":"192.0.2.1"}"#,
    ),
    // HTTP/3, and a name for the time behind the combined fields.
    (
        "combined",
        r#"192.0.2.1 - - [10/Oct/2020:13:55:36 +0000] "GET /h3 HTTP/3.0" 200 5 "-" "curl/8.6.0" rt=0.250 uct="0.001" uht="0.2" urt="0.2""#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/h3","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"durationSeconds":0.25,"clientIp":"192.0.2.1"}"#,
    ),
    // Apache with %O %D between size and referrer.
    (
        "combined",
        r#"192.0.2.1 - - [10/Oct/2020:13:55:36 +0000] "GET /d HTTP/1.1" 200 5312 41873 "https://www.example.org/" "curl/8.6.0""#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/d","userAgent":"curl/8.6.0","status":200,"responseBytes":5312,"referrer":"https://www.example.org/","clientIp":"192.0.2.1"}"#,
    ),
    // docker compose logs, and docker logs -t.
    (
        "combined",
        r#"web-1  | 192.0.2.1 - - [10/Oct/2020:13:55:36 +0000] "GET /c HTTP/1.1" 200 5 "-" "curl/8.6.0""#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/c","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "combined",
        r#"2020-10-10T13:55:37.123456789Z 192.0.2.1 - - [10/Oct/2020:13:55:36 +0000] "GET /t HTTP/1.1" 200 5 "-" "curl/8.6.0""#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/t","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "alb",
        r#"http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-""#,
        r#"{"receivedAt":"2018-07-02T22:23:00.186641Z","method":"GET","path":"/","userAgent":"curl/7.46.0","status":200,"responseBytes":366,"durationSeconds":0.001,"host":"www.example.com","clientIp":"192.168.131.39"}"#,
    ),
    (
        "elb",
        r#"2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -"#,
        r#"{"receivedAt":"2015-05-13T23:39:43.945958Z","method":"GET","path":"/","userAgent":"curl/7.38.0","status":200,"responseBytes":29,"durationSeconds":0.001178,"host":"www.example.com","clientIp":"192.168.131.39"}"#,
    ),
    (
        "s3",
        r#"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be amzn-s3-demo-bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be 3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /amzn-s3-demo-bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSV1.2 arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes us-east-1"#,
        r#"{"receivedAt":"2019-02-06T00:00:38Z","method":"GET","path":"/amzn-s3-demo-bucket1","userAgent":"S3Console/0.4","status":200,"responseBytes":113,"durationSeconds":0.007,"host":"amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com","clientIp":"192.0.2.3"}"#,
    ),
    (
        "haproxy",
        r#"10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1""#,
        r#"{"receivedAt":"2009-02-06T12:14:14.655Z","method":"GET","path":"/index.html","userAgent":"","status":200,"responseBytes":2750,"durationSeconds":0.109,"clientIp":"10.0.1.2"}"#,
    ),
    // `option httpslog`.
    (
        "haproxy",
        r#"10.0.1.2:33317 [06/Feb/2009:12:14:14.655] https-in~ static/srv1 10/0/30/69/+109 200 +2750 - - ---- 1/1/1/1/0 0/0 "GET /index.html HTTP/1.1" 0/0/0/0/0 1wt.eu/TLSv1.3/TLS_AES_256_GCM_SHA384"#,
        r#"{"receivedAt":"2009-02-06T12:14:14.655Z","method":"GET","path":"/index.html","userAgent":"","status":200,"responseBytes":2750,"durationSeconds":0.109,"clientIp":"10.0.1.2"}"#,
    ),
    (
        "haproxy",
        r#"-:22222 [22/May/2021:02:22:22.222] www-https~ myapp/node2 site.example.com 0/0/0/18/18 200 200 - - ---- 222/222/2/0/0 0/0 "OPTIONS /api/v2/app/ HTTP/1.1""#,
        r#"{"receivedAt":"2021-05-22T02:22:22.222Z","method":"OPTIONS","path":"/api/v2/app/","userAgent":"","status":200,"responseBytes":200,"durationSeconds":0.018,"host":"site.example.com"}"#,
    ),
    (
        "haproxy",
        r#"192.0.2.1 - - [06/Feb/2009:12:14:14 +0000] "GET /index.html HTTP/1.0" 200 2750 "" "" 33317 655 "http-in" "static" "srv1" 10 0 30 69 109 "----" 1 1 1 1 0 0 0 "" "" "1wt.eu" """#,
        r#"{"receivedAt":"2009-02-06T12:14:14Z","method":"GET","path":"/index.html","userAgent":"","status":200,"responseBytes":2750,"durationSeconds":0.109,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "envoy",
        r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80""#,
        r#"{"receivedAt":"2016-04-15T20:17:00.310Z","method":"POST","path":"/api/v1/locations","userAgent":"nsq2http","status":204,"responseBytes":0,"durationSeconds":0.226,"host":"locations","clientIp":"10.0.35.28"}"#,
    ),
    // A raw quote in the agent takes neither the agent nor the host from it.
    (
        "envoy",
        r#"[2016-04-15T20:17:00.310Z] "GET / HTTP/2" 204 - 154 0 226 100 "-" "x" "y" "z" "cc21d9b0" "api.example.com" "10.0.2.1:80""#,
        r#"{"receivedAt":"2016-04-15T20:17:00.310Z","method":"GET","path":"/","userAgent":"x\" \"y\" \"z","status":204,"responseBytes":0,"durationSeconds":0.226,"host":"api.example.com"}"#,
    ),
    (
        "istio",
        r#"[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 4 4 "-" "curl/7.73.0-DEV" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "10.44.1.27:80" outbound|8000||httpbin.foo.svc.cluster.local 10.44.1.23:37652 10.0.45.184:8000 10.44.1.23:46520 - default"#,
        r#"{"receivedAt":"2020-11-25T21:26:18.409Z","method":"GET","path":"/status/418","userAgent":"curl/7.73.0-DEV","status":418,"responseBytes":135,"durationSeconds":0.004,"host":"httpbin"}"#,
    ),
    (
        "nginx-proxy-manager",
        r#"[25/Feb/2024:15:41:02 +0000] - 404 404 - GET http app.example.net "/qwert" [Client 203.0.113.91] [Length 201] [Gzip 2.95] [Sent-to 192.0.2.15] "curl/8.6.0" "-""#,
        r#"{"receivedAt":"2024-02-25T15:41:02Z","method":"GET","path":"/qwert","userAgent":"curl/8.6.0","status":404,"responseBytes":201,"host":"app.example.net","clientIp":"203.0.113.91"}"#,
    ),
    (
        "traefik",
        r#"192.0.2.1 - - [04/Oct/2024:15:44:41 +0000] "GET /whoami HTTP/1.1" 200 405 "-" "curl/8.6.0" 1 "whoami@docker" "http://172.18.0.3:80" 1ms"#,
        r#"{"receivedAt":"2024-10-04T15:44:41Z","method":"GET","path":"/whoami","userAgent":"curl/8.6.0","status":200,"responseBytes":405,"durationSeconds":0.001,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "ingress-nginx",
        r#"192.0.2.1 - - [28/Dec/2024:18:03:07 +0000] "GET /healthz HTTP/2.0" 200 2 "-" "probe/1.29" 345 0.003 [shop-web-80] [] 192.0.2.90:8080 2 0.003 200 a1b2c3d4e5f60718293a4b5c6d7e8f90"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/healthz","userAgent":"probe/1.29","status":200,"responseBytes":2,"durationSeconds":0.003,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "apisix",
        r#"192.0.2.1 - - [10/Oct/2020:13:55:36 +0000] www.example.com:9080 "GET /get?a HTTP/1.1" 200 298 0.103 "-" "curl/8.6.0" 10.0.0.1:80, 10.0.0.2:80 502, 200 0.001, 0.100 "http://www.example.com:9080""#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/get","userAgent":"curl/8.6.0","status":200,"responseBytes":298,"durationSeconds":0.103,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "api-gateway",
        r#"192.0.2.1 - - [10/Oct/2020:13:55:36 +0000]"GET /pets HTTP/1.1" 200 5 c6af9ac6-7b61-11e6-9a41-93e8deadbeef Cx9="#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/pets","userAgent":"","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "litespeed",
        r#""192.0.2.73 - - [01/Oct/2022:08:26:19 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8.6.0"""#,
        r#"{"receivedAt":"2022-10-01T08:26:19Z","method":"GET","path":"/","userAgent":"curl/8.6.0","status":200,"responseBytes":12,"clientIp":"192.0.2.73"}"#,
    ),
    (
        "squid",
        r"1066036250.603    310 192.0.2.1 TCP_MISS/200 1234 GET http://www.example.com/logo.gif - DIRECT/192.0.2.90 image/gif",
        r#"{"receivedAt":"2003-10-13T09:10:50.603Z","method":"GET","path":"/logo.gif","userAgent":"","status":200,"responseBytes":1234,"durationSeconds":0.31,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "bunny",
        "HIT|200|1507167062421|412|390|163.172.53.229|-|https://bunnycdn.b-cdn.net/assets/video-preview.m4v?x|WA|Mozilla/5.0 (Windows NT 10.0) Chrome/65.0|322b688bd63fb63f2babe9de30a5d262|DE",
        r#"{"receivedAt":"2017-10-05T01:31:02.421Z","method":"GET","path":"/assets/video-preview.m4v","userAgent":"Mozilla/5.0 (Windows NT 10.0) Chrome/65.0","status":200,"responseBytes":412,"host":"bunnycdn.b-cdn.net","clientIp":"163.172.53.229"}"#,
    ),
    // A bar in the user agent.
    (
        "bunny",
        "MISS|404|1507167062421|0|390|2001:db8::7|https://www.example.org/|https://cdn.example.com/a|WA|x|y/1.0|322b688bd63fb63f2babe9de30a5d262|DE",
        r#"{"receivedAt":"2017-10-05T01:31:02.421Z","method":"GET","path":"/a","userAgent":"x|y/1.0","status":404,"responseBytes":0,"host":"cdn.example.com","referrer":"https://www.example.org/","clientIp":"2001:db8::7"}"#,
    ),
];

#[test]
fn examples_of_the_documentation_are_read_by_their_format() {
    for (format, line, want) in all() {
        let want: serde_json::Value = serde_json::from_str(want).unwrap();
        assert_eq!(entry_of(&in_utc(), line), want, "{line}");
        // Told by itself or by its name, it is the same.
        let named = ReaderOptions { format: format.parse().unwrap(), ..in_utc() };
        assert_eq!(entry_of(&named, line), want, "{format}: {line}");
    }
}

#[test]
fn every_format_has_an_example() {
    for name in known::names() {
        assert!(all().any(|(format, ..)| *format == name), "{name}");
    }
}

#[test]
fn a_format_that_is_named_reads_no_other() {
    for (format, line, _) in all() {
        for other in known::names() {
            let is_alike = matches!(
                (other, *format),
                ("common" | "combined" | "istio" | "envoy", _) | ("litespeed", "twisted")
            );
            if other != *format && !is_alike {
                let named = ReaderOptions { format: other.parse().unwrap(), ..in_utc() };
                let told = read(&named, line.as_bytes());
                assert!(matches!(told[..], [super::Told::Skipped(_)]), "{other}: {line}");
            }
        }
    }
}

#[test]
fn lines_beside_those_of_an_access_log_are_none() {
    for line in app_examples::OTHERS {
        let told = read(&in_utc(), line.as_bytes());
        assert_eq!(told, [super::Told::Skipped(Skip::NotAccessLog)], "{line}");
    }
}

#[test]
fn what_to_run_is_said_of_every_format() {
    let readme = include_str!("../../../deploy/shippers/README.md");
    let is_format = |name: &&str| !matches!(*name, "entries" | "docker" | "journald");
    for name in known::names().into_iter().chain(json::product_names()).filter(is_format) {
        let is_named = |line: &str| line.starts_with('|') && line.contains(&format!("`{name}`"));
        assert!(readme.lines().any(is_named), "{name}");
    }
}
