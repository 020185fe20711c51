//! Tokens of HTTP (RFC 9110, section 5.6.2): methods, header names, transfer codings.

/// The longest method that is taken. The longest that is registered, `UPDATEREDIRECTREF`, has 17 bytes.
pub(crate) const MAX_METHOD_BYTES: usize = 32;

static IS_TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let tokens = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut index = 0;
    while index < tokens.len() {
        table[tokens[index] as usize] = true;
        index += 1;
    }
    table
};

/// Whether a byte is a `tchar`.
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    IS_TOKEN[usize::from(byte)]
}

/// Whether this can be a method: a token that is not empty and not too long.
#[inline]
pub(crate) fn is_method(text: &[u8]) -> bool {
    (1..=MAX_METHOD_BYTES).contains(&text.len()) && text.iter().all(|byte| is_token_byte(*byte))
}
