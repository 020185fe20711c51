//! The engine as a source of windows: those in memory from their workers, the others from their files.
//!
//! The workers are asked first. What they do not hold then is in a file that has everything that was acknowledged
//! before the question: a window leaves memory only after its file was written, and files are replaced whole. So a
//! window that is evicted, or written, while a query reads is only ever newer than the question.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{RecvTimeoutError, SendTimeoutError, bounded};

use super::{Engine, ToWorker};
use crate::base::disk;
use crate::base::sync::lock;
use crate::data_dir::{customer_dir_name, customer_in_dir_name, window_in_file_name};
use crate::model::{CustomerId, Seq, WindowId, WindowStart};
use crate::query::{Meter, QueryError, Question, Visit, WindowSource};
use crate::windows::file::{self, Damaged};
use crate::windows::router::partition;
use crate::windows::view::{Wanted, WindowView};
use crate::windows::window::Window;

/// A range of up to so many windows is looked up name by name; a longer one by listing the customer's directory, which
/// holds the windows of all sizes. A name that does not exist costs about 2 µs, a listed one a third of that.
const MAX_PROBED_NAMES: u32 = 10_000;
/// Names are listed between two looks at the clock.
const NAMES_PER_LOOK: usize = 4_096;

impl Engine {
    /// The resident windows a question is about, by start. They hold everything that was acknowledged before it.
    fn ask(&self, question: &Question, deadline: Instant) -> Option<Vec<Arc<Window>>> {
        let (answer, answers) = bounded(self.to_workers.len());
        for worker in &self.to_workers {
            let message = ToWorker::Ask { question: question.clone(), answer: answer.clone() };
            match worker.send_deadline(message, deadline) {
                Err(SendTimeoutError::Timeout(_)) => return None,
                // A worker that is gone has stopped, and everything it had is in files.
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => {}
            }
        }
        drop(answer);
        let mut windows = Vec::new();
        loop {
            match answers.recv_deadline(deadline) {
                Ok(mut some) => windows.append(&mut some),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
        windows.sort_unstable_by_key(|window| window.id().start);
        Some(windows)
    }

    /// Has the owner of a damaged window count it again.
    fn rebuild_for_query(
        &self,
        customer: &CustomerId,
        window: WindowId,
        deadline: Instant,
    ) -> Result<Option<Arc<Window>>, QueryError> {
        let (answer, rebuilt) = bounded(1);
        let worker = &self.to_workers[partition(customer, window, self.to_workers.len())];
        let message = ToWorker::RebuildForQuery { customer: customer.clone(), window, answer };
        worker.send_deadline(message, deadline).map_err(|_| QueryError::Rebuilding)?;
        let answer = rebuilt.recv_deadline(deadline).map_err(|_| QueryError::Rebuilding)?;
        answer.map_err(QueryError::Unreadable)
    }

    /// The starts of the windows that may exist, ascending; `held` are in memory.
    fn starts(
        &self,
        question: &Question,
        held: &[Arc<Window>],
        meter: &Meter,
    ) -> Result<Box<dyn Iterator<Item = WindowStart>>, QueryError> {
        let Question { customer, size, range } = question;
        let possible = range.end.0.saturating_sub(range.start.0).div_ceil(size.minutes());
        if possible <= MAX_PROBED_NAMES {
            let starts = (range.start.0..range.end.0).step_by(size.minutes() as usize);
            return Ok(Box::new(starts.map(WindowStart)));
        }
        let mut starts: BTreeSet<WindowStart> = held.iter().map(|window| window.id().start).collect();
        let (mut seen, mut in_time) = (0, Ok(()));
        let dir = self.shared.dir.customer(customer);
        let listed = self.shared.disk.names(&dir, &mut |name| {
            seen += 1;
            if seen % NAMES_PER_LOOK == 0 && in_time.is_ok() {
                in_time = meter.check_time();
            }
            let window = window_in_file_name(name);
            if let Some(window) = window.filter(|id| id.size == *size && range.contains(&id.start)) {
                starts.insert(window.start);
            }
        });
        listed.map_err(|error| QueryError::Unreadable(format!("{}: {error}", dir.display())))?;
        in_time?;
        Ok(Box::new(starts.into_iter()))
    }

    /// The customer of a directory with a cut name: its windows know.
    fn customer_of_cut_name(&self, name: &str) -> Option<CustomerId> {
        let dir = self.shared.dir.windows().join(name);
        let mut first: Option<String> = None;
        self.shared
            .disk
            .names(&dir, &mut |file| {
                if first.is_none() && file.ends_with(".json") {
                    first = Some(file.to_owned());
                }
            })
            .ok()?;
        let file = self.shared.disk.read(&dir.join(first?)).ok()?;
        let customer = Window::decode_any(&file).ok()?.customer().clone();
        (customer_dir_name(&customer) == name).then_some(customer)
    }
}

impl WindowSource for Engine {
    fn visit(
        &self,
        question: &Question,
        wanted: &Wanted,
        meter: &mut Meter,
        visit: Visit<'_>,
    ) -> Result<(), QueryError> {
        let out_of_time = |meter: &Meter| meter.check_time().err().unwrap_or(QueryError::Busy);
        // What is deleted while this runs may be seen in part.
        let has_window = {
            let deleted = lock(&self.shared.deleted).through(&question.customer);
            move |applied_through: Seq| deleted == Seq::ZERO || applied_through > deleted
        };
        let mut held = self.ask(question, meter.deadline()).ok_or_else(|| out_of_time(meter))?;
        held.retain(|window| has_window(window.applied_through()));
        let starts = self.starts(question, &held, meter)?;
        let mut held = held.iter().peekable();
        let metrics = &self.shared.metrics.queries;
        for start in starts {
            if let Some(window) = held.next_if(|window| window.id().start == start) {
                meter.charge(window.resident_bytes() as u64)?;
                metrics.resident_windows.inc();
                if visit(WindowView::of(window, wanted))?.is_break() {
                    return Ok(());
                }
                continue;
            }
            let id = WindowId { size: question.size, start };
            let path = self.shared.dir.window(&question.customer, id);
            let file = match self.shared.disk.read(&path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    meter.check_time()?;
                    continue;
                }
                Err(error) if disk::is_unreadable(&error) => None,
                Err(error) => return Err(QueryError::Unreadable(format!("{}: {error}", path.display()))),
            };
            let bytes = file.as_ref().map_or(0, Vec::len) as u64;
            meter.charge(bytes)?;
            metrics.file_windows.inc();
            metrics.file_bytes.inc_by(bytes);
            let view = match &file {
                Some(file) => file::decode(file, &question.customer, id, wanted),
                None => Err(Damaged::Content("the disk cannot read it".to_owned())),
            };
            let flow = match view {
                Ok(view) if !has_window(view.applied_through) => ControlFlow::Continue(()),
                Ok(view) => visit(view)?,
                Err(why) => {
                    log::warn!("{}: {why}; found by a query", path.display());
                    match self.rebuild_for_query(&question.customer, id, meter.deadline())? {
                        Some(window) => visit(WindowView::of(&window, wanted))?,
                        None => ControlFlow::Continue(()),
                    }
                }
            };
            if flow.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn customers(&self) -> Result<Vec<CustomerId>, QueryError> {
        let dir = self.shared.dir.windows();
        let (mut customers, mut cut) = (BTreeSet::new(), Vec::new());
        let listed = self.shared.disk.names(&dir, &mut |name| match customer_in_dir_name(name) {
            Some(customer) => drop(customers.insert(customer)),
            None => cut.push(name.to_owned()),
        });
        listed.map_err(|error| QueryError::Unreadable(format!("{}: {error}", dir.display())))?;
        customers.extend(cut.iter().filter_map(|name| self.customer_of_cut_name(name)));
        customers.retain(|customer| !lock(&self.shared.deleted).is_gone(customer));
        Ok(customers.into_iter().collect())
    }
}
