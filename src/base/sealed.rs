//! One line of JSON that ends with a checksum over itself, so that a reader notices any change.
//!
//! Input: an object without its closing brace. Output: the sealed line, or whether the seal holds.

use xxhash_rust::xxh3::xxh3_128;

/// Appends `,"checksum":"…"}`, XXH3-128 in hex over everything before it, and a line end.
pub fn seal_json(mut text: String) -> String {
    let checksum = xxh3_128(text.as_bytes());
    text.push_str(&format!(",\"checksum\":\"{checksum:032x}\"}}\n"));
    text
}

/// What [`seal_json`] appends, in bytes.
pub const SEAL_BYTES: usize = r#","checksum":"0123456789abcdef0123456789abcdef"}"#.len() + 1;

/// Whether these bytes are a sealed line of JSON whose checksum holds.
pub fn is_sealed(bytes: &[u8]) -> bool {
    let Some((text, seal)) = bytes.split_at_checked(bytes.len().wrapping_sub(SEAL_BYTES)) else {
        return false;
    };
    format!(",\"checksum\":\"{:032x}\"}}\n", xxh3_128(text)).as_bytes() == seal
}

/// The checksum at the end of a sealed line, in hex; `None` where it is too short to have one.
pub fn checksum(bytes: &[u8]) -> Option<String> {
    let seal = bytes.get(bytes.len().checked_sub(SEAL_BYTES)?..)?;
    let hex = std::str::from_utf8(seal).ok()?.strip_prefix(",\"checksum\":\"")?.strip_suffix("\"}\n")?;
    Some(hex.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_a_sealed_line_is_noticed() {
        let bytes = seal_json("{\"version\":1,\"appliedThrough\":3200".to_owned()).into_bytes();
        assert!(is_sealed(&bytes));
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert!(!is_sealed(&changed), "byte {position}");
            assert!(!is_sealed(&bytes[..position]), "cut at {position}");
        }
    }
}
