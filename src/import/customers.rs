//! One log of several customers: whose each line is.
//!
//! Input: a region. Output: its lines divided between customers, each of whom gets batches of its own, see the
//! [parent module](super). Never: a customer that depends on anything but the line and the options.

use super::region::Region;
use super::walk::{Post, RegionProgress, View, Walked, finished_lines, walk_view};
use crate::dimension::{TEXT_COUNT, text_field};
use crate::entry::{FormatError, LineFormat, LineOutcome, Reader, ReaderOptions};
use crate::model::CustomerId;

/// Finds the customer of a line.
#[derive(Clone, Debug)]
pub struct CustomerFinder {
    reader: ReaderOptions,
    /// The field of the entries it reads that holds the customer.
    field: &'static str,
}

impl CustomerFinder {
    /// By a field of entries, or by one of JSON lines.
    ///
    /// # Errors
    /// For a name that no field of a JSON line can have.
    pub fn new(field: &str, reader: &ReaderOptions) -> Result<Self, FormatError> {
        if field == "host" {
            return Ok(Self { reader: reader.clone(), field: "host" });
        }
        // Read by itself, in the place of a text that is kept as it is logged.
        let place = (0..TEXT_COUNT).map(text_field).find(|place| place.is_url);
        let place = place.expect("one text is kept as it is logged").name;
        let format: LineFormat = format!("json:{place}={field}").parse()?;
        Ok(Self { reader: ReaderOptions { format, ..reader.clone() }, field: place })
    }

    /// Divides the lines of a region.
    fn divide(&self, region: &Region) -> Divided {
        let mut divided = Divided { owners: Vec::with_capacity(region.lines()), customers: Vec::new() };
        let mut reader = Reader::new(self.reader.clone());
        reader.set_state_of(&region.start.reader);
        for line in 0..region.lines() {
            let mut owner = None;
            let mut each = |outcome: LineOutcome<'_>| {
                let customer = match outcome {
                    LineOutcome::Entry { entry, .. } => entry.text(self.field).and_then(CustomerId::new),
                    LineOutcome::Skipped { .. } => None,
                };
                owner.get_or_insert(customer.map_or(Owner::Default, |id| divided.named(id)));
            };
            reader.body(region.slice(line, line + 1), &mut each);
            if line + 1 == region.lines() {
                reader.finish(&mut each);
            }
            divided.owners.push(owner.unwrap_or(Owner::All));
        }
        divided
    }
}

/// Whose a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// It gives no entry, but may say how the others are read (`#Fields`).
    All,
    /// It names no customer.
    Default,
    /// By the place in [`Divided::customers`].
    Named(usize),
}

/// The lines of a region by customers.
#[derive(Debug)]
struct Divided {
    owners: Vec<Owner>,
    customers: Vec<CustomerId>,
}

impl Divided {
    fn named(&mut self, id: CustomerId) -> Owner {
        let place = self.customers.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.customers.push(id);
            self.customers.len() - 1
        });
        Owner::Named(place)
    }
}

/// The lines of one customer.
#[derive(Clone, Copy)]
pub(super) struct CustomerLines<'d> {
    divided: &'d Divided,
    owner: Owner,
}

impl<'d> CustomerLines<'d> {
    pub(super) fn has(self, line: usize) -> bool {
        [self.owner, Owner::All].contains(&self.divided.owners[line])
    }

    /// `None` for the import's own.
    pub(super) fn id(self) -> Option<&'d CustomerId> {
        match self.owner {
            Owner::Named(place) => Some(&self.divided.customers[place]),
            Owner::All | Owner::Default => None,
        }
    }
}

/// Sends the lines of a region that `progress` does not have yet, for one customer after the other.
///
/// # Errors
/// The first that [`Post`] says.
pub(super) fn walk_customers<P: Post>(
    by: &CustomerFinder,
    region: &Region,
    is_last_look: bool,
    progress: &mut RegionProgress,
    post: &mut P,
) -> Result<Walked, P::Error> {
    let divided = by.divide(region);
    let from = progress.lines.min(region.lines());
    let lines = finished_lines(region);
    let (mut all, mut reached, mut cut_bytes) = (Walked::default(), region.lines(), 0);
    let named = (0..divided.customers.len()).map(Owner::Named);
    for owner in named.chain([Owner::Default]) {
        let customer = Some(CustomerLines { divided: &divided, owner });
        let view = View { region, lines, is_last_look, customer };
        let mut own =
            RegionProgress { lines: from, last_block: view.last_entry(from), cut_bytes: progress.cut_bytes };
        let Walked { counted, already, skipped, conflict } = walk_view(view, &mut own, post)?;
        all.counted += counted;
        all.already += already;
        all.skipped.merge(skipped);
        all.conflict = all.conflict.or(conflict);
        reached = reached.min(own.lines);
        cut_bytes = own.cut_bytes;
    }
    *progress = RegionProgress { lines: reached, last_block: None, cut_bytes };
    Ok(all)
}
