//! `GET /`: the dashboard, one self-contained page that asks the same API that others use.
//!
//! Input: the files of `dashboard/`, put together once. Output: the page, with a Content-Security-Policy that names style
//! and script by their hashes and allows nothing else; Trusted Types forbid every way to turn text into markup.
//! Never: data, so anybody may have the page (what it shows, it asks for with the reader's own customer id and key), or
//! anything fetched from elsewhere.
//!
//! The parts, in their order: `time`, `words` and `measures` name things; `state` is what the page shows, `api` asks
//! the server; `chart`, `cursor`, `cards`, `tables`, `lines`, `messages` and `customers` draw; `export` saves; `load`
//! runs all of them; `app` handles what people do.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use sha2::{Digest as _, Sha256};

use super::{Head, Response, negotiate};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// In the order in which they depend on each other.
const SCRIPTS: [&str; 15] = [
    include_str!("time.js"),
    include_str!("words.js"),
    include_str!("measures.js"),
    include_str!("state.js"),
    include_str!("api.js"),
    include_str!("chart.js"),
    include_str!("cursor.js"),
    include_str!("cards.js"),
    include_str!("tables.js"),
    include_str!("lines.js"),
    include_str!("messages.js"),
    include_str!("customers.js"),
    include_str!("export.js"),
    include_str!("load.js"),
    include_str!("app.js"),
];

/// The page and the policy it comes with.
struct Assembled {
    page: String,
    policy: String,
}

/// Answers `GET /`.
pub(super) fn page(head: &Head) -> Response {
    static ASSEMBLED: OnceLock<Assembled> = OnceLock::new();
    let Assembled { page, policy } = ASSEMBLED.get_or_init(assemble);
    negotiate::answer(head, "text/html; charset=utf-8", page.clone().into_bytes(), Compression::best())
        .with("cache-control", "no-cache")
        .with("content-security-policy", policy)
        .with("referrer-policy", "no-referrer")
        .with("cross-origin-opener-policy", "same-origin")
}

fn assemble() -> Assembled {
    let (script, style) = (without_comments(&SCRIPTS.concat()), compact_style(STYLE));
    let source = |text: &str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        source(&script),
        source(&style),
    );
    Assembled {
        page: without_comments(PAGE).replace("{{style}}", &style).replace("{{script}}", &script),
        policy,
    }
}

/// Removes indentation and lines that are comments; a browser does not need them. No text in these files spans
/// several lines.
fn without_comments(text: &str) -> String {
    let lines = text.lines().map(str::trim_start);
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with("/*"));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// Also removes from the style blanks around braces and behind colons and semicolons. No text in it contains any of
/// these.
fn compact_style(style: &str) -> String {
    let blanks = [(" {", "{"), ("{ ", "{"), ("; }", "}"), (": ", ":"), ("; ", ";")];
    blanks.iter().fold(without_comments(style), |style, (long, short)| style.replace(long, short))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page may weigh before compression.
    const MAX_PAGE_BYTES: usize = 90_000;

    #[test]
    fn the_page_is_one_small_piece_that_needs_nothing_else() {
        let Assembled { page, policy } = assemble();
        assert!(page.len() < MAX_PAGE_BYTES, "{} bytes", page.len());
        assert_eq!(page.matches("</script>").count(), 1, "the script must not end itself");
        assert_eq!(page.matches("</style>").count(), 1);
        assert!(!page.contains("{{"), "a part is missing");
        for outside in ["src=", "@import", "url(", "import(", "//cdn"] {
            assert!(!page.contains(outside), "{outside} would fetch something");
        }
        for sink in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(!page.contains(sink), "{sink} could turn a log line into markup");
        }
        assert!(!page.contains(" style=\""), "the policy forbids style attributes");
        assert_eq!(policy.matches("'sha256-").count(), 2);
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn the_page_is_compressed_and_not_sent_twice() {
        let head = |name: &str, value: &str| Head {
            headers: vec![(name.to_owned(), value.to_owned())],
            ..Head::default()
        };
        let zipped = page(&head("accept-encoding", "gzip"));
        assert!(zipped.status == 200 && zipped.body.len() < 32_000, "{} bytes", zipped.body.len());
        let tag = zipped.headers.iter().find(|(name, _)| *name == "etag").unwrap().1.clone();
        let again = page(&head("if-none-match", &tag));
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
}
