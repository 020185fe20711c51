//! Examples of every product of JSON and logfmt, as its documentation or its source has them, and what is read of them.

use super::{entry_of, in_utc};
use crate::entry::{LineOutcome, Reader, ReaderOptions, json};

/// Product, line, entry.
pub(super) const EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "caddy",
        r#"{"level":"info","ts":"01/Jun/2024:10:00:00 +0000","logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.1","client_ip":"192.0.2.1","proto":"HTTP/3.0","method":"GET","host":"example.com","uri":"/common","headers":{"User-Agent":["curl"]}},"duration":"1m2.5s","size":5,"status":200}"#,
        r#"{"receivedAt":"2024-06-01T10:00:00Z","method":"GET","path":"/common","userAgent":"curl","status":200,"responseBytes":5,"durationSeconds":62.5,"host":"example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "caddy",
        r#"{"level":"info","ts":1717236004123456789,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_addr":"192.0.2.1:123","method":"GET","host":"[2001:db8::1]:8443","uri":"/nano","headers":{"Referer":[],"User-Agent":["curl","x"]}},"duration":0,"size":5,"status":0}"#,
        r#"{"receivedAt":"2024-06-01T10:00:04.123456Z","method":"GET","path":"/nano","userAgent":"curl","status":0,"responseBytes":5,"durationSeconds":0,"host":"[2001:db8::1]","clientIp":"192.0.2.1"}"#,
    ),
    (
        "envoy",
        r#"{"start_time":"2024-12-30T15:27:41.478Z","method":"POST","path":"/a?b","protocol":"HTTP/2","response_code":200,"response_flags":"-","bytes_received":3,"bytes_sent":44,"duration":12,"x_forwarded_for":"203.0.113.7,10.0.0.1","user_agent":"curl","authority":"App.example.net","downstream_remote_address":"10.0.0.2:123","upstream_service_time":"10","request_id":"x","upstream_host":"1.2.3.4:80"}"#,
        r#"{"receivedAt":"2024-12-30T15:27:41.478Z","method":"POST","path":"/a","userAgent":"curl","status":200,"responseBytes":44,"durationSeconds":0.012,"host":"app.example.net","clientIp":"203.0.113.7"}"#,
    ),
    // Application Gateway v1.
    (
        "azure",
        r#"{"resourceId":"/X","operationName":"ApplicationGatewayAccess","time":"2017-04-26T19:27:38Z","category":"ApplicationGatewayAccessLog","properties":{"instanceId":"ApplicationGatewayRole_IN_0","clientIP":"191.96.249.97","clientPort":46886,"httpMethod":"GET","requestUri":"/phpmyadmin/scripts/setup.php","requestQuery":"X-AzureApplicationGateway-CACHE-HIT=0&SERVER-STATUS=404","userAgent":"Mozilla/5.0+(compatible)","httpStatus":404,"httpVersion":"HTTP/1.0","receivedBytes":65,"sentBytes":553,"timeTaken":205,"sslEnabled":"off","host":"www.contoso.com","originalHost":"www.contoso.com"}}"#,
        r#"{"receivedAt":"2017-04-26T19:27:38Z","method":"GET","path":"/phpmyadmin/scripts/setup.php","userAgent":"Mozilla/5.0 (compatible)","status":404,"responseBytes":553,"durationSeconds":0.205,"host":"www.contoso.com","clientIp":"191.96.249.97"}"#,
    ),
    // App Service puts what happened into a string.
    (
        "azure",
        r#"{"time":"2020-01-08T11:06:40Z","category":"AppServiceHTTPLogs","properties":"{\"CsHost\":\"www.example.com\",\"CIp\":\"192.0.2.1\",\"SPort\":\"80\",\"CsUriStem\":\"/a\",\"CsUriQuery\":\"b=1\",\"CsMethod\":\"GET\",\"TimeTaken\":16,\"ScStatus\":\"200\",\"CsBytes\":\"944\",\"ScBytes\":\"2108\",\"UserAgent\":\"Mozilla/5.0+(X)\",\"CsUsername\":\"\",\"Referer\":\"\"}"}"#,
        r#"{"receivedAt":"2020-01-08T11:06:40Z","method":"GET","path":"/a","userAgent":"Mozilla/5.0 (X)","status":200,"responseBytes":2108,"durationSeconds":0.016,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "fastly",
        r#"{"timestamp":"2024-05-17T03:49:58","time_elapsed":1234,"is_tls":true,"client_ip":"192.0.2.126","geo_city":"x","geo_country_code":"DE","request":"GET","host":"www.example.com","url":"/a?b","request_referer":"https://example.org/","request_user_agent":"curl","cache_status":"HIT"}"#,
        r#"{"receivedAt":"2024-05-17T03:49:58Z","method":"GET","path":"/a","userAgent":"curl","durationSeconds":0.001234,"host":"www.example.com","referrer":"https://example.org/","clientIp":"192.0.2.126"}"#,
    ),
    (
        "fastly",
        r#"{"service_id":"x","service_version":"1","time_start":"2024-05-17T03:49:58UTC","time_end":"2024-05-17T03:49:59UTC","time_elapsed":1234,"client_ip":"192.0.2.126","request":"POST","protocol":"HTTP/2","host":"www.example.com","origin_host":"o.example.com","url":"/a?b","request_user_agent":"curl","resp_status":"201","resp_bytes":"512"}"#,
        r#"{"receivedAt":"2024-05-17T03:49:58Z","method":"POST","path":"/a","userAgent":"curl","status":201,"responseBytes":512,"durationSeconds":0.001234,"host":"www.example.com","clientIp":"192.0.2.126"}"#,
    ),
    // Fastly's format for Datadog.
    (
        "json",
        r#"{"ddsource":"fastly","date":"2024-05-17T03:49:58UTC","time_start":"2024-05-17T03:49:58UTC","http":{"request_time_ms":12,"method":"GET","url":"/a?b","useragent":"curl","referer":"https://example.org/","protocol":"HTTP/2","status_code":"200"},"network":{"client":{"ip":"192.0.2.1"},"destination":{"ip":"10.0.0.1"},"bytes_written":"512","bytes_read":"0"},"host":"www.example.com","origin_host":"o.example.com"}"#,
        r#"{"receivedAt":"2024-05-17T03:49:58Z","method":"GET","path":"/a","userAgent":"curl","status":200,"responseBytes":512,"durationSeconds":0.012,"host":"www.example.com","referrer":"https://example.org/","clientIp":"192.0.2.1"}"#,
    ),
    (
        "google-cloud",
        r#"{"protoPayload":{"@type":"type.googleapis.com/google.appengine.logging.v1.RequestLog","appId":"s~x","ip":"192.0.2.1","startTime":"2024-01-17T22:51:20.460557Z","endTime":"2024-01-17T22:51:20.500Z","latency":"0.039443s","method":"GET","resource":"/app?name=val","httpVersion":"HTTP/1.1","status":200,"responseSize":"512","referrer":"https://e.org/","userAgent":"curl","host":"x.appspot.com"},"httpRequest":{"status":200},"resource":{"type":"gae_app"},"timestamp":"2024-01-17T22:51:21Z"}"#,
        r#"{"receivedAt":"2024-01-17T22:51:20.460557Z","method":"GET","path":"/app","userAgent":"curl","status":200,"responseBytes":512,"durationSeconds":0.039443,"host":"x.appspot.com","referrer":"https://e.org/","clientIp":"192.0.2.1"}"#,
    ),
    (
        "alibaba-cdn",
        r#"{"unixtime":"1735408987","domain":"www.example.com","method":"GET","scheme":"https","uri":"/a.js","uri_param":"b=1","client_ip":"192.0.2.1","proxy_ip":"-","remote_ip":"192.0.2.2","refer_protocol":"https","refer_domain":"example.org","refer_uri":"/","request_size":"100","request_time":"14","response_size":"588","return_code":"200","body_bytes_sent":"500","hit_info":"HIT","user_agent":"curl","xforwordfor":"-"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/a.js","userAgent":"curl","status":200,"responseBytes":500,"durationSeconds":0.014,"host":"www.example.com","referrer":"example.org","clientIp":"192.0.2.1"}"#,
    ),
    (
        "alibaba-cdn",
        r#"{"request_time":"1666604392000","domain":"www.example.com","method":"GET","scheme":"http","uri":"/BcimRg.txt","uri_param":"key=1","client_ip":"192.168.233.142","client_port":"51517","refer_protocol":"-","refer_domain":"-","response_time":"14","response_size":"588","http_code":"403","hit_info":"HIT","user_agent":"python-requests/2.21.0"}"#,
        r#"{"receivedAt":"2022-10-24T09:39:52Z","method":"GET","path":"/BcimRg.txt","userAgent":"python-requests/2.21.0","status":403,"responseBytes":588,"durationSeconds":0.014,"host":"www.example.com","clientIp":"192.168.233.142"}"#,
    ),
    (
        "tencent-cdn",
        r#"{"app_id":1,"client_ip":"192.0.2.1","file_size":512,"hit":"hit","host":"www.example.com","http_code":206,"isp":"x","method":"GET","param":"a=b","proto":"HTTP/1.1","prov":"y","referer":"-","request_range":"NULL","request_time":12,"request_port":"5555","rsp_size":588,"time":1735408987,"ua":"curl","url":"/a.js","uuid":"z","version":2}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/a.js","userAgent":"curl","status":206,"responseBytes":588,"durationSeconds":0.012,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    // API Gateway's example for HTTP APIs, whose route key is a method with a path.
    (
        "json",
        r#"{"requestId":"x","ip":"192.0.2.1","requestTime":"28/Dec/2024:18:03:07 +0000","httpMethod":"GET","routeKey":"GET /pets/{id}","status":"200","protocol":"HTTP/1.1","responseLength":"5"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/pets/{id}","userAgent":"","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    // Chi's httplog, and trace events of Cloudflare's workers.
    (
        "json",
        r#"{"time":"2024-12-28T18:03:07Z","level":"INFO","msg":"Response: 200 OK","httpRequest":{"url":"http://localhost:3333/a","method":"GET","path":"/a","remoteIP":"127.0.0.1:4444","proto":"HTTP/1.1"},"httpResponse":{"status":200,"bytes":5,"elapsed":0.2}}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":5,"durationSeconds":0.0002,"host":"localhost","clientIp":"127.0.0.1"}"#,
    ),
    (
        "json",
        r#"{"EventTimestampMs":1735408987123,"EventType":"fetch","Event":{"Request":{"URL":"https://www.example.com/a?b","Method":"GET"},"Response":{"Status":200},"RayID":"x"},"Outcome":"ok","ScriptName":"x"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07.123Z","method":"GET","path":"/a","userAgent":"","status":200,"host":"www.example.com"}"#,
    ),
    (
        "vector",
        r#"{"agent":"curl","client":"192.0.2.1","file":"/x","host":"web1","request":"GET /x?y HTTP/1.1","size":5,"source_type":"file","status":200,"timestamp":"2024-01-17T22:51:20Z"}"#,
        r#"{"receivedAt":"2024-01-17T22:51:20Z","method":"GET","path":"/x","userAgent":"curl","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    // express-winston, and what Filebeat decoded.
    (
        "pino-http",
        r#"{"level":"info","message":"HTTP GET /x","meta":{"req":{"url":"/x?y","headers":{"host":"a.example","user-agent":"curl"},"method":"GET","httpVersion":"1.1"},"res":{"statusCode":200},"responseTime":12},"timestamp":"2024-01-17T22:51:20Z"}"#,
        r#"{"receivedAt":"2024-01-17T22:51:20Z","method":"GET","path":"/x","userAgent":"curl","status":200,"durationSeconds":0.012,"host":"a.example"}"#,
    ),
    (
        "json",
        r#"{"@timestamp":"2024-01-17T22:51:22.000Z","host":{"name":"web1"},"json":{"time_iso8601":"2024-01-17T22:51:20+00:00","request_method":"GET","request_uri":"/x?y","server_name":"_","remote_addr":"unix:","status":200},"message":""}"#,
        r#"{"receivedAt":"2024-01-17T22:51:20Z","method":"GET","path":"/x","userAgent":"","status":200}"#,
    ),
    (
        "google-cloud",
        r#"{"httpRequest":{"requestMethod":"GET","requestUrl":"https://www.example.com/g?x=1","requestSize":"100","status":200,"responseSize":"512","userAgent":"curl","remoteIp":"192.0.2.1","serverIp":"10.0.0.1","referer":"https://e.org/","latency":"0.134500s","protocol":"HTTP/2"},"insertId":"x","timestamp":"2024-01-17T22:51:20.460557Z","severity":"INFO","receiveTimestamp":"2024-01-17T22:51:21Z"}"#,
        r#"{"receivedAt":"2024-01-17T22:51:20.460557Z","method":"GET","path":"/g","userAgent":"curl","status":200,"responseBytes":512,"durationSeconds":0.1345,"host":"www.example.com","referrer":"https://e.org/","clientIp":"192.0.2.1"}"#,
    ),
    (
        "json",
        r#"{"requestId":"abc","ip":"192.0.2.1","caller":"-","user":"-","requestTime":"10/Oct/2020:13:55:36 +0000","httpMethod":"GET","resourcePath":"/pets/{id}","status":"200","protocol":"HTTP/1.1","responseLength":"123"}"#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/pets/{id}","userAgent":"","status":200,"responseBytes":123,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "json",
        r#"{"requestId":"abc","ip":"192.0.2.1","requestTimeEpoch":1602338136123,"requestTime":"10/Oct/2020:13:55:36 +0000","httpMethod":"GET","path":"/pets/7","resourcePath":"/pets/{id}","status":"200","protocol":"HTTP/1.1","responseLength":"123","userAgent":"curl"}"#,
        r#"{"receivedAt":"2020-10-10T13:55:36Z","method":"GET","path":"/pets/7","userAgent":"curl","status":200,"responseBytes":123,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "azure",
        r#"{"time":"2021-10-14T22:17:11+00:00","resourceId":"/SUBSCRIPTIONS/X","operationName":"ApplicationGatewayAccess","category":"ApplicationGatewayAccessLog","properties":{"instanceId":"appgw_1","clientIP":"192.0.2.1","clientPort":45057,"httpMethod":"GET","originalRequestUriWithArgs":"\/a?b","requestUri":"\/index.html","requestQuery":"b","userAgent":"curl","httpStatus":200,"httpVersion":"HTTP\/1.1","receivedBytes":184,"sentBytes":466,"timeTaken":0.034,"sslEnabled":"off","originalHost":"Www.example.com","host":"10.0.0.1"}}"#,
        r#"{"receivedAt":"2021-10-14T22:17:11Z","method":"GET","path":"/a","userAgent":"curl","status":200,"responseBytes":466,"durationSeconds":0.034,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "azure",
        r#"{"time":"2021-10-14T22:17:11.123Z","category":"FrontDoorAccessLog","properties":{"trackingReference":"x","httpMethod":"GET","httpVersion":"2.0","requestUri":"https://www.example.com:443/fd?x","hostName":"www.example.com","sni":"x","requestBytes":"1","responseBytes":"100","userAgent":"curl","clientIp":"192.0.2.1","clientPort":"1","timeTaken":"0.250","referer":"","httpStatusCode":"200"}}"#,
        r#"{"receivedAt":"2021-10-14T22:17:11.123Z","method":"GET","path":"/fd","userAgent":"curl","status":200,"responseBytes":100,"durationSeconds":0.25,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "akamai",
        r#"{"version":1,"streamId":"1234","cp":"123456","reqId":"1239f220","reqTimeSec":"1573840000","bytes":"4995","cliIP":"128.147.28.68","statusCode":"206","proto":"HTTPS","reqHost":"test.hostname.net","reqMethod":"GET","reqPath":"path1/path2/file.ext","reqPort":"443","UA":"Mozilla%2F5.0+%28Macintosh%29","queryStr":"param=value","referer":"https%3A%2F%2Ftest.referrer.net%2Fen-US","xForwardedFor":"8.47.28.38"}"#,
        r#"{"receivedAt":"2019-11-15T17:46:40Z","method":"GET","path":"/path1/path2/file.ext","userAgent":"Mozilla/5.0 (Macintosh)","status":206,"responseBytes":4995,"host":"test.hostname.net","referrer":"https://test.referrer.net/en-US","clientIp":"128.147.28.68"}"#,
    ),
    (
        "akamai",
        r#"{"version":1,"cp":"123456","reqId":"1239f220","reqTimeSec":"1573840000.250","bytes":"4995","cliIP":"128.147.28.68","statusCode":"206","proto":"HTTPS","reqHost":"test.hostname.net","reqMethod":"GET","reqPath":"/path1/file.ext","reqPort":"443","rspContentLen":"5000","rspContentType":"text/html","UA":"Mozilla%2F5.0+%28Macintosh%3B+x%29","tlsOverheadTimeMSec":"0","tlsVersion":"TLSv1","totalBytes":"5100","queryStr":"a=b","referer":"-"}"#,
        r#"{"receivedAt":"2019-11-15T17:46:40.250Z","method":"GET","path":"/path1/file.ext","userAgent":"Mozilla/5.0 (Macintosh; x)","status":206,"responseBytes":4995,"host":"test.hostname.net","clientIp":"128.147.28.68"}"#,
    ),
    (
        "kong",
        r#"{"latencies":{"request":515,"kong":58,"proxy":457},"service":{"host":"httpbin.org","path":"/anything"},"request":{"querystring":{},"size":138,"uri":"/log?x","url":"http://localhost:8000/log","headers":{"host":"localhost:9000","accept-encoding":"gzip","user-agent":"HTTPie/2.4.0"},"method":"GET"},"client_ip":"172.19.0.1","response":{"headers":{"server":"x"},"status":200,"size":827},"started_at":1614232642123}"#,
        r#"{"receivedAt":"2021-02-25T05:57:22.123Z","method":"GET","path":"/log","userAgent":"HTTPie/2.4.0","status":200,"responseBytes":827,"durationSeconds":0.515,"host":"localhost","clientIp":"172.19.0.1"}"#,
    ),
    (
        "azure",
        r#"{"time":"2024-05-06T07:08:09.123Z","category":"GatewayLogs","operationName":"Microsoft.ApiManagement/GatewayLogs","durationMs":58,"callerIpAddress":"192.0.2.1","properties":{"method":"GET","url":"https://api.example.com/echo?p=1","responseCode":200,"responseSize":345,"requestSize":100,"cache":"none"}}"#,
        r#"{"receivedAt":"2024-05-06T07:08:09.123Z","method":"GET","path":"/echo","userAgent":"","status":200,"responseBytes":345,"durationSeconds":0.058,"host":"api.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "linkerd",
        r#"{"client.addr":"192.0.2.1:1234","client.id":"-","host":"web.example:80","method":"GET","processing_ns":"39826","request_bytes":"","response_bytes":"19","status":200,"timestamp":"2022-08-23T20:28:20.071809491Z","total_ns":"4384384","trace_id":"","uri":"http://web.example/api/list?x=1","user_agent":"Go-http-client/1.1","version":"HTTP/2.0"}"#,
        r#"{"receivedAt":"2022-08-23T20:28:20.071809Z","method":"GET","path":"/api/list","userAgent":"Go-http-client/1.1","status":200,"responseBytes":19,"durationSeconds":0.004384,"host":"web.example","clientIp":"192.0.2.1"}"#,
    ),
    (
        "serilog",
        r#"{"@t":"2024-03-21T05:46:40.1234567Z","@mt":"HTTP {RequestMethod} {RequestPath} responded {StatusCode} in {Elapsed:0.0000} ms","RequestMethod":"GET","RequestPath":"/sl","StatusCode":200,"Elapsed":12.3456,"SourceContext":"Serilog.AspNetCore.RequestLoggingMiddleware"}"#,
        r#"{"receivedAt":"2024-03-21T05:46:40.123456Z","method":"GET","path":"/sl","userAgent":"","status":200,"durationSeconds":0.012346}"#,
    ),
    (
        "pino-http",
        r#"{"level":30,"time":1531171074631,"pid":657,"hostname":"Davids-MBP-3.fritz.box","req":{"id":1,"method":"GET","url":"/p?q","headers":{"host":"localhost:20000","user-agent":"curl/7.54.0"},"remoteAddress":"::1","remotePort":64},"res":{"statusCode":200,"headers":{}},"responseTime":4.5,"msg":"request completed"}"#,
        r#"{"receivedAt":"2018-07-09T21:17:54.631Z","method":"GET","path":"/p","userAgent":"curl/7.54.0","status":200,"durationSeconds":0.0045,"host":"localhost","clientIp":"::1"}"#,
    ),
    (
        "tomcat",
        r#"{"host":"127.0.0.1","logicalUserName":"-","user":"-","time":"[13/Feb/2024:11:57:52 +0100]","request":"GET /docs HTTP/1.1","statusCode":"200","size":"11230"}"#,
        r#"{"receivedAt":"2024-02-13T10:57:52Z","method":"GET","path":"/docs","userAgent":"","status":200,"responseBytes":11230,"clientIp":"127.0.0.1"}"#,
    ),
    (
        "logback-access",
        r#"{"@timestamp":"2019-11-03T10:15:30.123+01:00","@version":"1","message":"192.0.2.1 - - [..] \"GET /x HTTP/1.1\" 200 5","method":"GET","protocol":"HTTP/1.1","status_code":200,"requested_url":"GET /x HTTP/1.1","requested_uri":"/x","remote_host":"192.0.2.1","content_length":5,"elapsed_time":12}"#,
        r#"{"receivedAt":"2019-11-03T09:15:30.123Z","method":"GET","path":"/x","userAgent":"","status":200,"responseBytes":5,"durationSeconds":0.012,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "lograge",
        r#"{"method":"GET","path":"/users/7","format":"html","controller":"UsersController","action":"show","status":200,"duration":58.33,"view":40.43,"db":15.26,"@timestamp":"2019-11-03T10:15:30Z"}"#,
        r#"{"receivedAt":"2019-11-03T10:15:30Z","method":"GET","path":"/users/7","userAgent":"","status":200,"durationSeconds":0.05833}"#,
    ),
    (
        "json",
        r#"{"Timestamp":"2024-01-17T22:51:23Z","SeverityText":"INFO","Body":"x","Attributes":{"http.request.method":"GET","url.path":"/otel","url.query":"a","http.response.status_code":200,"client.address":"192.0.2.1","user_agent.original":"curl"}}"#,
        r#"{"receivedAt":"2024-01-17T22:51:23Z","method":"GET","path":"/otel","userAgent":"curl","status":200,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "json",
        r#"{"@timestamp":"2024-01-17T22:51:23Z","event":{"duration":1500000,"kind":"event"},"http":{"request":{"method":"GET"},"response":{"status_code":200,"bytes":77}},"url":{"path":"/b","query":"x","domain":"h.example"},"client":{"address":"192.0.2.1","ip":"192.0.2.1"},"user_agent":{"original":"curl"}}"#,
        r#"{"receivedAt":"2024-01-17T22:51:23Z","method":"GET","path":"/b","userAgent":"curl","status":200,"responseBytes":77,"durationSeconds":0.0015,"host":"h.example","clientIp":"192.0.2.1"}"#,
    ),
    (
        "json",
        r#"{"timestamp":"2018-01-01T00:00:00+0000","client_ip":"192.0.2.1","geo_country":"france","host":"Docs.fastly.com","url":"/en/guides?x","request_method":"GET","request_protocol":"HTTP/2","request_referer":"","request_user_agent":"curl","response_state":"HIT","response_status":200,"response_reason":"OK","response_body_size":123,"fastly_server":"x","fastly_is_edge":true}"#,
        r#"{"receivedAt":"2018-01-01T00:00:00Z","method":"GET","path":"/en/guides","userAgent":"curl","status":200,"responseBytes":123,"host":"docs.fastly.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "json",
        r#"{"time":"2024-12-28T18:03:10Z","method":"","path":"","status":400}"#,
        r#"{"receivedAt":"2024-12-28T18:03:10Z","method":"-","path":"(invalid)","userAgent":"","status":400}"#,
    ),
    (
        "json",
        r#"{"time":"2024-12-28T18:03:10Z","request_method":"-","request_uri":"-","status":"400"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:10Z","method":"-","path":"(invalid)","userAgent":"","status":400}"#,
    ),
    (
        "json",
        r#"{"time":"2024-12-28T18:03:10Z","method":"GET","path":"/x","status":"ok","bytes":-1,"request_time":-1}"#,
        r#"{"receivedAt":"2024-12-28T18:03:10Z","method":"GET","path":"/x","userAgent":""}"#,
    ),
    (
        "json",
        r#"{"msec":1735408990.123,"method":"GET","uri":"/u","args":"a=b","status":200,"request_time":0.0005,"host":"x.example:8080"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:10.123Z","method":"GET","path":"/u","userAgent":"","status":200,"durationSeconds":0.0005,"host":"x.example"}"#,
    ),
    (
        "json",
        r#"{"time_local":"28/Dec/2024:18:03:10 +0000","remote_addr":"192.0.2.1","request":"GET /r HTTP/1.1","request_time":1.5,"http_x_forwarded_for":"203.0.113.9"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:10Z","method":"GET","path":"/r","userAgent":"","durationSeconds":1.5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "json",
        r#"{"time":1735408990,"method":"GET","path":"/x","duration":"12ms","latency_ms":3}"#,
        r#"{"receivedAt":"2024-12-28T18:03:10Z","method":"GET","path":"/x","userAgent":"","durationSeconds":0.003}"#,
    ),
    (
        "json",
        r#"{"time":1735408990,"method":"GET","path":"/x","duration":12}"#,
        r#"{"receivedAt":"2024-12-28T18:03:10Z","method":"GET","path":"/x","userAgent":""}"#,
    ),
    (
        "json",
        r#"{"time":1735408990,"method":"GET","path":"/x","duration_ms":"12.5"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:10Z","method":"GET","path":"/x","userAgent":"","durationSeconds":0.0125}"#,
    ),
    (
        "json",
        r#"{"time":1735408990,"method":"GET","path":"/x","userAgent":["a","b"]}"#,
        r#"{"receivedAt":"2024-12-28T18:03:10Z","method":"GET","path":"/x","userAgent":"a"}"#,
    ),
    (
        "json",
        r#"{"remote_addr":"192.0.2.1","time_iso8601":"2024-05-06T08:26:01+03:00","request":"GET /"x HTTP/1.1","http_user_agent":"say "hi"","status":200}"#,
        r#"{"receivedAt":"2024-05-06T05:26:01Z","method":"GET","path":"/\"x","userAgent":"say \"hi\"","status":200,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "cloudfront",
        r#"{"date":"2024-02-29","time":"00:00:04.5","cs-method":"GET","cs-uri-stem":"/i","cs(User-Agent)":"Mozilla/5.0%20(X)","sc-status":"200","time-taken":"0.102"}"#,
        r#"{"receivedAt":"2024-02-29T00:00:04.500Z","method":"GET","path":"/i","userAgent":"Mozilla/5.0 (X)","status":200,"durationSeconds":0.102}"#,
    ),
    (
        "cloudflare",
        r#"{"ClientRequestMethod":"GET","ClientRequestPath":"/p","ClientRequestURI":"/p?x","EdgeStartTimestamp":1709164801,"EdgeResponseStatus":200,"ClientRequestHost":"A.example"}"#,
        r#"{"receivedAt":"2024-02-29T00:00:01Z","method":"GET","path":"/p","userAgent":"","status":200,"host":"a.example"}"#,
    ),
    (
        "vercel",
        r#"{"timestamp":1709164802125,"host":"site.example.net","path":"/v","method":"GET","statusCode":200,"proxy":{"timestamp":1709164802000,"method":"GET","host":"site.example.net","path":"/v?x","userAgent":["curl"],"statusCode":201,"clientIp":"192.0.2.1"}}"#,
        r#"{"receivedAt":"2024-02-29T00:00:02Z","method":"GET","path":"/v","userAgent":"curl","status":201,"host":"site.example.net","clientIp":"192.0.2.1"}"#,
    ),
    (
        "netlify",
        r#"{"timestamp":"2024-12-28T18:03:07.123Z","type":"traffic","site_id":"s","client_ip":"192.0.2.1","url":"https://www.example.com/x?y","path":"/x","method":"GET","user_agent":"curl","referrer":"https://example.org/","status_code":200,"response_size":2048,"duration":35}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07.123Z","method":"GET","path":"/x","userAgent":"curl","status":200,"responseBytes":2048,"durationSeconds":0.035,"host":"www.example.com","referrer":"https://example.org/","clientIp":"192.0.2.1"}"#,
    ),
    (
        "apisix",
        r#"{"client_ip":"192.0.2.1","start_time":1704507612177,"latency":102.98,"apisix_latency":2.98,"upstream_latency":100,"request":{"method":"GET","uri":"/ip?a=b","url":"http://192.0.2.9:9080/ip?a=b","size":194,"headers":{"host":"www.example.com","user-agent":"curl"}},"response":{"status":200,"size":477}}"#,
        r#"{"receivedAt":"2024-01-06T02:20:12.177Z","method":"GET","path":"/ip","userAgent":"curl","status":200,"responseBytes":477,"durationSeconds":0.10298,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "fluentd",
        r#"{"date":1735408987.0,"remote":"192.0.2.1","host":"-","user":"-","method":"GET","path":"/a?b","code":"200","size":"5","referer":"-","agent":"curl"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/a","userAgent":"curl","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    // Datadog's archives; the second request names no host.
    (
        "datadog",
        r#"{"_id":"AQAAAZ","date":"2024-12-28T18:03:07.000Z","service":"shop","host":"i-0287","source":"nginx","status":"info","tags":["env:x"],"message":"GET /a","attributes":{"http":{"method":"GET","url":"/a?b","status_code":200,"useragent":"curl/8","url_details":{"host":"www.example.com","path":"/a"}},"network":{"client":{"ip":"192.0.2.1"},"bytes_written":5},"duration":1500000}}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/a","userAgent":"curl/8","status":200,"responseBytes":5,"durationSeconds":0.0015,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "datadog",
        r#"{"id":"A","type":"log","attributes":{"service":"shop","host":"i-0287","status":"info","timestamp":"2024-12-28T18:03:07.500Z","tags":["env:x"],"message":"GET /a","attributes":{"http":{"method":"GET","url":"https://www.example.com/a?b","status_code":200},"duration":2000000}}}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07.500Z","method":"GET","path":"/a","userAgent":"","status":200,"durationSeconds":0.002,"host":"www.example.com"}"#,
    ),
    (
        "datadog",
        r#"{"_id":"x","date":"2024-12-28T18:03:07Z","service":"shop","host":"i-0287","source":"go","status":"error","attributes":{"http":{"method":"POST","status_code":"503","url_details":{"path":"/b"}}}}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"POST","path":"/b","userAgent":"","status":503}"#,
    ),
    (
        "logstash",
        r#"{"clientip":"192.0.2.1","ident":"-","auth":"-","timestamp":"28/Dec/2024:18:03:07 +0000","verb":"GET","request":"/a?b","httpversion":"1.1","response":"200","bytes":"5","@timestamp":"2024-12-28T18:03:09.000Z","message":"x","host":"web1"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":5,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "gelf",
        r#"{"version":"1.1","host":"web1","short_message":"GET /a","timestamp":1735408987.123,"_request_method":"GET","_request_uri":"/a?b","_status":200,"_body_bytes_sent":5,"_remote_addr":"192.0.2.1","_http_user_agent":"curl","_request_time":0.1}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07.123Z","method":"GET","path":"/a","userAgent":"curl","status":200,"responseBytes":5,"durationSeconds":0.1,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "entries",
        r#"{"receivedAt":"2024-12-28T18:03:07.5Z","method":"get","path":"/a?b","userAgent":"x","route":"/{id}","status":"201","responseBytes":12,"durationSeconds":0.5,"host":"Www.example.com:80","referrer":"https://www.example.org/","clientIp":"[2001:db8::1]:443","country":"de","request":"no","url":"/no","bytes":7}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07.500Z","method":"GET","path":"/a","userAgent":"x","status":201,"responseBytes":12,"durationSeconds":0.5,"host":"www.example.com","referrer":"https://www.example.org/","clientIp":"2001:db8::1","route":"/{id}","country":"de"}"#,
    ),
    (
        "matomo",
        r#"{"idsite":1,"ip": "192.0.2.151","host": "www.example.com","path": "/docs/?page=2","status": "200","referrer": "https://www.example.org/","user_agent": "curl","length": 2601,"generation_time_milli": 0.250,"date": "2023-05-04T21:12:06-07:00"}"#,
        r#"{"receivedAt":"2023-05-05T04:12:06Z","method":"GET","path":"/docs/","userAgent":"curl","status":200,"responseBytes":2601,"host":"www.example.com","referrer":"https://www.example.org/","clientIp":"192.0.2.151"}"#,
    ),
    (
        "traefik",
        r#"{"ClientAddr":"203.0.113.61:52460","ClientHost":"203.0.113.61","DownstreamContentSize":15,"DownstreamStatus":200,"Duration":10001425284,"OriginStatus":504,"RequestHost":"app.example.com","RequestMethod":"GET","RequestPath":"/check?id=1","StartLocal":"2024-09-12T12:29:21.773360214+02:00","StartUTC":"2024-09-12T10:29:21.773360214Z","request_Referer":"https://www.example.com/","request_User-Agent":"curl/8.6.0","time":"2024-09-12T10:29:31Z"}"#,
        r#"{"receivedAt":"2024-09-12T10:29:21.773360Z","method":"GET","path":"/check","userAgent":"curl/8.6.0","status":200,"responseBytes":15,"durationSeconds":10.001425,"host":"app.example.com","referrer":"https://www.example.com/","clientIp":"203.0.113.61"}"#,
    ),
    (
        "aws-waf",
        r#"{"timestamp":1576280412771,"formatVersion":1,"webaclId":"arn:aws:wafv2:x","terminatingRuleId":"STMTest_SQLi_XSS","terminatingRuleType":"REGULAR","action":"BLOCK","terminatingRuleMatchDetails":[{"conditionType":"SQL_INJECTION","location":"HEADER","matchedData":["10","AND","1"]}],"httpSourceName":"-","httpSourceId":"-","ruleGroupList":[],"rateBasedRuleList":[],"nonTerminatingMatchingRules":[],"responseCodeSent":null,"httpRequest":{"clientIp":"192.0.2.1","country":"AU","headers":[{"name":"Host","value":"localhost:1989"},{"name":"user-agent","value":"curl/7.61.1 \"x\""},{"name":"Accept","value":"*/*"}],"uri":"/myUri","args":"a=b","httpVersion":"HTTP/1.1","httpMethod":"GET","requestId":"rid"},"labels":[{"name":"value"}]}"#,
        r#"{"receivedAt":"2019-12-13T23:40:12.771Z","method":"GET","path":"/myUri","userAgent":"curl/7.61.1 \"x\"","host":"localhost","clientIp":"192.0.2.1"}"#,
    ),
    (
        "vpc-lattice",
        r#"{"serviceNetworkArn":"arn:aws:vpc-lattice:x","resolvedUser":"Unknown","listenerType":"-","authDeniedReason":"null","listenerId":"-","sourceVpcArn":"arn:x","targetGroupArn":"arn:y","sourceIpPort":"192.0.2.1:80","targetIpPort":"10.0.0.1:80","responseFromTargetDuration":1,"requestToTargetDuration":1,"userAgent":"curl","serverNameIndication":"example.com","responseCode":200,"serviceArn":"arn:z","protocol":"HTTP/1.1","bytesReceived":42,"bytesSent":43,"duration":375,"startTime":"2023-07-28T20:48:45Z","hostHeader":"example.com","requestMethod":"GET","requestPath":"/billing"}"#,
        r#"{"receivedAt":"2023-07-28T20:48:45Z","method":"GET","path":"/billing","userAgent":"curl","status":200,"responseBytes":43,"durationSeconds":0.375,"host":"example.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "oci-load-balancer",
        r#"{"datetime":1600116164000,"logContent":{"data":{"backendAddr":"192.168.0.34:8080","backendConnectTime":"0.001","backendProcessingTime":"0.002","backendStatusCode":"200","clientAddr":"192.0.2.1:7870","forwardedForAddr":"-","host":"a.com","lbStatusCode":"502","listenerName":"l","receivedBytes":"10","request":"GET http://a.com/x?y HTTP/1.1","requestProcessingTime":"0.003","sentBytes":"128","timestamp":"2020-09-14T20:42:44+00:00","userAgent":"curl"},"id":"x","source":"lb","specversion":"1.0","time":"2020-09-14T20:42:45Z","type":"com.oraclecloud.loadbalancer.access"}}"#,
        r#"{"receivedAt":"2020-09-14T20:42:44Z","method":"GET","path":"/x","userAgent":"curl","status":502,"responseBytes":128,"durationSeconds":0.003,"host":"a.com","clientIp":"192.0.2.1"}"#,
    ),
    (
        "tyk",
        r#"{"api_id":"b1a41c","api_name":"Example","client_ip":"192.0.2.1","host":"localhost:8080","latency_total":62,"latency_upstream":61,"method":"GET","path":"/anything?x","protocol":"HTTP/1.1","status":200,"time":"2025-01-08T09:55:22Z","upstream_addr":"httpbin.org:443","user_agent":"curl/8.1.2"}"#,
        r#"{"receivedAt":"2025-01-08T09:55:22Z","method":"GET","path":"/anything","userAgent":"curl/8.1.2","status":200,"durationSeconds":0.062,"host":"localhost","clientIp":"192.0.2.1"}"#,
    ),
    // Fastify, which says the answer in a line of its own.
    (
        "json",
        r#"{"level":30,"time":1531171074631,"pid":657,"hostname":"web1","reqId":"req-1","req":{"method":"GET","url":"/p?q","hostname":"localhost:3000","remoteAddress":"127.0.0.1","remotePort":64},"msg":"incoming request"}"#,
        r#"{"receivedAt":"2018-07-09T21:17:54.631Z","method":"GET","path":"/p","userAgent":"","host":"localhost","clientIp":"127.0.0.1"}"#,
    ),
    (
        "heroku",
        r#"2012-10-11T03:47:20.123456+00:00 heroku[router]: at=info method=GET path="/a?b=\"c\"" host=myapp.herokuapp.com request_id=8601b555-6a83-4c12-8269-97c8e32cdb22 fwd="204.204.204.204,10.0.0.1" dyno=web.1 connect=1ms service=18ms status=200 bytes=13 protocol=https"#,
        r#"{"receivedAt":"2012-10-11T03:47:20.123456Z","method":"GET","path":"/a","userAgent":"","status":200,"responseBytes":13,"durationSeconds":0.019,"host":"myapp.herokuapp.com","clientIp":"204.204.204.204"}"#,
    ),
    // As a drain sends it, and where there was no dyno.
    (
        "heroku",
        r#"301 <158>1 2012-10-11T03:47:20+00:00 host heroku router - at=error code=H12 desc="Request timeout" method=GET path="/" host=myapp.herokuapp.com fwd="204.204.204.204" dyno= connect= service= status=503 bytes= protocol=https"#,
        r#"{"receivedAt":"2012-10-11T03:47:20Z","method":"GET","path":"/","userAgent":"","status":503,"host":"myapp.herokuapp.com","clientIp":"204.204.204.204"}"#,
    ),
    (
        "lograge",
        "I, [2024-02-29T18:03:07.123456 #4711]  INFO -- : [3b1f0c2e] method=GET path=/jobs/833552.json format=json controller=JobsController  action=show status=200 duration=58.33 view=40.43 db=15.26",
        r#"{"receivedAt":"2024-02-29T18:03:07.123456Z","method":"GET","path":"/jobs/833552.json","userAgent":"","status":200,"durationSeconds":0.05833}"#,
    ),
    // With a time and a user agent, around which it puts no quotes.
    (
        "lograge",
        "method=GET path=/jobs format=*/* controller=JobsController action=index status=302 duration=58.33 time=2024-02-29 18:03:07 +0100 user_agent=Mozilla/5.0 (X11; Linux x86_64) ip=192.0.2.1",
        r#"{"receivedAt":"2024-02-29T17:03:07Z","method":"GET","path":"/jobs","userAgent":"Mozilla/5.0 (X11; Linux x86_64)","status":302,"durationSeconds":0.05833,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "grafana",
        r#"logger=context userId=1 orgId=1 uname=admin t=2023-01-05T12:12:02.342+01:00 level=info msg="Request Completed" method=GET path=/api/live/ws status=302 remote_addr=[::1] time_ms=2 duration=2.15ms size=29 referer="http://localhost:3000/a" handler=/api/live/ws"#,
        r#"{"receivedAt":"2023-01-05T11:12:02.342Z","method":"GET","path":"/api/live/ws","userAgent":"","status":302,"responseBytes":29,"durationSeconds":0.00215,"referrer":"http://localhost:3000/a","clientIp":"::1"}"#,
    ),
    (
        "grafana",
        r#"t=2019-01-05T12:12:02+0100 lvl=info msg="Request Completed" logger=context userId=0 method=GET path=/ status=302 remote_addr=192.0.2.1 time_ms=3 size=29 referer="#,
        r#"{"receivedAt":"2019-01-05T11:12:02Z","method":"GET","path":"/","userAgent":"","status":302,"responseBytes":29,"durationSeconds":0.003,"clientIp":"192.0.2.1"}"#,
    ),
    // ltsv.org's example of a combined line, and what nginx writes.
    (
        "ltsv",
        "host:127.0.0.1\tident:-\tuser:frank\ttime:[10/Oct/2000:13:55:36 -0700]\treq:GET /apache_pb.gif HTTP/1.0\tstatus:200\tsize:2326\treferer:http://www.example.com/start.html\tua:Mozilla/4.08 [en] (Win98; I ;Nav)",
        r#"{"receivedAt":"2000-10-10T20:55:36Z","method":"GET","path":"/apache_pb.gif","userAgent":"Mozilla/4.08 [en] (Win98; I ;Nav)","status":200,"responseBytes":2326,"referrer":"http://www.example.com/start.html","clientIp":"127.0.0.1"}"#,
    ),
    (
        "ltsv",
        "time:2024-12-28T18:03:07+00:00\thost:192.0.2.1\tforwardedfor:-\tmethod:POST\turi:/a?b=c\tstatus:201\tsize:5\treferer:-\tua:say \\x22hi: there\\x22\tvhost:www.example.com\treqtime:0.012\tapptime:0.010\tcache:-",
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"POST","path":"/a","userAgent":"say \"hi: there\"","status":201,"responseBytes":5,"durationSeconds":0.012,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
    ),
    // Names of JSON as Traefik has them; a writer of Go.
    (
        "traefik",
        r#"time="2024-09-12T10:29:31Z" level=info ClientHost=203.0.113.61 DownstreamContentSize=15 DownstreamStatus=200 Duration=10001425284 RequestHost=app.example.com RequestMethod=GET RequestPath="/check?id=1" StartUTC="2024-09-12T10:29:21.773360214Z" request_User-Agent="curl/8.6.0 (\"x\")""#,
        r#"{"receivedAt":"2024-09-12T10:29:21.773360Z","method":"GET","path":"/check","userAgent":"curl/8.6.0 (\"x\")","status":200,"responseBytes":15,"durationSeconds":10.001425,"host":"app.example.com","clientIp":"203.0.113.61"}"#,
    ),
    // OpenTelemetry's protocol as JSON, with the attributes of HTTP.
    (
        "json",
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},"scopeLogs":[{"scope":{"name":"x"},"logRecords":[{"timeUnixNano":"1735408987123456789","severityText":"INFO","body":{"stringValue":"request"},"attributes":[{"key":"http.request.method","value":{"stringValue":"GET"}},{"key":"url.path","value":{"stringValue":"/a"}},{"key":"http.response.status_code","value":{"intValue":"404"}},{"key":"user_agent.original","value":{"stringValue":"curl/8"}},{"key":"client.address","value":{"stringValue":"192.0.2.1"}}]}]}]}]}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07.123456Z","method":"GET","path":"/a","userAgent":"curl/8","status":404,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "ceph-rgw",
        r#"{"bucket":"b","time":"2024-12-28T18:03:07.123456Z","time_local":"2024-12-28T19:03:07.123456+0100","remote_addr":"192.0.2.1","user":"u","operation":"get_obj","uri":"GET /b/o?x HTTP/1.1","http_status":"200","error_code":"","bytes_sent":1024,"bytes_received":0,"object_size":1024,"total_time":17,"user_agent":"aws-cli/2","referrer":"","trans_id":"tx0"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07.123456Z","method":"GET","path":"/b/o","userAgent":"aws-cli/2","status":200,"responseBytes":1024,"durationSeconds":0.017,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "ceph-rgw",
        r#"{"bucket":"b","time":"2018-12-28 18:03:07.123456Z","remote_addr":"192.0.2.1","operation":"put_obj","uri":"PUT /b/o HTTP/1.1","http_status":"200","bytes_sent":0,"object_size":1024,"total_time":17000,"user_agent":"s3cmd","referrer":""}"#,
        r#"{"receivedAt":"2018-12-28T18:03:07.123456Z","method":"PUT","path":"/b/o","userAgent":"s3cmd","status":200,"responseBytes":0,"durationSeconds":0.017,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "api-gateway",
        r#"{"requestId":"x","ip":"192.0.2.1","requestTime":"28/Dec/2024:18:03:07 +0000","httpMethod":"GET","resourcePath":"/pets","status":"200","protocol":"HTTP/1.1","responseLength":"5","integrationLatency":"12","responseLatency":"15"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/pets","userAgent":"","status":200,"responseBytes":5,"durationSeconds":0.015,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "restify",
        r#"{"name":"audit","audit":true,"level":30,"remoteAddress":"192.0.2.1","remotePort":5,"req_id":"x","req":{"query":"","method":"GET","url":"/a?x","headers":{"host":"localhost:8080","user-agent":"curl/8"},"httpVersion":"1.1","trailers":{}},"res":{"statusCode":200,"headers":{"content-length":5},"trailer":false},"latency":12,"msg":"handled: 200","time":"2024-12-28T18:03:07.123Z","v":0}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07.123Z","method":"GET","path":"/a","userAgent":"curl/8","status":200,"responseBytes":5,"durationSeconds":0.012,"host":"localhost","clientIp":"192.0.2.1"}"#,
    ),
    (
        "liberty",
        r#"{"type":"liberty_accesslog","host":"w","ibm_userDir":"/opt/","ibm_serverName":"defaultServer","ibm_remoteHost":"192.0.2.1","ibm_userAgent":"curl/8","ibm_requestProtocol":"HTTP/1.1","ibm_bytesReceived":5,"ibm_responseCode":200,"ibm_elapsedTime":1234,"ibm_requestMethod":"GET","ibm_uriPath":"/a","ibm_requestHost":"10.0.0.1","ibm_requestPort":"9080","ibm_datetime":"2024-12-28T18:03:07.123+0000","ibm_sequence":"1"}"#,
        r#"{"receivedAt":"2024-12-28T18:03:07.123Z","method":"GET","path":"/a","userAgent":"curl/8","status":200,"responseBytes":5,"durationSeconds":0.001234,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "logfmt",
        r#"ts=2020-04-28T11:20:13.123Z caller=logging.go:29 method=GET uri="/a b?c" status=200 took=1.5ms bytes=12 remote_addr=192.0.2.1:5432"#,
        r#"{"receivedAt":"2020-04-28T11:20:13.123Z","method":"GET","path":"/a b","userAgent":"","status":200,"responseBytes":12,"durationSeconds":0.0015,"clientIp":"192.0.2.1"}"#,
    ),
    (
        "logfmt",
        r#"2020-04-28T11:20:13Z INFO http: request completed method=GET path=/a status=200 duration=1.5ms"#,
        r#"{"receivedAt":"2020-04-28T11:20:13Z","method":"GET","path":"/a","userAgent":"","status":200,"durationSeconds":0.0015}"#,
    ),
];

#[test]
fn examples_are_read_by_their_product() {
    for (product, line, want) in EXAMPLES {
        let want: serde_json::Value = serde_json::from_str(want).unwrap();
        assert_eq!(entry_of(&in_utc(), line), want, "{line}");
        let mut read_by = "";
        let mut reader = Reader::new(in_utc());
        reader.line(line.as_bytes(), &mut |outcome| {
            if let LineOutcome::Entry { format, .. } = outcome {
                read_by = format;
            }
        });
        assert_eq!(read_by, *product, "{line}");
        let named = ReaderOptions { format: product.parse().unwrap(), ..in_utc() };
        assert_eq!(entry_of(&named, line), want, "{product}: {line}");
    }
}

#[test]
fn every_product_has_an_example() {
    // Envelopes have theirs among the cases.
    for name in json::product_names().filter(|name| !matches!(*name, "docker" | "journald")) {
        assert!(EXAMPLES.iter().any(|(product, ..)| *product == name), "{name}");
    }
}
