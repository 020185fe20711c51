//! The only place that asks for random bytes: straight from the kernel, so that a binary in an empty root, without
//! `/dev/urandom`, has them too.

use ulid::Ulid;

use crate::base::clock;

pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            // Linux has had the call since 3.17, and it does not fail otherwise.
            Err(error) => panic!("the kernel gives no random bytes: {error}"),
        }
    }
    bytes
}

/// A new ULID: 26 characters, ascending with time to the millisecond.
pub fn ulid() -> String {
    Ulid::from_parts(clock::now_ms(), u128::from_le_bytes(bytes())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulids_are_distinct_and_ascend_with_time() {
        let (first, second) = (ulid(), ulid());
        assert_ne!(first, second);
        assert_eq!((first.len(), second.len()), (26, 26));
        assert!(first[..10] <= second[..10]);
    }
}
