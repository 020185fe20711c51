//! Reading the canonical JSON of windows piece by piece.
//!
//! Input: the text of a file. Output: its strings, numbers, maps and measures, one behind the other.
//! Never: another form of the same values: what [`super::json`] would not write is [`Unexpected`].

use std::borrow::Cow;

use crate::measures::{Cell, MAX_SUM, Measures};

/// An error in a file's content, although its checksum holds.
pub(super) struct Unexpected(pub(super) &'static str);

pub(super) type Scanned<T> = Result<T, Unexpected>;

pub(super) const NOT_CANONICAL: Unexpected = Unexpected("not the canonical form of a window");

/// The part of a file that is left to read.
pub(super) struct Scan<'a>(pub(super) &'a str);

impl<'a> Scan<'a> {
    /// Reads the fields of measures; `opening` stands before the first of them.
    pub(super) fn sums(&mut self, opening: &'static str) -> Scanned<Measures> {
        let mut opening = opening;
        let mut field = |scan: &mut Self, name: &str| {
            let Some(rest) = scan.0.strip_prefix(opening).and_then(|rest| rest.strip_prefix(name)) else {
                return false;
            };
            scan.0 = rest;
            opening = ",";
            true
        };
        let (mut bytes, mut micros, mut cells) = (0, 0, Vec::new());
        if field(self, "\"responseBytes\":") {
            bytes = self.number()?;
        }
        if field(self, "\"status\":{") {
            self.cells(&mut cells, |number| u16::try_from(number).ok().and_then(Cell::status))?;
        }
        if field(self, "\"duration\":{") {
            micros = self.duration(&mut cells)?;
        }
        Measures::with_cells(bytes, micros, cells).ok_or(NOT_CANONICAL)
    }

    fn duration(&mut self, cells: &mut Vec<(Cell, u64)>) -> Scanned<u64> {
        let mut micros = 0;
        if self.take("\"micros\":") {
            micros = self.number()?;
            self.take(",");
        }
        if self.take("\"zeroCount\":") {
            cells.push((Cell::zero_duration(), self.number()?));
            self.take(",");
        }
        if self.take("\"buckets\":{") {
            self.cells(cells, |number| i16::try_from(number).ok().and_then(Cell::bucket))?;
        }
        self.expect("}")?;
        Ok(micros)
    }

    /// Reads a map of cells behind its opening brace.
    fn cells(&mut self, cells: &mut Vec<(Cell, u64)>, cell: impl Fn(i64) -> Option<Cell>) -> Scanned<()> {
        loop {
            self.expect("\"")?;
            let is_negative = self.take("-");
            let number = self.number()? as i64;
            let number = if is_negative { -number } else { number };
            let cell = cell(number).ok_or(Unexpected("an unknown status or bucket"))?;
            self.expect("\":")?;
            cells.push((cell, self.number()?));
            if !self.take(",") {
                return self.expect("}");
            }
        }
    }

    /// Skips to the closing brace of an object of measures, in which no string holds a brace.
    pub(super) fn skip_object(&mut self) -> Scanned<()> {
        let mut depth = 0;
        for place in memchr::memchr2_iter(b'{', b'}', self.0.as_bytes()) {
            if self.0.as_bytes()[place] == b'{' {
                depth += 1;
            } else if depth == 0 {
                self.0 = &self.0[place..];
                return Ok(());
            } else {
                depth -= 1;
            }
        }
        Err(NOT_CANONICAL)
    }

    /// Skips to the end of the next `name`, if there is one.
    pub(super) fn jump_to(&mut self, name: &str) -> bool {
        if self.take(name) {
            return true;
        }
        let Some(place) = memchr::memmem::find(self.0.as_bytes(), name.as_bytes()) else { return false };
        self.0 = &self.0[place + name.len()..];
        true
    }

    /// Reads a map of counts behind its opening brace.
    pub(super) fn counts(&mut self, mut visit: impl FnMut(Cow<'a, str>, u64) -> Scanned<()>) -> Scanned<()> {
        loop {
            let key = self.string()?;
            self.expect(":")?;
            let count = self.number()?;
            if count == 0 {
                return Err(NOT_CANONICAL);
            }
            visit(key, count)?;
            if !self.take(",") {
                return self.expect("}");
            }
        }
    }

    /// Skips a map of counts.
    pub(super) fn skip_counts(&mut self) -> Scanned<()> {
        match memchr::memmem::find(self.0.as_bytes(), b"},\"") {
            Some(end) => self.0 = &self.0[end + 1..],
            // The last field.
            None if self.0.ends_with('}') => self.0 = &self.0[self.0.len()..],
            None => return Err(NOT_CANONICAL),
        }
        Ok(())
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn expect(&mut self, text: &str) -> Scanned<()> {
        if self.take(text) { Ok(()) } else { Err(NOT_CANONICAL) }
    }

    pub(super) fn expect_end(&self) -> Scanned<()> {
        if self.0.is_empty() { Ok(()) } else { Err(NOT_CANONICAL) }
    }

    pub(super) fn string(&mut self) -> Scanned<Cow<'a, str>> {
        let inside = self.0.strip_prefix('"').ok_or(NOT_CANONICAL)?;
        let first = memchr::memchr2(b'"', b'\\', inside.as_bytes()).ok_or(NOT_CANONICAL)?;
        if inside.as_bytes()[first] == b'"' {
            self.0 = &inside[first + 1..];
            return Ok(Cow::Borrowed(&inside[..first]));
        }
        let mut end = first;
        while inside.as_bytes().get(end).ok_or(NOT_CANONICAL)? != &b'"' {
            end += if inside.as_bytes()[end] == b'\\' { 2 } else { 1 };
        }
        let quoted = self.0.get(..end + 2).ok_or(NOT_CANONICAL)?;
        self.0 = &self.0[end + 2..];
        serde_json::from_str(quoted).map(Cow::Owned).map_err(|_| NOT_CANONICAL)
    }

    /// A number up to [`MAX_SUM`].
    pub(super) fn number(&mut self) -> Scanned<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        if digits == 0 || digits > 19 {
            return Err(NOT_CANONICAL);
        }
        self.0 = rest;
        // Nineteen digits fit.
        let number = number.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        if number <= MAX_SUM { Ok(number) } else { Err(Unexpected("a number above 2^63-1")) }
    }
}
