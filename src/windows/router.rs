//! Which worker owns a window.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3Default;

use crate::model::{CustomerId, WindowId};

/// The partition of a window: spreads one hot minute of many customers, and the minutes of one customer, over all
/// workers. May change between runs: a window's file does not depend on its owner.
pub fn partition(customer: &CustomerId, window: WindowId, partitions: usize) -> usize {
    let mut hasher = Xxh3Default::new();
    hasher.write(customer.as_str().as_bytes());
    window.hash(&mut hasher);
    (hasher.finish() % partitions as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{WindowSize, WindowStart};

    #[test]
    fn minutes_and_customers_spread_over_all_partitions() {
        let id = |minute| WindowId { size: WindowSize::Minute, start: WindowStart(minute) };
        let one = CustomerId::new("one").unwrap();
        for partitions in [1, 7, 8] {
            let mut by_minute = vec![0u32; partitions];
            let mut by_customer = vec![0u32; partitions];
            for number in 0..1000 {
                by_minute[partition(&one, id(29_000_000 + number), partitions)] += 1;
                let customer = CustomerId::new(&format!("customer-{number}")).unwrap();
                by_customer[partition(&customer, id(29_000_000), partitions)] += 1;
            }
            let fair = 1000 / partitions as u32;
            assert!(by_minute.iter().chain(&by_customer).all(|count| (fair / 2..=fair * 2).contains(count)));
        }
    }
}
