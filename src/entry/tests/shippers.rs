//! Lines inside what log shippers and `journalctl` put around them, and JSON whose names no product has to itself.

use serde_json::{Value, json};

use super::{Told, entry_of, read};
use crate::entry::{ReaderOptions, Skip};

const LINE: &str = r#"192.0.2.1 - - [28/Dec/2024:18:03:07 +0000] "GET /a?b HTTP/1.1" 200 5 "-" "curl/8""#;

fn entry(line: &str) -> Value {
    entry_of(&ReaderOptions::default(), line)
}

#[test]
fn the_line_inside_an_envelope_is_read_as_if_it_stood_alone() {
    let want = entry(LINE);
    assert_eq!(want["clientIp"], "192.0.2.1");
    for envelope in [
        // Filebeat, Vector, Fluent Bit, Promtail, CloudWatch, Google Cloud, Splunk, ECS.
        r#"{"@timestamp":"2024-12-28T18:03:09Z","log":{"file":{"path":"/x"},"offset":1},"message":"%","agent":{"type":"filebeat"},"host":{"name":"w"}}"#,
        r#"{"file":"/x","host":"w","message":"%","source_type":"file","timestamp":"2024-12-28T18:03:09Z"}"#,
        r#"{"date":1735408989.1,"log":"%"}"#,
        r#"{"line":"%","timestamp":"2024-12-28T18:03:09Z","labels":{"app":"x"}}"#,
        r#"{"timestamp":1735408989000,"message":"%","ingestionTime":1735408990000,"logStreamName":"x"}"#,
        r#"{"textPayload":"%","timestamp":"2024-12-28T18:03:09Z","resource":{"type":"k8s_container"}}"#,
        r#"{"time":1735408989,"host":"w","sourcetype":"access_combined","event":"%"}"#,
        r#"{"@timestamp":"2024-12-28T18:03:09Z","event":{"original":"%"}}"#,
        // GELF; and lists: CloudWatch's subscriptions, Azure's and Firehose's records, OpenTelemetry's file exporter.
        r#"{"version":"1.1","host":"w","short_message":"%","timestamp":1735408989.1,"level":6,"_tag":"nginx"}"#,
        r#"{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"id":"1","timestamp":1735408989000,"message":"%"}]}"#,
        r#"{"records":[{"time":"2024-12-28T18:03:09Z","log":"%"}]}"#,
        r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"timeUnixNano":"1735408989000000000","body":{"stringValue":"%"},"attributes":[{"key":"log.file.name","value":{"stringValue":"x"}}]}]}]}]}"#,
        r#"[{"line":"%","timestamp":"2024-12-28T18:03:09Z"}]"#,
        // Azure's container apps and App Service, exports of Splunk and Elasticsearch.
        r#"{"_index":"x","_id":"1","_source":{"@timestamp":"2024-12-28T18:03:09Z","message":"%"}}"#,
        r#"{"time":"2024-12-28T18:03:09Z","category":"ContainerAppConsoleLogs","properties":{"Log":"%"}}"#,
        r#"{"time":"2024-12-28T18:03:09Z","resultDescription":"%","category":"AppServiceConsoleLogs"}"#,
        r#"{"preview":false,"result":{"_raw":"%","_time":"2024-12-28 18:03:09.000 UTC","host":"w"}}"#,
        r#"{"_index":"x","_id":"1","_source":{"@timestamp":"2024-12-28T18:03:09Z","event":{"original":"%"},"source":{"ip":"192.0.2.9"}}}"#,
        // Loki, "Ingest logs" and "Query logs"; Datadog's archives.
        r#"{"streams":[{"stream":{"job":"nginx"},"values":[["1735408989000000000","%"]]}]}"#,
        r#"{"streams": [ { "stream": {}, "values": [ ["1735408989000000000","%",{"trace_id":"x"}] ] } ]}"#,
        r#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{},"values":[["1735408989000000000","%"]]}],"stats":{}}}"#,
        r#"{"streams":[{"labels":"{job=\"nginx\"}","entries":[{"ts":"2024-12-28T18:03:09Z","line":"%"}]}]}"#,
        r#"{"data":[{"id":"A","type":"log","attributes":{"message":"%","timestamp":"2024-12-28T18:03:09Z","host":"w","service":"x"}}]}"#,
        r#"{"logs":[{"id":"A","content":{"timestamp":"2024-12-28T18:03:09Z","host":"w","message":"%"}}]}"#,
        r#"{"messages":[{"message":{"message":"%","timestamp":"2024-12-28T18:03:09.000Z","source":"w"},"index":"graylog_0"}]}"#,
        r#"{"TimeGenerated":"2024-12-28T18:03:09Z","LogMessage":"%","PodName":"x"}"#,
        r#"{"__time__":1735408989,"content":"%"}"#,
        "2024-12-28T18:03:09+00:00\tnginx.access\t{\"message\":\"%\"}",
        r#"{"_id":"x","date":"2024-12-28T18:03:09Z","service":"nginx","host":"w","source":"nginx","status":"info","message":"%","attributes":{}}"#,
    ] {
        let inner = LINE.replace('"', "\\\"");
        assert_eq!(entry(&envelope.replace('%', &inner)), want, "{envelope}");
    }
    // A cell of a row of CSV, alone and among others.
    for row in
        ["\"%\"", "2024-12-28T18:03:09Z,\"%\"", "\"a, b\",\"%\",,w", "w;\"%\"", "7\t\"%\"", "7,\"%\"\r"]
    {
        assert_eq!(entry(&row.replace('%', &LINE.replace('"', "\"\""))), want, "{row}");
    }
    // rsyslog's end of a line.
    assert_eq!(entry(&format!("<190>Dec 28 18:03:09 web1 nginx: {LINE}#015#012")), want);
    for before in [
        "Dec 28 18:03:09 web1 nginx[1]: ",
        "2024-12-28T18:03:09+0000 web1 nginx[1]: ",
        "Sat 2024-12-28 18:03:09 UTC web1 nginx[1]: ",
        "1735408989.123456 web1 nginx[1]: ",
        "INFO:werkzeug:",
        "2024-12-28T18:03:09.123456789Z ",
        "2024-12-28T18:03:09.1Z ",
        "web-1  | ",
        "web-1  | 2024-12-28T18:03:09.123456789Z ",
        "I, [2024-12-28T18:03:07.123456 #4711]  INFO -- : ",
        "2024-12-28 18:03:09.123  INFO 1 --- [ctor-http-nio-2] reactor.netty.http.server.AccessLog      : ",
        "2024-12-28T18:03:09.123+01:00  WARN 1 --- [demo] [nio-8080-exec-1] r.n.http.server.AccessLog : ",
        "2024-12-28T18:03:09.123+0000 7f1c1c0f5700  1 beast: 0x7f1cd8c9f0e0: ",
        "debug 2024-12-28T18:03:09.123+0000 7f1c1c0f5700  1 beast: 0x7f1cd8c9f0e0: ",
        "131 <190>1 2024-12-28T18:03:09.123Z web1 nginx 1 - - ",
        // Behind a relay, and without a priority.
        "10.0.0.9 <190>1 2024-12-28T18:03:09.123Z web1 nginx 1 - - ",
        "10.0.0.9 <190>Dec 28 18:03:09 web1 nginx[1]: ",
        "10.0.0.9 Dec 28 18:03:09 web1 nginx: ",
        "2001:db8::9 Dec  8 18:03:09 web1 nginx[1]: ",
        "1 2024-12-28T18:03:09.123Z web1 nginx 1 - - ",
        "2024-12-28T18:03:09.123Z web1 nginx 1 - - ",
        "2024-12-28T18:03:09.123+01:00 web1 nginx - - - ",
        // Papertrail's archives.
        "50342052\t2011-02-10 00:19:36 -0800\t2011-02-10 00:19:36 -0800\t42424\tmy system\t208.122.34.202\tUser\tInfo\tnginx\t",
        "7\t2024-12-28T18:03:09Z\t2024-12-28T18:03:09Z\t1\tweb1\t10.0.0.9\tLocal7\tInfo\tnginx\t",
        "level=info msg=",
        "INFO ",
        "<190>",
        "2024-12-28 18:03:09.123 [main] INFO  org.example.Access - ",
        "18:03:09.123 [main] INFO  org.example.Access - ",
        "2024-12-28 18:03:09,123 - werkzeug - INFO - ",
        "2024-12-28 18:03:09,123 - INFO - ",
        "2024-12-28T18:03:09Z app[9185] fra [info]",
        "2024-12-28T18:03:09+00:00 10.0.0.9 Dec 28 18:03:08 web1 nginx: ",
        "10.0.0.9 1 2024-12-28T18:03:09Z web1 nginx 1 - - ",
        "<190>Dec 28 18:03:09 10.0.0.9 1 2024-12-28T18:03:09Z web1 nginx 1 - - ",
        "1 2024-12-28T18:03:09Z web1 nginx 1 ID47 - ",
        "time=2024-12-28T18:03:09Z level=info msg=",
        "time=\"2024-12-28T18:03:09Z\" level=info msg=",
        // kubectl, stern, rsyslog and logd without a colon behind the program, `aws logs tail`, pm2, grep.
        "[pod/web-1/nginx] ",
        "[pod/web-1/nginx] 2024-12-28T18:03:09.1Z ",
        "web-5d4 nginx ",
        "Dec 28 18:03:09 web1 apache-access ",
        "Sat Dec 28 18:03:09 2024 daemon.info uhttpd[123]: ",
        "2024-12-28T18:03:08.123000+00:00 stream/name/abc ",
        "2024-12-28 18:03:09: ",
        "/var/log/nginx/access.log.1:",
        "access.log:12:",
        "access_log: ",
        "2024-12-28T18:03:09.123Z\t",
    ] {
        assert_eq!(entry(&format!("{before}{LINE}")), want, "{before}");
    }
}

#[test]
fn an_object_behind_other_words_is_read_as_if_it_stood_alone() {
    let object = r#"{"remote":"192.0.2.1","method":"GET","path":"/a?b","code":"200","agent":"x {y} z"}"#;
    let want = entry(&object.replace("\"method\"", "\"time\":1735408989,\"method\""));
    assert_eq!((&want["path"], &want["userAgent"]), (&json!("/a"), &json!("x {y} z")));
    for before in [
        // Fluentd's file and standard output, rsyslog's mark of JSON, a logger, kubectl, grep.
        "2024-12-28T18:03:09+00:00\tnginx.access\t",
        "2024-12-28 18:03:09.000000000 +0000 nginx.access: ",
        "<190>1 2024-12-28T18:03:09Z web1 nginx 1 - - @cee: ",
        "2024-12-28T18:03:09Z INFO access: ",
        "[pod/web-1/nginx] 2024-12-28T18:03:09Z ",
        "2024-12-28T18:03:09Z stdout F access.log:",
    ] {
        assert_eq!(entry(&format!("{before}{object}")), want, "{before}");
    }
    for other in [
        r#"2024-12-28T18:03:09Z ERROR upstream failed {"method":"GET","path":"/a"}"#,
        r#"2024-12-28T18:03:09Z INFO cannot parse {"method":"GET","path":"/a","status":200} at 7"#,
        r#"2024-12-28T18:03:09Z INFO started {}"#,
    ] {
        let told = read(&ReaderOptions::default(), other.as_bytes());
        assert_eq!(told, [Told::Skipped(Skip::NotAccessLog)], "{other}");
    }
    // Caddy's console says before the object which log it is of.
    let console = "2024-12-28T18:03:09Z\terror\t%\thandled\t{\"request\":{\"method\":\"GET\",\"uri\":\"/a\"},\"status\":502}";
    assert_eq!(entry(&console.replace('%', "http.log.access.log0"))["status"], 502);
    let told = read(&ReaderOptions::default(), console.replace('%', "http.log.error").as_bytes());
    assert_eq!(told, [Told::Skipped(Skip::NotAccessLog)]);
}

#[test]
fn a_request_without_a_time_has_that_of_the_innermost_envelope() {
    let inner = r#"method=GET path=/a status=200"#;
    let want = json!({"receivedAt": "2024-12-28T18:03:09Z", "method": "GET", "path": "/a", "userAgent": "", "status": 200});
    for envelope in [
        "2024-12-28T18:03:09Z stdout F %",
        "<190>1 2024-12-28T18:03:09Z web1 app 1 - - %",
        "<190>1 2024-12-28T18:03:09Z web1 app 1 - %",
        "2024-12-28T19:03:09+01:00 web1 app[1]: %",
        "2024-12-28T23:59:59Z stdout F <190>1 2024-12-28T18:03:09Z web1 app 1 - - %",
        "2024-12-28T18:03:09Z stdout F Dec 28 23:59:59 web1 app[1]: %",
        "1735408989.000000 web1 app[1]: %",
        "2024-12-28T18:03:09Z INFO request %",
        "2024-12-28T18:03:09.000000000Z %",
        "app-1    | 2024-12-28T18:03:09Z %",
        r#"app-1  | {"method":"GET","path":"/a","status":200,"time":1735408989}"#,
        r#"{"log":"%\n","stream":"stdout","time":"2024-12-28T18:03:09Z"}"#,
        r#"{"MESSAGE":"%","__REALTIME_TIMESTAMP":"1735408989000000","_SYSTEMD_UNIT":"app.service"}"#,
        "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1735408989000000\n_BOOT_ID=x\nMESSAGE=%\n_PID=1\n\n",
        "Sat, 28 Dec 2024 18:03:09 GMT web1 app[1]: %",
        r#"{"date":1735408989,"log":"%"}"#,
        r#"{"log":"{\"method\":\"GET\",\"path\":\"/a\",\"status\":200}\n","stream":"stdout","time":"2024-12-28T18:03:09Z"}"#,
    ] {
        assert_eq!(entry(&envelope.replace('%', inner)), want, "{envelope}");
    }
    // Without a year it is no time; and a line alone has none.
    assert_eq!(
        read(&ReaderOptions::default(), b"2024-12-28T18:03:09Z started"),
        [Told::Skipped(Skip::NotAccessLog)]
    );
    for envelope in ["Dec 28 18:03:09 web1 app[1]: %", "%"] {
        let told = read(&ReaderOptions::default(), envelope.replace('%', inner).as_bytes());
        assert_eq!(told, [Told::Skipped(Skip::NoTime)], "{envelope}");
    }
}

#[test]
fn objects_in_one_line_are_entries_of_their_own() {
    let at = |path: &str| json!({"receivedAt": "2024-12-28T18:03:07Z", "method": "GET", "path": path, "userAgent": ""});
    let object = |path: &str| at(path).to_string().replace("receivedAt", "time");
    let (a, b) = (object("/a"), object("/b"));
    for line in [
        format!("{a}{b}"),
        format!("{a} {b}"),
        format!("{a},{b},"),
        format!("[{a},{b}]"),
        format!(r#"{{"records":[{a},{b}]}}"#),
        format!(r#"{{"Events": [ {a} , {b} ], "count": 2}}"#),
    ] {
        let told = read(&ReaderOptions::default(), line.as_bytes());
        let entries: Vec<Value> = told
            .iter()
            .map(|told| match told {
                Told::Entry(entry) => serde_json::from_str(entry).unwrap(),
                Told::Skipped(reason) => panic!("{reason}: {line}"),
            })
            .collect();
        assert_eq!(entries, [at("/a"), at("/b")], "{line}");
    }
    // One that is none, or is cut off, costs itself alone.
    for (line, reason) in [
        (format!(r#"[{a},{{"level":"info"}}]"#), Skip::NoRequest),
        (format!(r#"[{a},{{"method":"GET","path":"/b"}}]"#), Skip::NoTime),
        (format!(r#"[{a},{}"#, &b[..20]), Skip::CutOff),
        (format!("{a}{b} and more").replace("/b", "/a"), Skip::NotAccessLog),
    ] {
        let told = read(&ReaderOptions::default(), line.as_bytes());
        let last = told.last().cloned();
        assert_eq!((last, told.len() >= 2), (Some(Told::Skipped(reason)), true), "{line}");
        assert!(matches!(&told[0], Told::Entry(entry) if entry.contains("/a")), "{line}");
    }
    // A list beside a request is none of requests.
    let line = a.replace("\"method\"", "\"events\":[{\"name\":\"x\"}],\"method\"");
    assert_eq!(entry(&line), at("/a"));
}

#[test]
fn a_request_in_fields_of_an_envelope_is_an_entry() {
    for (envelope, want) in [
        // Filebeat's module of nginx, in Elasticsearch's export.
        (
            r#"{"_index":"filebeat","_id":"x","_score":1,"_source":{"@timestamp":"2024-12-28T18:03:07.000Z","host":{"name":"w"},"source":{"address":"192.0.2.1","ip":"192.0.2.1"},"url":{"original":"/a?b"},"http":{"request":{"method":"GET","referrer":"https://example.org/"},"response":{"status_code":200,"body":{"bytes":5}},"version":"1.1"},"user_agent":{"original":"curl/8"}}}"#,
            json!({"receivedAt": "2024-12-28T18:03:07Z", "method": "GET", "path": "/a", "userAgent": "curl/8", "status": 200, "responseBytes": 5, "referrer": "https://example.org/", "clientIp": "192.0.2.1"}),
        ),
        (
            r#"{"took":3,"hits":{"total":{"value":1},"hits":[{"_id":"1","_source":{"@timestamp":"2024-12-28T18:03:07Z","method":"GET","path":"/a"}}]}}"#,
            json!({"receivedAt": "2024-12-28T18:03:07Z", "method": "GET", "path": "/a", "userAgent": ""}),
        ),
    ] {
        assert_eq!(entry(envelope), want, "{envelope}");
    }
    // Several lines of a stream are entries of their own, and have the times of their values.
    let line = r#"{"streams":[{"stream":{},"values":[["1735408987000000000","method=GET path=/a status=200"],["1735408988000000000","started"],["1735408989000000000","method=GET path=/b status=200"]]}]}"#;
    let told = read(&ReaderOptions::default(), line.as_bytes());
    let [Told::Entry(a), Told::Skipped(Skip::NotAccessLog), Told::Entry(b)] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(
        a.contains("18:03:07Z") && a.contains("/a") && b.contains("18:03:09Z") && b.contains("/b"),
        "{told:?}"
    );
}

#[test]
fn no_client_puts_a_line_into_a_cell_of_a_row() {
    // In a known format of CSV, and in one whose writer escapes no quotes.
    let forged = r#"9.9.9.9 - - [28/Dec/2024:18:03:09 +0000] ""GET /forged HTTP/1.1"" 200 5"#;
    let row = format!(
        r#""1735408987123456","192.0.2.1","1","","GET","/a?b","200","10","5","1500","www.example.com","","{forged}","x","x","x","x""#
    );
    assert_eq!((&entry(&row)["path"], &entry(&row)["clientIp"]), (&json!("/a"), &json!("192.0.2.1")));
    let line = format!(
        r#""192.0.2.1 - - [28/Dec/2024:18:03:07 +0000] "GET /a HTTP/1.1" 200 5 "-" "x,"{forged}"","""#
    );
    assert_eq!(entry(&line)["path"], "/a");
}

#[test]
fn the_colours_of_a_terminal_are_left_out() {
    let plain = r#"192.0.2.1 - - [28/Dec/2024 18:03:07 +0000] "GET /a HTTP/1.1" 404 -"#;
    let coloured = plain.replace("GET /a HTTP/1.1", "\x1b[1m\x1b[33mGET /a HTTP/1.1\x1b[0m");
    assert_eq!(entry(&coloured), entry(plain));
    // Other sequences stay, and colours alone are a blank line.
    assert_eq!(entry(&plain.replace("/a", "/a\x1b[2Jb"))["path"], "/a\u{1b}[2Jb");
    assert_eq!(read(&ReaderOptions::default(), b"\x1b[0m"), []);
}

#[test]
fn pairs_that_are_not_of_an_access_log_are_none() {
    for line in [
        "ts=2024-12-28T18:03:07Z level=info msg=\"listening\" addr=:80",
        "2024-12-28T18:03:07Z ERROR request failed method=GET path=/a err=timeout",
        "ts=2024-12-28T18:03:07Z method=GET",
    ] {
        let told = read(&ReaderOptions::default(), line.as_bytes());
        assert_eq!(told, [Told::Skipped(Skip::NotAccessLog)], "{line}");
    }
    // Only JSON is an envelope that divides lines.
    let line = "time=2024-12-28T18:03:07Z log=access method=GET path=/a status=200";
    assert_eq!(entry(line)["path"], "/a");
    assert_eq!(entry("2024-12-28T18:03:07Z [tid=5] INFO method=GET path=/a status=200")["path"], "/a");
    let told = read(&ReaderOptions::default(), br#"ts=2024-12-28T18:03:07Z method=GET path="/a"#);
    assert_eq!(told, [Told::Skipped(Skip::CutOff)]);
}

#[test]
fn a_message_beside_a_request_is_no_line() {
    let line = r#"{"time":"2024-12-28T18:03:07Z","method":"GET","path":"/x","message":"%"}"#;
    assert_eq!(entry(&line.replace('%', "GET /y"))["path"], "/x");
    let told = read(&ReaderOptions::default(), br#"{"time":"2024-12-28T18:03:07Z","message":"started"}"#);
    assert_eq!(told, [Told::Skipped(Skip::NotAccessLog)]);
    // Nor does it matter then that there is no time.
    let told = read(&ReaderOptions::default(), br#"{"index":{"_index":"x"}}"#);
    assert_eq!(told, [Told::Skipped(Skip::NoRequest)]);
}

#[test]
fn fields_are_found_under_the_names_that_programs_give_them() {
    let plain = json!({"receivedAt": "2024-12-28T18:03:07Z", "method": "GET", "path": "/a", "userAgent": ""});
    for (more, field, want) in [
        (r#""duration_ms":12.5"#, "durationSeconds", json!(0.0125)),
        (r#""elapsed_us":1500"#, "durationSeconds", json!(0.0015)),
        (r#""processing_time_ns":1500000"#, "durationSeconds", json!(0.0015)),
        (r#""http":{"duration_ms":7}"#, "durationSeconds", json!(0.007)),
        (r#""latency":"12µs""#, "durationSeconds", json!(0.000_012)),
        (r#""latency":1500000,"latency_human":"1.5ms""#, "durationSeconds", json!(0.0015)),
        (r#""res":{"statusCode":404,"headers":{"content-length":"9"}}"#, "responseBytes", json!(9)),
        (r#""response":{"body_bytes":9}"#, "responseBytes", json!(9)),
        (r#""written_bytes":9"#, "responseBytes", json!(9)),
        (r#""resp_body_size":9"#, "responseBytes", json!(9)),
        (r#""res":{"status":404}"#, "status", json!(404)),
        (r#""status":"info","http":{"status_code":404}"#, "status", json!(404)),
        (r#""remote_address":"192.0.2.1:80""#, "clientIp", json!("192.0.2.1")),
        (r#""headers":{"user-agent":"curl"}"#, "userAgent", json!("curl")),
        (r#""headers":{"Referer":"https://example.org/"}"#, "referrer", json!("https://example.org/")),
    ] {
        let line = format!(r#"{{"time":"2024-12-28T18:03:07Z","method":"GET","path":"/a",{more}}}"#);
        let got = entry(&line);
        assert_eq!(got[field], want, "{line}");
        assert!(["method", "path", "receivedAt"].iter().all(|same| got[same] == plain[same]), "{line}");
    }
    for time in
        ["requested_at", "timestamp_ms", "epoch", "log_time", "time_unix", "@t", "created", "logged_at"]
    {
        let line = format!(r#"{{"{time}":1735408987,"method":"GET","path":"/a"}}"#);
        assert_eq!(entry(&line), plain, "{line}");
    }
    // A field called `request` is the line, the method or the target.
    for request in [
        r#""request":"GET /a HTTP/1.1""#,
        r#""request":"GET","path":"/a""#,
        r#""request":"/a","method":"GET""#,
        r#""verb":"get","request":"https:///a?b""#,
        r#""http_method":"GET","http_path":"/a""#,
        r#""req":{"method":"GET","path":"/a?b"}"#,
        r#""method":"GET","url_path":"/a""#,
        r#""method":"GET","full_path":"/a?b""#,
        r#""method":"GET","endpoint":"/a""#,
    ] {
        assert_eq!(entry(&format!(r#"{{"time":"2024-12-28T18:03:07Z",{request}}}"#)), plain, "{request}");
    }
}

#[test]
fn logs_06_an_error_of_caddy_is_no_request() {
    let line = r#"{"level":"error","ts":1735408987.5,"logger":"%","msg":"dial tcp","request":{"remote_ip":"192.0.2.1","method":"GET","host":"localhost","uri":"/x","headers":{}},"duration":0.1,"status":502}"#;
    for logger in ["http.log.error", "http.log.error.log0"] {
        let told = read(&ReaderOptions::default(), line.replace('%', logger).as_bytes());
        assert_eq!(told, [Told::Skipped(Skip::NotAccessLog)], "{logger}");
    }
    assert_eq!(entry(&line.replace('%', "http.log.access.log0"))["status"], 502);
}
