//! A progress bar on a terminal, and nothing elsewhere.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::shutdown;
use crate::input::Input;

/// A bar that counts bytes. Hidden where standard error is not a terminal.
pub(super) fn bytes(total: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = "{msg} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(what);
    bar
}

/// A bar that follows a counter of stored bytes.
#[derive(Default)]
pub(super) struct Shown {
    bar: OnceLock<ProgressBar>,
    done: Arc<AtomicBool>,
}

/// Time between two reads of the counter.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Shown {
    /// Shows how far `inputs` are read; where the size of one is not known, the bytes and their rate.
    pub(super) fn start(&self, inputs: &[Input], what: &'static str, read: Arc<AtomicU64>) {
        let total: Option<u64> = inputs.iter().map(Input::stored_bytes).sum();
        self.show(total, what, read);
    }

    /// Shows the bytes read and their rate, for input without an end.
    pub(super) fn start_endless(&self, what: &'static str, read: Arc<AtomicU64>) {
        self.show(None, what, read);
    }

    fn show(&self, total: Option<u64>, what: &'static str, read: Arc<AtomicU64>) {
        let bar = self.bar.get_or_init(|| match total {
            Some(total) => bytes(total, what),
            None => endless(what),
        });
        if bar.is_hidden() {
            return;
        }
        let (bar, done) = (bar.clone(), Arc::clone(&self.done));
        // Not joined: it ends by itself, and nothing waits for a bar.
        let _ = shutdown::spawn("progress", move || {
            while !done.load(Ordering::Relaxed) {
                bar.set_position(read.load(Ordering::Relaxed));
                std::thread::sleep(LOOK_INTERVAL);
            }
        });
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }

    /// Prints a line to standard error, above the bar if there is one.
    pub(super) fn println(&self, line: &str) {
        match self.bar.get() {
            Some(bar) if !bar.is_hidden() => bar.println(line),
            _ => eprintln!("{line}"),
        }
    }
}

/// A bar that counts things whose number is not known beforehand. Hidden where standard error is not a terminal.
#[cfg(feature = "cluster")]
pub(super) fn counting(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} {msg} {per_sec}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

fn endless(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bytes} {bytes_per_sec}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
