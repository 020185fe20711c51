//! Scores families and classes against agents people have labelled, and states how good they must be.
//!
//! The scorer of the names is a port of the reference scorer the truth set came with, rule for rule: names agree when
//! their keys are equal; a key is the name through the alias table, lower case, letters and digits only, without a final
//! `browser` or `app`. `Webview` counts for in-app Chrome and Safari. For `crawler-ua` a longer name that contains the
//! family counts. A class is right if bots are `bot` or `ai`, tools are `tool`, and desktop, mobile and in-app agents
//! none of these; the class `app` of the truth is too mixed to be judged.
//!
//! `AGENT_TRUTH_MISSES=1` lists what disagrees; `AGENT_TRUTH=file` scores another file of the same form (no floors then).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use log_analytics::batch::agent::{Class, family};

/// Least percentage of agents named as the truth names them. Measured figures are a little above.
const NAME_FLOORS: [(&str, f64); 9] = [
    ("all", 97.4),
    ("class desktop", 99.0),
    ("class mobile", 98.5),
    ("class bot", 95.5),
    ("class tool", 96.0),
    ("class inapp", 96.5),
    ("class app", 96.0),
    ("source real-npm-user-agents", 99.0),
    ("source real-fake-useragent", 99.0),
];

/// Least percentage of agents with a right class. Four of the 203 in-app agents are no people's by all other evidence:
/// `heritrix`, a bare address, Pinterest's crawler, and a preview of WhatsApp.
const CLASS_FLOORS: [(&str, f64); 6] = [
    ("class bot", 99.3),
    ("class tool", 94.0),
    ("class desktop", 99.3),
    ("class mobile", 99.8),
    ("class inapp", 98.0),
    ("people", 99.5),
];

/// The same for agents written from memory, most of them without a line in the table.
const MEMORY_FLOORS: [(&str, f64); 5] = [
    ("class bot", 95.0),
    ("class tool", 88.0),
    ("class desktop", 99.0),
    ("class mobile", 99.0),
    ("class inapp", 99.0),
];

/// Whether the class `found` is right for the class `truth` of the truth; `None` if that is not judged.
fn is_right(truth: &str, found: Class) -> Option<bool> {
    match truth {
        "bot" => Some(found.is_robot()),
        "tool" => Some(found == Class::Tool),
        "desktop" | "mobile" | "inapp" => Some(!found.is_robot() && found != Class::Tool),
        _ => None,
    }
}

struct Scorer {
    aliases: HashMap<String, String>,
}

impl Scorer {
    fn new(aliases: &str) -> Scorer {
        let mut table = HashMap::new();
        for line in aliases.lines() {
            let (alias, family) = line.split_once('\t').expect("alias<TAB>family");
            table.insert(letters_and_digits(alias), family.to_owned());
            table.insert(letters_and_digits(family), family.to_owned());
        }
        Scorer { aliases: table }
    }

    fn key(&self, name: &str) -> String {
        let plain = letters_and_digits(name);
        let mut key = match self.aliases.get(&plain) {
            Some(family) => letters_and_digits(family),
            None => plain,
        };
        for ending in ["browser", "app"] {
            if key.ends_with(ending) && key.chars().count() >= ending.len() + 2 {
                key.truncate(key.len() - ending.len());
            }
        }
        key
    }

    fn agrees(&self, predicted: &str, family: &str, class: &str, source: &str) -> bool {
        let (p, f) = (self.key(predicted), self.key(family));
        if p == f {
            return true;
        }
        let web_view = |key: &str| matches!(key, "webview" | "chrome" | "safari");
        if class == "inapp" && matches!(f.as_str(), "chrome" | "safari") && web_view(&p) {
            return true;
        }
        source == "crawler-ua"
            && f.chars().count() >= 4
            && p.contains(&f)
            && p.chars().count() <= f.chars().count() + 20
            && !has_version(predicted)
    }
}

/// A digit, a dot and a digit, or a slash.
fn has_version(name: &str) -> bool {
    let dotted = |part: &[u8]| part[0].is_ascii_digit() && part[1] == b'.' && part[2].is_ascii_digit();
    name.contains('/') || name.as_bytes().windows(3).any(dotted)
}

fn letters_and_digits(name: &str) -> String {
    unquoted(name).to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Percent-decodes.
fn unquoted(name: &str) -> String {
    let bytes = name.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits"));
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/agents").join(file)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Right answers and all of them, by group.
type Scores = BTreeMap<String, (u32, u32)>;

fn count(scores: &mut Scores, group: String, is_right: bool) {
    let (right, of) = scores.entry(group).or_default();
    *right += u32::from(is_right);
    *of += 1;
}

#[test]
fn families_and_classes_are_what_people_call_them() {
    let other = std::env::var_os("AGENT_TRUTH");
    let truth = read(&other.as_ref().map_or_else(|| data("ua_truth_public.tsv"), PathBuf::from));
    let scorer = Scorer::new(&read(&data("ua_aliases.tsv")));
    let list_misses = std::env::var_os("AGENT_TRUTH_MISSES").is_some();
    let (mut names, mut classes) = (Scores::new(), Scores::new());
    for line in truth.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [agent, expected, class, source] = fields[..] else { panic!("four fields: {line:?}") };
        let found = family(agent);
        let agrees = scorer.agrees(found.name(), expected, class, source);
        for group in ["all".to_owned(), format!("class {class}"), format!("source {source}")] {
            count(&mut names, group, agrees);
        }
        let right = is_right(class, found.class());
        if let Some(right) = right {
            count(&mut classes, format!("class {class}"), right);
            if !matches!(class, "bot" | "tool") {
                count(&mut classes, "people".to_owned(), right);
            }
        }
        if list_misses && (!agrees || right == Some(false)) {
            println!("MISS {class}\t{source}\t{expected}\t{found}\t{}\t{agent}", found.class());
        }
    }
    for (title, scores, floors) in [("named", &names, &NAME_FLOORS[..]), ("classed", &classes, &CLASS_FLOORS)]
    {
        print(title, scores, floors);
        if other.is_none() {
            check(scores, floors);
        }
    }
}

fn print(title: &str, scores: &Scores, floors: &[(&str, f64)]) {
    println!("{title:<30} {:>11} {:>7} {:>6}", "right", "%", "floor");
    for (group, (right, of)) in scores {
        let floor = floors.iter().find(|(name, _)| name == group).map(|(_, floor)| *floor);
        let shown = floor.map_or(String::new(), |floor| format!("{floor:.1}"));
        println!("{group:<30} {:>11} {:>7.1} {shown:>6}", format!("{right}/{of}"), percent(*right, *of));
    }
}

fn check(scores: &Scores, floors: &[(&str, f64)]) {
    for (group, floor) in floors {
        let (right, of) = scores[*group];
        assert!(percent(right, of) >= *floor, "{group}: {right} of {of}, floor {floor} %");
    }
}

fn percent(part: u32, whole: u32) -> f64 {
    100.0 * f64::from(part) / f64::from(whole)
}

#[test]
fn agents_written_from_memory_get_the_class_of_their_kind() {
    let list_misses = std::env::var_os("AGENT_TRUTH_MISSES").is_some();
    let mut scores = Scores::new();
    for line in read(&data("ua_memory.tsv")).lines() {
        let (agent, class) = line.split_once('\t').expect("agent<TAB>class");
        let found = family(agent);
        let right = is_right(class, found.class()).expect("a class that is judged");
        count(&mut scores, format!("class {class}"), right);
        if list_misses && !right {
            println!("MISS {class}\t{found}\t{}\t{agent}", found.class());
        }
    }
    print("classed", &scores, &MEMORY_FLOORS);
    check(&scores, &MEMORY_FLOORS);
}

#[test]
fn agents_of_today_get_exactly_their_family_and_class() {
    let today = read(&data("ua_today.tsv"));
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in today.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [agent, name, class] = fields[..] else { panic!("three fields: {line:?}") };
        let found = family(agent);
        if (found.name(), found.class().as_str()) != (name, class) {
            wrong.push(format!("{name} {class}, not {found} {}: {agent}", found.class()));
        }
        rows += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows > 500, "{rows}");
}

#[test]
fn the_scorer_follows_its_reference() {
    let scorer = Scorer::new("CriOS\tChrome\nMobile Safari\tSafari\nSamsung Internet\tSamsung Browser\n");
    let agrees = |p: &str, f: &str| scorer.agrees(p, f, "bot", "uap-test");
    assert!(agrees("CriOS", "Chrome"));
    assert!(agrees("samsung internet", "Samsung Browser"));
    assert!(agrees("UC Browser", "UC"));
    assert!(agrees("The%20Show", "the show"));
    assert!(!agrees("Chrome", "Safari"));
    assert!(!agrees("SlackbotLink", "Slackbot"));
    assert!(scorer.agrees("Slackbot-LinkExpanding", "Slackbot", "bot", "crawler-ua"));
    assert!(!scorer.agrees("Slackbot/1.0", "Slackbot", "bot", "crawler-ua"));
    assert!(scorer.agrees("Webview", "Mobile Safari", "inapp", "uap-test"));
    // "app" alone is no ending: two letters must stay.
    assert_eq!(scorer.key("xapp"), "xapp");
}
