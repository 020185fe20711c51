//! Times that stand before the lines they are of: in a W3C log's header, and in an entry of journald's export.

use super::{Told, in_utc, read};
use crate::entry::{ReaderOptions, Skip};

/// Version 5 of IIS logged no day in its lines; and a header as in the W3C's draft.
pub(super) const TIME_ALONE: &str = "\
#Software: Microsoft Internet Information Services 5.0
#Version: 1.0
#Date: 2024-12-28 00:00:01
#Fields: time c-ip cs-method cs-uri-stem sc-status
18:03:07 192.0.2.1 GET /a 200
18:03:08.250 192.0.2.1 GET /b 404
#Date: 29-Dec-2024 00:00:00
00:00:00 192.0.2.1 GET /c 200
";

/// `journalctl -o export`, of a program that logs no time, and of one that does.
pub(super) const EXPORT: &str = "\
__CURSOR=s=1;i=1
__REALTIME_TIMESTAMP=1735408987123456
_BOOT_ID=x
MESSAGE=INFO:     192.0.2.1:51234 - \"GET /a HTTP/1.1\" 200 OK
_PID=1

__CURSOR=s=1;i=2
__REALTIME_TIMESTAMP=1735408989000000
MESSAGE=192.0.2.1 - - [28/Dec/2024:18:03:08 +0000] \"GET /b HTTP/1.1\" 200 5

__CURSOR=s=1;i=3
MESSAGE=INFO:     192.0.2.1:51234 - \"GET /c HTTP/1.1\" 200 OK

";

/// Times and paths, or why there are none.
fn told(log: &str) -> Vec<Result<(String, String), Skip>> {
    let told = read(&ReaderOptions::default(), log.as_bytes()).into_iter();
    told.map(|told| match told {
        Told::Entry(entry) => {
            let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            Ok((text("receivedAt"), text("path")))
        }
        Told::Skipped(reason) => Err(reason),
    })
    .collect()
}

fn entry(time: &str, path: &str) -> Result<(String, String), Skip> {
    Ok((time.to_owned(), path.to_owned()))
}

#[test]
fn a_time_alone_is_of_the_day_that_the_header_says() {
    let want = [
        entry("2024-12-28T18:03:07Z", "/a"),
        entry("2024-12-28T18:03:08.250Z", "/b"),
        entry("2024-12-29T00:00:00Z", "/c"),
    ];
    assert_eq!(told(TIME_ALONE), want);
    let named = ReaderOptions { format: "iis".parse().unwrap(), ..in_utc() };
    assert_eq!(read(&named, TIME_ALONE.as_bytes()), read(&in_utc(), TIME_ALONE.as_bytes()));
    // A line's own day counts; without any there is no time.
    let own = "#Date: 2024-12-28\n#Fields: date time cs-method cs-uri-stem\n2024-12-27 18:03:07 GET /a\n";
    assert_eq!(told(own), [entry("2024-12-27T18:03:07Z", "/a")]);
    assert_eq!(told(&TIME_ALONE.replace("#Date", "#Remark"))[0], Err(Skip::TimeUnreadable));
}

#[test]
fn a_message_without_a_time_has_that_of_its_exported_entry() {
    let want =
        [entry("2024-12-28T18:03:07.123456Z", "/a"), entry("2024-12-28T18:03:08Z", "/b"), Err(Skip::NoTime)];
    assert_eq!(told(EXPORT), want);
}

#[test]
fn columns_mean_what_their_writers_say() {
    let in_berlin =
        ReaderOptions { timezone: Some("Europe/Berlin".parse().unwrap()), ..ReaderOptions::default() };
    for (header, line, want) in [
        // IIS's Advanced Logging, whose local times need a zone.
        (
            "   date-local time-local   s-ip   cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) cs(Referer) cs(Host) sc-status sc-substatus TimeTakenMS",
            r#"2012-08-15 17:00:00.363 10.0.0.4 GET /a - "192.0.2.1" "Mozilla/5.0 (Linux; X)" - "x.example.com" 404 " garbage w/ spaces " 109"#,
            r#"{"receivedAt":"2012-08-15T15:00:00.363Z","method":"GET","path":"/a","userAgent":"Mozilla/5.0 (Linux; X)","status":404,"durationSeconds":0.109,"host":"x.example.com","clientIp":"192.0.2.1"}"#,
        ),
        // Imperva's, whose URIs have no scheme.
        (
            " date time c-ip cs(User-Agent) s-computername cs-uri cs(Referrer) cs-method cs-uri-query sc-status",
            r#""2017-06-28" "07:26:35" "192.0.2.1" "Mozilla/5.0 (X)" "www.example.com" "www.example.com/page.php" "https://example.org/" "GET" "a=b" "200""#,
            r#"{"receivedAt":"2017-06-28T07:26:35Z","method":"GET","path":"/page.php","userAgent":"Mozilla/5.0 (X)","status":200,"host":"www.example.com","referrer":"https://example.org/","clientIp":"192.0.2.1"}"#,
        ),
        // Microsoft's ISA Server and Threat Management Gateway.
        (
            " c-ip cs-username c-agent date time cs-referred time-taken cs-bytes sc-bytes s-operation cs-uri sc-status",
            "192.0.2.1\tanonymous\tMozilla/4.0 (X)\t2024-12-28\t18:03:07\t-\t15\t300\t512\tGET\thttp://www.example.com/a?b\t200",
            r#"{"receivedAt":"2024-12-28T18:03:07Z","method":"GET","path":"/a","userAgent":"Mozilla/4.0 (X)","status":200,"responseBytes":512,"durationSeconds":0.015,"host":"www.example.com","clientIp":"192.0.2.1"}"#,
        ),
    ] {
        let told = read(&in_berlin, format!("#Fields:{header}\n{line}\n").as_bytes());
        let [Told::Entry(entry)] = &told[..] else { panic!("{line}: {told:?}") };
        let values = [entry, want].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!(values[0], values[1], "{line}");
    }
}

#[test]
fn lines_of_cloudfront_are_read_without_their_header() {
    let line = "2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0%20(X)\ta=b\t-\tHit\tSOX4==\twww.example.com\thttps\t23\t0.001\t-\tTLSv1.2\tECDHE\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78\t-\t-";
    let header = "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end";
    let alone = read(&ReaderOptions::default(), line.as_bytes());
    assert!(matches!(&alone[..], [Told::Entry(entry)] if entry.contains("www.example.com")), "{alone:?}");
    assert_eq!(alone, read(&ReaderOptions::default(), format!("{header}\n{line}").as_bytes()));
    // An early one, which had no more columns than these.
    let early: Vec<&str> = line.split('\t').take(12).collect();
    let told = read(&ReaderOptions::default(), early.join("\t").as_bytes());
    assert!(matches!(&told[..], [Told::Entry(entry)] if entry.contains("cloudfront.net")), "{told:?}");
    // What has other columns is not of it.
    let other = read(&ReaderOptions::default(), line.replace("LAX1", "somewhere").as_bytes());
    assert_eq!(other, [Told::Skipped(Skip::NotAccessLog)]);
}
