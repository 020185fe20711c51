//! Examples of the known formats of applications, their frameworks and what stands before them, from their documentation or
//! source, and what is read of them. [`examples`](super::examples) tests them.

use super::examples::Example;

/// Format, line, entry.
pub(super) const EXAMPLES: &[Example] = &[
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
    // As Hypercorn 0.18 printed it for HTTP/2.
    (
        "hypercorn",
        r#"[2026-11-30 16:55:01 +0000] [7280] [INFO] 192.0.2.1:58664 - - [30/Nov/2026:16:55:01 +0000] "GET /h2 2" 200 5 "https://example.org/" "curl/7.88.1""#,
        r#"{"receivedAt":"2026-11-30T16:55:01Z","method":"GET","path":"/h2","userAgent":"curl/7.88.1","status":200,"responseBytes":5,"referrer":"https://example.org/","clientIp":"192.0.2.1"}"#,
    ),
    (
        "php",
        "[Thu Feb 29 18:03:07 2024] 127.0.0.1:51234 [404]: GET /a?b - No such file or directory",
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":404,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "influxdb",
        r#"[httpd] 192.0.2.1 - - [01/Mar/2017:20:49:45 +0000] "POST /query?db=&epoch=ns&q=SHOW+DATABASES HTTP/1.1" 200 151 "-" "InfluxDBShell/1.4.x" 9a4371a1-fec0-11e6-84b6-000000000000 1709"#,
        r#"{"receivedAt":"2017-03-01T20:49:45Z","method":"POST","path":"/query","userAgent":"InfluxDBShell/1.4.x","status":200,"responseBytes":151,"durationSeconds":0.001709,"clientIp":"192.0.2.1"}"#,
    ),
    // Behind a proxy; without a form, and with one.
    (
        "influxdb",
        r#"[httpd] 203.0.113.7, 198.51.100.6,192.0.2.1 - admin [06/Apr/2022:20:03:38 +0200] "POST /write?db=telegraf HTTP/1.1 " 204 0 "-" "Telegraf/1.21.4 Go/1.17.7" e265a273-b5d3-11ec-88d5-80fa5b94d68a 4711"#,
        r#"{"receivedAt":"2022-04-06T18:03:38Z","method":"POST","path":"/write","userAgent":"Telegraf/1.21.4 Go/1.17.7","status":204,"responseBytes":0,"durationSeconds":0.004711,"clientIp":"203.0.113.7"}"#,
    ),
    (
        "influxdb",
        r#"[httpd] 192.0.2.1 - - [03/Jul/2021:10:05:35 +0000] "POST /query HTTP/1.1 {'q': 'CREATE DATABASE "einstein-02:17"'}" 200 57 "-" "Telegraf/1.19.0 Go/1.16.5" 35dc28b2-dbe6-11eb-8001-02170600c120 61859"#,
        r#"{"receivedAt":"2021-07-03T10:05:35Z","method":"POST","path":"/query","userAgent":"Telegraf/1.19.0 Go/1.16.5","status":200,"responseBytes":57,"durationSeconds":0.061859,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "couchdb",
        "[notice] 2021-12-02T23:36:42.555157Z nonode@nohost <0.17165.1> a5f585a0d3 localhost:5984 127.0.0.1 otelu PUT /oteld?n=3 201 ok 16",
        r#"{"receivedAt":"2021-12-02T23:36:42.555157Z","method":"PUT","path":"/oteld","userAgent":"","status":201,"durationSeconds":0.016,"host":"localhost","clientIp":"127.0.0.1"}"#,
    ),
    // Its writer for the journal leaves level and time to that.
    (
        "couchdb",
        r#"{"MESSAGE":"couchdb@127.0.0.1 <0.10998.4> dca1387a05 haproxy:5984 192.0.2.4 undefined GET /_up 404 aborted 1","__REALTIME_TIMESTAMP":"1638488202555157","_SYSTEMD_UNIT":"couchdb.service"}"#,
        r#"{"receivedAt":"2021-12-02T23:36:42.555157Z","method":"GET","path":"/_up","userAgent":"","status":404,"durationSeconds":0.001,"host":"haproxy","clientIp":"192.0.2.4"}"#,
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
        r#""1693206014339368","192.0.2.38","1","","GET","/v1/kanji/%E9%9B%86?x","200","0","277","488000","kanjiapi.dev","https://example.org/","Mozilla/5.0 (""x"") Safari/537.36","ADPycduvHuLfdAtc-f-Uyl-AONU9elsqMfPUaul2F0vp","GET_Object","kanjiapi.dev","v1/kanji/集""#,
        r#"{"receivedAt":"2023-08-28T07:00:14.339368Z","method":"GET","path":"/v1/kanji/%E9%9B%86","userAgent":"Mozilla/5.0 (\"x\") Safari/537.36","status":200,"responseBytes":277,"durationSeconds":0.488,"host":"kanjiapi.dev","referrer":"https://example.org/","clientIp":"192.0.2.38"}"#,
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
    // The documentation's sample, whose path has no slash; and what Artifactory itself writes, before and from version 7 on.
    (
        "artifactory",
        "2018-11-18T15:39:04.902Z|d5d75b3c41242768|127.0.0.1|anonymous|GET|api/v1/cert/root|200|0|6|0|JFrog Access Java Client/4.1.12",
        r#"{"receivedAt":"2018-11-18T15:39:04.902Z","method":"GET","path":"/api/v1/cert/root","userAgent":"JFrog Access Java Client/4.1.12","status":200,"responseBytes":6,"durationSeconds":0,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "artifactory",
        "2023-04-07T04:09:49.449Z|827ad60fcf158238|192.0.2.14|anonymous|GET|/centos/7.9.2009/os/x86_64/repodata/repomd.xml:properties|302|-1|-1|12|Artifactory/7.46.10 74610900",
        r#"{"receivedAt":"2023-04-07T04:09:49.449Z","method":"GET","path":"/centos/7.9.2009/os/x86_64/repodata/repomd.xml:properties","userAgent":"Artifactory/7.46.10 74610900","status":302,"durationSeconds":0.012,"clientIp":"192.0.2.14"}"#,
    ),
    (
        "artifactory",
        "20170113185444|17|REQUEST|192.0.2.1|anonymous|GET|/cloudera-repos/org/slf4j/slf4j-log4j12-1.7.5.jar|HTTP/1.1|200|8869",
        r#"{"receivedAt":"2017-01-13T18:54:44Z","method":"GET","path":"/cloudera-repos/org/slf4j/slf4j-log4j12-1.7.5.jar","userAgent":"","status":200,"durationSeconds":0.017,"clientIp":"192.0.2.1"}"#,
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
    // RFC 850, and what `date` prints.
    (
        "combined",
        r#"192.0.2.1 - - [Thursday, 29-Feb-24 18:03:07 GMT] "GET /a HTTP/1.1" 200 5 "-" "curl/8.6.0""#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "common",
        r#"192.0.2.1 - - [Thu Feb 29 19:03:07 CET 2024] "GET /a HTTP/1.1" 200 5"#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    // Vert.x's `LoggerHandler`, and morgan's `date[web]`.
    (
        "combined",
        r#"192.0.2.1 - - [Thu, 29 Feb 2024 18:03:07 GMT] "GET /a HTTP/1.1" 200 5 "-" "curl/8.6.0""#,
        r#"{"receivedAt":"2024-02-29T18:03:07Z","method":"GET","path":"/a","userAgent":"curl/8.6.0","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "envoy",
        r#"ACCESS [2016-04-15T20:17:00.310Z] "GET /a HTTP/1.1" 200 - 0 154 226 100 "10.0.35.28" "curl/8.6.0" "cc21d9b0" "example.com" "10.0.2.1:80""#,
        r#"{"receivedAt":"2016-04-15T20:17:00.310Z","method":"GET","path":"/a","userAgent":"curl/8.6.0","status":200,"responseBytes":154,"durationSeconds":0.226,"host":"example.com","clientIp":"10.0.35.28"}"#,
    ),
    // The README's line, and as a terminal shows it.
    (
        "negroni",
        "[negroni] 2017-10-04T14:56:25+02:00 | 200 | \t 378µs | localhost:3004 | GET /a?b",
        r#"{"receivedAt":"2017-10-04T12:56:25Z","method":"GET","path":"/a","userAgent":"","status":200,"durationSeconds":0.000378,"host":"localhost"}"#,
    ),
    (
        "tower-http",
        "2022-10-30T12:57:32.681489Z DEBUG request{method=POST uri=/api/v1/socials?x version=HTTP/1.1}: tower_http::trace::on_response: finished processing request latency=3 ms status=400",
        r#"{"receivedAt":"2022-10-30T12:57:32.681489Z","method":"POST","path":"/api/v1/socials","userAgent":"","status":400,"durationSeconds":0.003}"#,
    ),
    (
        "tower-http",
        r#"2024-05-06T21:15:06.309068Z  INFO request{method=GET uri=/health_check version=HTTP/1.1 headers={"host": "127.0.0.1:8080"}}: tower_http::trace::on_response: finished processing request latency=0 ms status=200"#,
        r#"{"receivedAt":"2024-05-06T21:15:06.309068Z","method":"GET","path":"/health_check","userAgent":"","status":200,"durationSeconds":0}"#,
    ),
    (
        "oauth2-proxy",
        r#"192.0.2.1 - 00010203-0405-4607-8809-0a0b0c0d0e0f - user@example.com [2015/03/19 17:20:19] www.example.com GET http://10.0.0.1:80/ "/path/?q" HTTP/1.1 "x \"y\"" 200 512 0.012"#,
        r#"{"receivedAt":"2015-03-19T17:20:19Z","method":"GET","path":"/path/","userAgent":"x \"y\"","status":200,"responseBytes":512,"durationSeconds":0.012,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "oauth2-proxy",
        r#"192.0.2.1:5678 - - [19/Mar/2015:17:20:19 -0400] www.example.com GET - "/oauth2/start" HTTP/1.1 "curl/8.6.0" 302 5 0.000"#,
        r#"{"receivedAt":"2015-03-19T21:20:19Z","method":"GET","path":"/oauth2/start","userAgent":"curl/8.6.0","status":302,"responseBytes":5,"durationSeconds":0,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "gorouter",
        r#"dora.example.com - [2020-07-06T17:45:55.828757970Z] "GET /health?x HTTP/1.1" 503 0 24 "-" "curl/7.54.0" "192.0.2.88:63168" "10.0.1.11:61002" x_forwarded_for:"203.0.113.35, 192.0.2.88" x_forwarded_proto:"http" vcap_request_id:"0cd79f32-3cde-4eea-5853-9a2ca401be40" response_time:0.004478 gorouter_time:0.000433 app_id:"1e196708" app_index:"0""#,
        r#"{"receivedAt":"2020-07-06T17:45:55.828757Z","method":"GET","path":"/health","userAgent":"curl/7.54.0","status":503,"responseBytes":24,"durationSeconds":0.004478,"host":"dora.example.com","clientIp":"203.0.113.35"}"#,
    ),
    // `cf logs`, of a request that no application answered.
    (
        "gorouter",
        r#"   2020-07-06T10:45:55.83-0700 [RTR/0] OUT dora.example.com - [2020-07-06T17:45:55.828757970Z] "POST /a HTTP/1.1" 404 3 0 "https://example.org/" "-" "192.0.2.88:63168" "-" x_forwarded_for:"-" x_forwarded_proto:"https" vcap_request_id:"x" response_time:"-" gorouter_time:"-" app_id:"-" app_index:"-""#,
        r#"{"receivedAt":"2020-07-06T17:45:55.828757Z","method":"POST","path":"/a","userAgent":"","status":404,"responseBytes":0,"host":"dora.example.com","referrer":"https://example.org/","clientIp":"192.0.2.88"}"#,
    ),
    (
        "bitbucket",
        r#"203.0.113.199,192.0.2.187 | https | o@9K7Z3NNx6x3112x1 | frank | 2012-10-29 00:06:26,838 | "GET /git/STASH/mina-sshd-fork.git/info/refs?service=x HTTP/1.1" | "" "git/1.7.4.1" | 200 | 13 | 512 | refs, cache:hit | 101 | tmpqqw | "#,
        r#"{"receivedAt":"2012-10-29T00:06:26.838Z","method":"GET","path":"/git/STASH/mina-sshd-fork.git/info/refs","userAgent":"git/1.7.4.1","status":200,"responseBytes":512,"durationSeconds":0.101,"clientIp":"203.0.113.199"}"#,
    ),
];

/// Lines that stand beside those of the examples and are none of an access log.
pub(super) const OTHERS: &[&str] = &[
    "2022-10-30T12:57:32.681489Z DEBUG request{method=GET uri=/a version=HTTP/1.1}: tower_http::trace::on_request: started processing request",
    r#"203.0.113.199 | https | i@9K7Z3NNx6x3112x1 | - | 2012-10-29 00:06:26,838 | "GET /a HTTP/1.1" | "" "git/1.7.4.1" | - | - | - | - | - | - | "#,
    "192.0.2.1 - x - user@example.com [2015/03/19 17:20:19] [AuthSuccess] Authenticated via OAuth2",
    "[negroni] listening on :8080",
    "[httpd] starting",
    "[Sat Dec 28 18:03:07.123456 2024] [core:error] [pid 1:tid 1] [client 192.0.2.1:5] AH00126: Invalid URI in request \"GET /../x HTTP/1.1\"",
    r#"[Sat Dec 28 18:03:07 2024] [error] [client 192.0.2.1] script not found: "/x"#,
];
