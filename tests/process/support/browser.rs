//! Real headless Chromium, driven over WebDriver by the chromedriver that comes with it (Debian's packages `chromium`
//! and `chromium-driver`). Every console error, every violation of the page's policy among them, is kept until a test
//! asks for it.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Client;

/// The window size and colour scheme of a browser.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub name: &'static str,
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

pub const LIGHT: Look = Look { name: "light", width: 1280, height: 900, dark: false };
pub const DARK: Look = Look { name: "dark", width: 1280, height: 900, dark: true };
pub const PHONE: Look = Look { name: "phone", width: 390, height: 844, dark: false };

/// One browser with one page. Ends when dropped.
pub struct Browser {
    driver: Child,
    client: RefCell<Client>,
    session: String,
    look: Look,
    pub downloads: tempfile::TempDir,
}

fn chromedriver() -> Option<PathBuf> {
    ["/usr/bin/chromedriver", "/usr/local/bin/chromedriver"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
}

impl Browser {
    pub fn start(look: Look) -> Browser {
        let path = chromedriver().expect("chromedriver is missing: apt-get install chromium chromium-driver");
        let mut driver = Command::new(path)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines
            .filter_map(|line| line.split("successfully on port ").nth(1).map(str::to_owned))
            .find_map(|rest| rest.trim_end_matches('.').parse::<u16>().ok())
            .expect("chromedriver says where it listens");
        let client = RefCell::new(Client::new(([127, 0, 0, 1], port).into()));
        let downloads = tempfile::tempdir().unwrap();
        let mut browser = Browser { driver, client, session: String::new(), look, downloads };
        let size = format!("--window-size={},{}", look.width, look.height);
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &size,
        ];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL"}, "goog:chromeOptions": {"args": args},
        }}});
        let session = browser.command("POST", "/session", Some(&capabilities));
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        let metrics = json!({"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 500});
        browser.cdp("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
        browser.cdp("Emulation.setEmulatedMedia", &json!({ "features": features }));
        let to = json!({"behavior": "allow", "downloadPath": browser.downloads.path()});
        browser.cdp("Browser.setDownloadBehavior", &to);
        browser
    }

    fn command(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(|body| serde_json::to_vec(body).unwrap());
        let headers = [("content-type", "application/json")];
        let target = format!("{}{path}", self.session);
        let answer = self.client.borrow_mut().send(method, &target, &headers, body.as_deref()).unwrap();
        let mut answer_body = answer.json();
        assert_eq!(answer.status, 200, "{method} {path}: {answer_body:#}");
        answer_body["value"].take()
    }

    /// A command of the DevTools protocol.
    pub fn cdp(&self, command: &str, params: &Value) -> Value {
        self.command("POST", "/goog/cdp/execute", Some(&json!({"cmd": command, "params": params})))
    }

    pub fn open(&self, url: &str) {
        self.command("POST", "/url", Some(&json!({ "url": url })));
    }

    pub fn back(&self) {
        self.command("POST", "/back", Some(&json!({})));
    }

    /// Runs a script's body in the page and returns its result.
    pub fn run(&self, script: &str, args: &[Value]) -> Value {
        self.command("POST", "/execute/sync", Some(&json!({"script": script, "args": args})))
    }

    /// The same for a script that calls its last argument when it is done.
    pub fn run_async(&self, script: &str, args: &[Value]) -> Value {
        self.command("POST", "/execute/async", Some(&json!({"script": script, "args": args})))
    }

    /// The text of the first element that matches; empty where there is none.
    pub fn text(&self, css: &str) -> String {
        let script = "const e = document.querySelector(arguments[0]); return e ? e.innerText : ''";
        self.run(script, &[json!(css)]).as_str().unwrap().to_owned()
    }

    /// Waits until an expression is true in the page.
    pub fn await_true(&self, expression: &str) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while self.run(&format!("return Boolean({expression})"), &[]) != json!(true) {
            if Instant::now() > deadline {
                self.shoot("gave-up");
                panic!("waited too long for {expression}; the page says:\n{}", self.text("body"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the element's text holds this.
    pub fn await_text(&self, css: &str, text: &str) {
        let (css, text) = (json!(css), json!(text));
        self.await_true(&format!(
            "(document.querySelector({css}) || {{innerText: ''}}).innerText.includes({text})"
        ));
    }

    /// Clicks as a mouse does: whatever lies over the element gets it.
    pub fn click(&self, css: &str) {
        let found = self.command("POST", "/element", Some(&json!({"using": "css selector", "value": css})));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.command("POST", &format!("/element/{id}/click"), Some(&json!({})));
    }

    /// Presses keys one after the other where the focus is; `\u{E008}` is Shift, held to the end.
    pub fn press(&self, keys: &str) {
        let mut actions = Vec::new();
        for key in keys.chars() {
            actions.push(json!({"type": "keyDown", "value": key}));
            if key != '\u{E008}' {
                actions.push(json!({"type": "keyUp", "value": key}));
            }
        }
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.command("POST", "/actions", Some(&json!({ "actions": [keyboard] })));
        self.command("DELETE", "/actions", None);
    }

    /// Drags the mouse over an element, from one share of its width to another.
    pub fn drag(&self, css: &str, from: f64, to: f64) {
        let script = "document.querySelector(arguments[0]).scrollIntoView({block: 'center'});
            const r = document.querySelector(arguments[0]).getBoundingClientRect();
            return [r.left, r.top, r.width, r.height]";
        let area = self.run(script, &[json!(css)]);
        let area = |i: usize| area[i].as_f64().unwrap();
        let at = |share: f64| json!({"type": "pointerMove", "duration": 50, "x": (area(0) + area(2) * share) as i64, "y": (area(1) + area(3) / 2.0) as i64});
        let (down, up) =
            (json!({"type": "pointerDown", "button": 0}), json!({"type": "pointerUp", "button": 0}));
        let actions = [at(from), down, at((from + to) / 2.0), at(to), up];
        let mouse = json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions});
        self.command("POST", "/actions", Some(&json!({ "actions": [mouse] })));
    }

    /// Puts a picture of the whole page into the test output.
    pub fn shoot(&self, name: &str) -> PathBuf {
        let height = self.run("return Math.max(document.documentElement.scrollHeight, innerHeight)", &[]);
        self.shoot_down_to(&height, name)
    }

    /// The same of what is seen without scrolling.
    pub fn shoot_first_screen(&self, name: &str) -> PathBuf {
        self.shoot_down_to(&json!(self.look.height), name)
    }

    fn shoot_down_to(&self, height: &Value, name: &str) -> PathBuf {
        let clip = json!({"x": 0, "y": 0, "width": self.look.width, "height": height, "scale": 1});
        let params = json!({"captureBeyondViewport": true, "clip": clip});
        let picture = self.cdp("Page.captureScreenshot", &params);
        let dir = Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target/tmp")).join("dashboard");
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join(format!("{name}-{}.png", self.look.name));
        fs::write(&file, base64(picture["data"].as_str().unwrap())).unwrap();
        file
    }

    /// Errors and warnings in the console since the last call.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", Some(&json!({"type": "browser"})));
        let lines = log.as_array().unwrap().iter();
        lines
            .filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING")
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    }

    pub fn assert_quiet(&self) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "the console says {complaints:#?}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; the driver alone would leave it behind.
        if !self.session.is_empty() {
            let _ = self.client.borrow_mut().send("DELETE", &self.session, &[], None);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.trim_end_matches('=').bytes().map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().enumerate().fold(0, |bits, (i, digit)| bits | digit << (18 - 6 * i));
        bits.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}
