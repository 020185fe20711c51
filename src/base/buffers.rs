//! Memory of large answers, used again: the kernel hands out new memory page by page, which took a sixth of the time of a
//! large answer.
//!
//! Input: the memory of an answer that was sent. Output: an empty buffer for the next one. Never: keeps more than
//! [`MAX_BUFFERS`], small ones, or very large ones.

use std::ops::RangeInclusive;

use super::spares::Spares;

/// Answers that are made at once, mostly.
const MAX_BUFFERS: usize = 2;
/// Smaller memory is quickly taken anew, larger memory is too much to keep.
const KEPT_BYTES: RangeInclusive<usize> = 256 << 10..=16 << 20;

static SENT: Spares<Vec<u8>> = Spares::new(MAX_BUFFERS);

/// An empty buffer.
pub(crate) fn take() -> Vec<u8> {
    SENT.take()
}

/// Gives back the memory of an answer.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if KEPT_BYTES.contains(&buffer.capacity()) {
        buffer.clear();
        SENT.give_back(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_memory_is_given_out_again_empty_and_small_memory_is_not_kept() {
        give_back(vec![1; 1 << 20]);
        let again = take();
        assert!(again.is_empty() && again.capacity() >= 1 << 20);
        give_back(vec![1; 100]);
        assert_eq!(take().capacity(), 0);
        give_back(Vec::with_capacity(KEPT_BYTES.end() + 1));
        assert_eq!(take().capacity(), 0);
    }
}
