//! Examples of every known format, from its documentation or its source, and what is read of them. A row: format, line, and the
//! entry's fields that are worth a look.

use super::{entry_of, in_utc, read};
use crate::entry::{ReaderOptions, known};

/// Format, line, entry.
pub(super) const EXAMPLES: &[(&str, &str, &str)] = &[
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
    (
        "gin",
        r#"[GIN] 2026/01/02 - 15:04:05 | 200 |      13.1025ms |       127.0.0.1 | GET      "/a?b=\"c\"""#,
        r#"{"receivedAt":"2026-01-02T15:04:05Z","method":"GET","path":"/a","userAgent":"","status":200,"durationSeconds":0.013103,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "gin",
        "[GIN] 2016/01/02 - 15:04:05 | 404 |         1m2.5s |             ::1 | DELETE   /old",
        r#"{"receivedAt":"2016-01-02T15:04:05Z","method":"DELETE","path":"/old","userAgent":"","status":404,"durationSeconds":62.5,"clientIp":"::1"}"#,
    ),
    (
        "uwsgi",
        "[pid: 596|app: 0|req: 24/72] 222.127.73.32 () {50 vars in 1043 bytes} [Wed Jan  4 11:44:29 2015] POST /countries/ => generated 2 bytes in 149 msecs (HTTP/1.1 200) 3 headers in 112 bytes (1 switches on core 0)",
        r#"{"receivedAt":"2015-01-04T11:44:29Z","method":"POST","path":"/countries/","userAgent":"","status":200,"responseBytes":2,"durationSeconds":0.149,"clientIp":"222.127.73.32"}"#,
    ),
    // Behind a socket, with `log-micros`.
    (
        "uwsgi",
        "[pid: 596|app: -1|req: -1/72]  () {50 vars in 1043 bytes} [Wed Jan 14 11:44:29 2015] GET /c?d => generated 0 bytes in 149 micros (HTTP/1.0 304) 3 headers in 112 bytes (0 switches on core 0)",
        r#"{"receivedAt":"2015-01-14T11:44:29Z","method":"GET","path":"/c","userAgent":"","status":304,"responseBytes":0,"durationSeconds":0.000149}"#,
    ),
    (
        "tornado",
        "[W 240229 18:03:07 web:2348] 404 GET /missing?x (2001:db8::1) 1.23ms",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/missing","userAgent":"","status":404,"durationSeconds":0.00123,"clientIp":"2001:db8::1"}"#,
    ),
    (
        "jupyter",
        "[I 2024-02-29 18:03:07.123 ServerApp] 200 GET /api/contents?content=1 (9b1d@127.0.0.1) 12.34ms",
        r#"{"receivedAt":"2024-02-29T18:03:07.123Z","method":"GET","path":"/api/contents","userAgent":"","status":200,"durationSeconds":0.01234,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "jupyter",
        "[W 2024-02-29 18:03:07.123 JupyterHub log:192] 404 GET /hub/x (@192.0.2.1) 2.50ms referer=http://localhost/",
        r#"{"receivedAt":"2024-02-29T18:03:07.123Z","method":"GET","path":"/hub/x","userAgent":"","status":404,"durationSeconds":0.0025,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "sanic",
        "[2024-02-29 18:03:07 +0000] - (sanic.access)[INFO][127.0.0.1:51234]: GET http://localhost:8000/a?b  200 5",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":5,"host":"localhost","clientIp":"127.0.0.1"}"#,
    ),
    (
        "actix",
        r#"[2024-02-29T18:03:07Z INFO  actix_web::middleware::logger] 127.0.0.1 "GET /a HTTP/1.1" 200 5 "-" "curl/8.6.0" 0.000215"#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"durationSeconds":0.000215,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "hypercorn",
        r#"[2024-02-29 18:03:08 +0000] [8] [INFO] 192.0.2.1:51234 - - [29/Feb/2024:18:03:07 +0000] "GET /a?b 1.1" 200 5 "-" "curl/8.6.0""#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "php",
        "[Thu Feb 29 18:03:07 2024] 127.0.0.1:51234 [404]: GET /a?b - No such file or directory",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":404,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "influxdb",
        r#"[httpd] 192.0.2.1 - admin [29/Feb/2024:18:03:07 +0000] "POST /write?db=x HTTP/1.1 " 204 0 "-" "Telegraf/1.29" 4fd1a2b3-d72e-11ee-8001-000000000000 1234"#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"POST","path":"/write","userAgent":"Telegraf/1.29","status":204,"responseBytes":0,"durationSeconds":0.001234,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "couchdb",
        "[notice] 2024-02-29T18:03:07.123456Z nonode@nohost <0.123.0> 0123abcdef db.example.com:5984 192.0.2.1 admin GET /_all_dbs?limit=1 200 ok 3",
        r#"{"receivedAt":"2024-02-29T18:03:07.123456Z","method":"GET","path":"/_all_dbs","userAgent":"","status":200,"durationSeconds":0.003,"host":"db.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "alibaba-cdn",
        r#"[9/Jun/2015:01:58:09 +0800] 10.10.10.10 - 1542 "-" "GET http://www.aliyun.com/index.html" 200 191 2830 MISS "Mozilla/5.0 (compatible; AhrefsBot/5.0; +http://example.com/robot/)" "text/html""#,
        r#"{"receivedAt":"2015-06-08T17:58:09Z","method":"GET","path":"/index.html","userAgent":"Mozilla/5.0 (compatible; AhrefsBot/5.0; +http://example.com/robot/)","status":200,"responseBytes":2830,"durationSeconds":1.542,"host":"www.aliyun.com","clientIp":"10.10.10.10"}"#,
    ),
    (
        "rails",
        r#"Started GET "/users?page=2" for 192.0.2.1 at 2024-02-29 18:03:07 +0100"#,
        r#"{"receivedAt":"2024-02-29T17:03:07Z","method":"GET","path":"/users","userAgent":"","clientIp":"192.0.2.1"}"#,
    ),
    (
        "rails",
        r#"I, [2024-02-29T18:03:07.123456 #4711]  INFO -- : [3b1f0c2e-7f5a] Started POST "/users" for 2001:db8::1 at 2024-02-29 18:03:07 +0000"#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"POST","path":"/users","userAgent":"","clientIp":"2001:db8::1"}"#,
    ),
    (
        "cloud-storage",
        r#""1709229787123456","192.0.2.1","1","","GET","/bucket/a%20b.png?x","200","0","5120","43000","storage.googleapis.com","https://example.org/","Mozilla/5.0 ""x""","AIAA","GET_Object","bucket","a b.png","""#,
        r#"{"receivedAt":"2024-02-29T18:03:07.123456Z","method":"GET","path":"/bucket/a%20b.png","userAgent":"Mozilla/5.0 \"x\"","status":200,"responseBytes":5120,"durationSeconds":0.043,"host":"storage.googleapis.com","referrer":"https://example.org/","clientIp":"192.0.2.1"}"#,
    ),
    (
        "glassfish",
        r#""192.0.2.1" "NULL-AUTH-USER" "29/Feb/2024:18:03:07 +0000" "GET /app/a?b HTTP/1.1" 200 5120"#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/app/a","userAgent":"","status":200,"responseBytes":5120,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "twisted",
        r#""192.0.2.1" - - [29/Feb/2024:18:03:07 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.6.0""#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "artifactory",
        "2018-11-18T15:39:04.902Z|d5d75b3c41242768|127.0.0.1|anonymous|GET|/api/v1/cert/root|200|0|6|12|JFrog Access Java Client/4.1.12",
        r#"{"receivedAt":"2018-11-18T15:39:04.902Z","method":"GET","path":"/api/v1/cert/root","userAgent":"JFrog Access Java Client/4.1.12","status":200,"responseBytes":6,"durationSeconds":0.012,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "serilog",
        "2024-02-29 18:03:07.123 +01:00 [INF] HTTP GET /api/a responded 200 in 12.3456 ms",
        r#"{"receivedAt":"2024-02-29T17:03:07.123Z","method":"GET","path":"/api/a","userAgent":"","status":200,"durationSeconds":0.012346}"#,
    ),
    (
        "chi",
        r#"2024/02/29 18:03:07 [web1/rZ3x-000001] "GET http://localhost:3333/a?b HTTP/1.1" from 127.0.0.1:51234 - 200 5B in 12.5µs"#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":5,"durationSeconds":0.000013,"host":"localhost","clientIp":"127.0.0.1"}"#,
    ),
    (
        "gitea",
        "2024/02/29 18:03:07 ...eb/routing/logger.go:102:func1() [I] router: completed GET /user/login?x for 192.0.2.1:51234, 200 OK in 12.3ms @ auth/auth.go:182(auth.SignIn)",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/user/login","userAgent":"","status":200,"durationSeconds":0.0123,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "synapse",
        r#"2024-02-29 18:03:07,123 - synapse.access.http.8008 - 473 - INFO - GET-123 - 192.0.2.1 - 8008 - {@user:hs} Processed request: 0.012sec/-0.000sec (0.004sec, 0.000sec) (0.001sec/0.003sec/3) 1234B 200 "GET /_matrix/client/versions HTTP/1.1" "Element/1.0 (x)" [0 dbevts]"#,
        r#"{"receivedAt":"2024-02-29T18:03:07.123Z","method":"GET","path":"/_matrix/client/versions","userAgent":"Element/1.0 (x)","status":200,"responseBytes":1234,"durationSeconds":0.012,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "iis-native",
        "192.168.114.201, -, 03/20/01, 7:55:20, W3SVC2, SALES1, 172.21.13.45, 4502, 163, 3223, 200, 0, GET, /DeptLogo.gif, -,",
        r#"{"receivedAt":"2001-03-20T07:55:20Z","method":"GET","path":"/DeptLogo.gif","userAgent":"","status":200,"responseBytes":3223,"durationSeconds":4.502,"clientIp":"192.168.114.201"}"#,
    ),
    (
        "iis-native",
        "192.0.2.1, CORP\\bob, 12/28/2024, 18:03:07, W3SVC1, WEB1, 192.0.2.9, 0, 163, 0, 304, 0, HEAD, /a,b, x=1, y,",
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"HEAD","path":"/a,b","userAgent":"","status":304,"responseBytes":0,"durationSeconds":0,"clientIp":"192.0.2.1"}"#,
    ),
    // Of a lost connection, and of versions before 1.0.
    (
        "synapse",
        r#"2024-02-29 18:03:07,123 - synapse.access.http.8008 - 643 - INFO - POST-3 - 192.0.2.1 - 8008 - {None} Processed request: 0.003sec/-0.001sec ru=(0.001sec, 0.000sec) db=(0.000sec/0.000sec/1) 64B 200! "POST /_matrix/client/v3/login?x HTTP/1.1" "curl/8.5.0" [0 dbevts]"#,
        r#"{"receivedAt":"2024-02-29T18:03:07.123Z","method":"POST","path":"/_matrix/client/v3/login","userAgent":"curl/8.5.0","status":200,"responseBytes":64,"durationSeconds":0.003,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "synapse",
        r#"2018-02-28 18:03:07,123 - synapse.access.http.8008 - 93 - INFO - GET-1 - 192.0.2.1 - 8008 - {None} Processed request: 0.003sec (0.001sec, 0.000sec) (0.000sec/0.000sec/1) 64B 200 "GET /a HTTP/1.1" "curl/7" [0 dbevts]"#,
        r#"{"receivedAt":"2018-02-28T18:03:07.123Z","method":"GET","path":"/a","userAgent":"curl/7","status":200,"responseBytes":64,"durationSeconds":0.003,"clientIp":"192.0.2.1"}"#,
    ),
    // Formats without a time, inside of CRI.
    (
        "uvicorn",
        r#"2024-02-29T18:03:07.123456789Z stdout F INFO:     192.0.2.1:51234 - "GET /items?q=1 HTTP/1.1" 404 Not Found"#,
        r#"{"receivedAt":"2024-02-29T18:03:07.123456Z","method":"GET","path":"/items","userAgent":"","status":404,"clientIp":"192.0.2.1"}"#,
    ),
    // Of `kubectl logs --timestamps`, whose fractions end before their zeros; with a time of its own.
    (
        "uvicorn",
        r#"2024-02-29T18:03:07.12345Z INFO:     192.0.2.1:51234 - "GET /items?q=1 HTTP/1.1" 404 Not Found"#,
        r#"{"receivedAt":"2024-02-29T18:03:07.123450Z","method":"GET","path":"/items","userAgent":"","status":404,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "uvicorn",
        r#"2024-02-29 18:03:07,123 - INFO - 192.0.2.1:51234 - "GET /items?q=1 HTTP/1.1" 200"#,
        r#"{"receivedAt":"2024-02-29T18:03:07.123Z","method":"GET","path":"/items","userAgent":"","status":200,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "aspnet",
        "2024-02-29T18:03:07Z stdout F       Request finished HTTP/1.1 GET http://localhost:5000/a?b - 200 5 text/plain;+charset=utf-8 12.3456ms",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":5,"durationSeconds":0.012346,"host":"localhost"}"#,
    ),
    (
        "aspnet",
        "2024-02-29T18:03:07Z stdout F Request finished HTTP/2 POST https://example.com/a application/json 37 - 201 - - 1.5ms",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"POST","path":"/a","userAgent":"","status":201,"durationSeconds":0.0015,"host":"example.com"}"#,
    ),
    (
        "morgan",
        "2024-02-29T18:03:07Z stdout F GET /a?b 200 5 - 1.234 ms",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":5,"durationSeconds":0.001234}"#,
    ),
    (
        "morgan",
        "2024-02-29T18:03:07Z stdout F ::1 - GET /a HTTP/1.1 304 - - 1.234 ms",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":304,"durationSeconds":0.001234,"clientIp":"::1"}"#,
    ),
    (
        "morgan",
        "2024-02-29T18:03:07Z stdout F \u{1b}[0mGET /a \u{1b}[32m200\u{1b}[0m 1.234 ms - 5\u{1b}[0m",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":5,"durationSeconds":0.001234}"#,
    ),
    (
        "fiber",
        "2024-02-29T18:03:07Z stdout F 18:03:07 | 200 |     123.4µs |       127.0.0.1 | GET     | /a | -",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"durationSeconds":0.000123,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "fiber",
        "2024-02-29T18:03:07Z stdout F [18:03:07] 200 -     1.2ms GET /a",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"durationSeconds":0.0012}"#,
    ),
    (
        "nexus",
        r#"192.0.2.1 - admin [29/Feb/2024:18:03:07 +0000] "GET /repository/maven/a.jar HTTP/1.1" 200 - 512 34 "Apache-Maven/3.9 (Java 17)" [qtp1085283394-921]"#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/repository/maven/a.jar","userAgent":"Apache-Maven/3.9 (Java 17)","status":200,"responseBytes":512,"durationSeconds":0.034,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "rack",
        r#"192.0.2.1 - - [29/Feb/2024:18:03:07 +0000] "GET /a HTTP/1.1" 200 5 0.0123"#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":5,"durationSeconds":0.0123,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "linkerd",
        r#"10.42.0.63:51160 traffic.booksapp.serviceaccount.identity.linkerd.cluster.local - [2022-08-23T20:28:20.071809491Z] "GET http://webapp:7000/ HTTP/2.0" 200"#,
        r#"{"receivedAt":"2022-08-23T20:28:20.071809Z","method":"GET","path":"/","userAgent":"","status":200,"host":"webapp","clientIp":"10.42.0.63"}"#,
    ),
    (
        "php-fpm",
        r#"192.0.2.1 -  10/Jul/2014:22:27:49 +0100 "GET /index.php?a" 200"#,
        r#"{"receivedAt":"2014-07-10T21:27:49Z","method":"GET","path":"/index.php","userAgent":"","status":200,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "vertx",
        r#"192.0.2.1 - - [Thu, 29 Feb 2024 18:03:07 GMT] "GET /a HTTP/1.1" 200 5 "-" "curl/8.6.0""#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "envoy",
        r#"ACCESS [2016-04-15T20:17:00.310Z] "GET /a HTTP/1.1" 200 - 0 154 226 100 "10.0.35.28" "curl/8.6.0" "cc21d9b0" "example.com" "10.0.2.1:80""#,
        r#"{"receivedAt":"2016-04-15T20:17:00.310Z","method":"GET","path":"/a","userAgent":"curl/8.6.0","status":200,"responseBytes":154,"durationSeconds":0.226,"host":"example.com","clientIp":"10.0.35.28"}"#,
    ),
];

#[test]
fn examples_of_the_documentation_are_read_by_their_format() {
    for (format, line, want) in EXAMPLES {
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
        assert!(EXAMPLES.iter().any(|(format, ..)| *format == name), "{name}");
    }
}

#[test]
fn a_format_that_is_named_reads_no_other() {
    for (format, line, _) in EXAMPLES {
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
