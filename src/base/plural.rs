//! Counts in words: `1 record`, `2 records`.

/// A count and what is counted; `one` is a noun whose plural ends with an s.
pub fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", plural_s(count))
}

/// What is added to a noun behind this count.
pub fn plural_s(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_nothing_is_plural() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "record")), ["0 records", "1 record", "2 records"]);
    }
}
