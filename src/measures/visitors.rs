//! How many different visitors there were: HyperLogLog of 4,096 registers, whose standard error is 1.04/√4096 = 1.6 %.
//!
//! Input: 64-bit hashes that somebody without the key cannot foresee. Output: registers that merge by maximum, their text
//! in files and records, and the estimate.
//! Never: the hashes themselves, or what was hashed.
//!
//! # Text
//!
//! A register needs six bits, and so does a character of [`ALPHABET`], which ascends as its characters' codes do. Up to
//! [`MAX_SPARSE`] registers that are not zero are written sparse, ascending, as three characters each: the register's number
//! in two, its value in one. More are written dense: one character for each register. So a text of 4,096 characters
//! is dense and a shorter one sparse, each set of registers has exactly one text, and the maximum of two dense texts is the
//! maximum of each character.

/// Six bits of the hash select 2^12 registers.
const REGISTER_BITS: u32 = 12;
pub const REGISTERS: usize = 1 << REGISTER_BITS;
/// The highest value of a register: one more than the bits of a hash behind the register's number.
const MAX_RANK: u8 = (64 - REGISTER_BITS + 1) as u8;
/// The most registers that are shorter to write sparse: 3 · 1,365 = 4,095 characters.
pub const MAX_SPARSE: usize = (REGISTERS - 1) / 3;

/// The characters of six bits, ascending: those of base64 for URLs in another order.
const ALPHABET: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const NOT_A_CHARACTER: u8 = 64;
/// The six bits of a character.
const BITS: [u8; 256] = {
    let mut bits = [NOT_A_CHARACTER; 256];
    let mut value = 0;
    while value < 64 {
        bits[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    bits
};

/// The registers; equal sets of visitors make equal ones, in whatever order they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitors(Registers);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Registers {
    /// (number, value) ascending by number, values above zero; at most [`MAX_SPARSE`].
    Sparse(Vec<(u16, u8)>),
    /// More than [`MAX_SPARSE`] are above zero.
    Dense(Box<[u8; REGISTERS]>),
}

impl Default for Visitors {
    fn default() -> Self {
        Self(Registers::Sparse(Vec::new()))
    }
}

impl Visitors {
    /// Counts a visitor by the hash of what tells visitors apart.
    pub fn insert(&mut self, hash: u64) {
        let register = (hash >> (64 - REGISTER_BITS)) as u16;
        let rank = (hash << REGISTER_BITS).leading_zeros().min(64 - REGISTER_BITS) as u8 + 1;
        match &mut self.0 {
            Registers::Dense(ranks) => {
                let known = &mut ranks[usize::from(register)];
                *known = rank.max(*known);
            }
            Registers::Sparse(ranks) => {
                match ranks.binary_search_by_key(&register, |(register, _)| *register) {
                    Ok(place) => ranks[place].1 = rank.max(ranks[place].1),
                    Err(place) => {
                        ranks.insert(place, (register, rank));
                        self.make_canonical();
                    }
                }
            }
        }
    }

    /// Adds the visitors of another: the maximum of each register.
    pub fn merge(&mut self, other: &Visitors) {
        match (&mut self.0, &other.0) {
            (_, Registers::Sparse(others)) if others.is_empty() => {}
            (Registers::Dense(ranks), Registers::Dense(others)) => {
                ranks.iter_mut().zip(others.iter()).for_each(|(rank, other)| *rank = (*rank).max(*other));
            }
            (Registers::Dense(ranks), Registers::Sparse(others)) => raise(ranks, others),
            (Registers::Sparse(ranks), Registers::Dense(others)) => {
                let mut dense = others.clone();
                raise(&mut dense, ranks);
                self.0 = Registers::Dense(dense);
            }
            (Registers::Sparse(ranks), Registers::Sparse(others)) => {
                *ranks = merged(ranks, others);
                self.make_canonical();
            }
        }
    }

    fn make_canonical(&mut self) {
        if let Registers::Sparse(ranks) = &self.0
            && ranks.len() > MAX_SPARSE
        {
            let mut dense = Box::new([0; REGISTERS]);
            raise(&mut dense, ranks);
            self.0 = Registers::Dense(dense);
        }
    }

    /// Whether no visitor was counted.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Registers::Sparse(ranks) if ranks.is_empty())
    }

    pub fn bytes(&self) -> usize {
        match &self.0 {
            Registers::Sparse(ranks) => ranks.capacity() * size_of::<(u16, u8)>(),
            Registers::Dense(_) => REGISTERS,
        }
    }

    /// About how many different visitors were counted: the improved raw estimator of Otmar Ertl, "New cardinality estimation
    /// algorithms for HyperLogLog sketches" (2017), algorithm 6. It needs no table of corrections and has no seam between
    /// small and large numbers.
    pub fn estimate(&self) -> u64 {
        let mut registers_by_rank = [0u32; MAX_RANK as usize + 1];
        match &self.0 {
            Registers::Sparse(ranks) => {
                registers_by_rank[0] = (REGISTERS - ranks.len()) as u32;
                ranks.iter().for_each(|(_, rank)| registers_by_rank[usize::from(*rank)] += 1);
            }
            Registers::Dense(ranks) => {
                ranks.iter().for_each(|rank| registers_by_rank[usize::from(*rank)] += 1);
            }
        }
        let registers = REGISTERS as f64;
        let share = |rank: usize| f64::from(registers_by_rank[rank]) / registers;
        let mut sum = registers * tau(1.0 - share(usize::from(MAX_RANK)));
        for rank in (1..usize::from(MAX_RANK)).rev() {
            sum = 0.5 * (sum + f64::from(registers_by_rank[rank]));
        }
        sum += registers * sigma(share(0));
        (registers * registers / (2.0 * std::f64::consts::LN_2 * sum)).round() as u64
    }

    /// The registers above zero, number and value, ascending.
    pub fn registers(&self) -> Vec<(u16, u8)> {
        match &self.0 {
            Registers::Sparse(ranks) => ranks.clone(),
            Registers::Dense(ranks) => {
                let numbered = (0..).zip(ranks.iter().copied());
                numbered.filter(|(_, rank)| *rank > 0).collect()
            }
        }
    }

    /// Visitors with these registers above zero, ascending by number; `None` if such registers are impossible.
    pub fn from_registers(registers: Vec<(u16, u8)>) -> Option<Visitors> {
        let is_register =
            |(number, rank): &(u16, u8)| usize::from(*number) < REGISTERS && (1..=MAX_RANK).contains(rank);
        let ascends = registers.is_sorted_by(|(a, _), (b, _)| a < b);
        if !ascends || !registers.iter().all(is_register) {
            return None;
        }
        let mut visitors = Visitors(Registers::Sparse(registers));
        visitors.make_canonical();
        Some(visitors)
    }

    /// Appends its text.
    pub fn push_text(&self, text: &mut String) {
        let character = |bits: u16| char::from(ALPHABET[usize::from(bits & 63)]);
        match &self.0 {
            Registers::Sparse(ranks) => {
                for (register, rank) in ranks {
                    let characters = [register >> 6, *register, u16::from(*rank)];
                    text.extend(characters.map(character));
                }
            }
            Registers::Dense(ranks) => text.extend(ranks.iter().map(|rank| character(u16::from(*rank)))),
        }
    }

    /// Reads the text of registers; `None` if it is not their canonical text.
    pub fn from_text(text: &[u8]) -> Option<Visitors> {
        let bits = |character: u8| Some(BITS[usize::from(character)]).filter(|bits| *bits < NOT_A_CHARACTER);
        let visitors = if text.len() == REGISTERS {
            let mut ranks = Box::new([0; REGISTERS]);
            for (rank, character) in ranks.iter_mut().zip(text) {
                *rank = bits(*character)?;
            }
            Visitors(Registers::Dense(ranks))
        } else {
            let mut ranks = Vec::with_capacity(text.len() / 3);
            let (triples, rest) = text.as_chunks::<3>();
            for [high, low, rank] in triples {
                ranks.push((u16::from(bits(*high)?) << 6 | u16::from(bits(*low)?), bits(*rank)?));
            }
            let ascends = ranks.is_sorted_by(|(a, _), (b, _)| a < b);
            if !rest.is_empty() || !ascends || ranks.iter().any(|(_, rank)| *rank == 0) {
                return None;
            }
            Visitors(Registers::Sparse(ranks))
        };
        visitors.is_canonical().then_some(visitors)
    }

    fn is_canonical(&self) -> bool {
        match &self.0 {
            Registers::Sparse(ranks) => {
                ranks.len() <= MAX_SPARSE && ranks.iter().all(|(_, rank)| *rank <= MAX_RANK)
            }
            Registers::Dense(ranks) => {
                let occupied = ranks.iter().filter(|rank| **rank > 0).count();
                occupied > MAX_SPARSE && ranks.iter().all(|rank| *rank <= MAX_RANK)
            }
        }
    }
}

fn raise(ranks: &mut [u8; REGISTERS], others: &[(u16, u8)]) {
    for (register, other) in others {
        let rank = &mut ranks[usize::from(*register)];
        *rank = (*rank).max(*other);
    }
}

/// The maxima of two ascending lists.
fn merged(left: &[(u16, u8)], right: &[(u16, u8)]) -> Vec<(u16, u8)> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().copied().peekable(), right.iter().copied().peekable());
    while let (Some(a), Some(b)) = (left.peek().copied(), right.peek().copied()) {
        let register = a.0.min(b.0);
        let ranks = [left.next_if(|next| next.0 == register), right.next_if(|next| next.0 == register)];
        let highest = ranks.into_iter().flatten().map(|(_, rank)| rank).max();
        merged.extend(highest.map(|rank| (register, rank)));
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

/// σ of the estimator: the part of registers that are zero.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if sum == before {
            return sum;
        }
    }
}

/// τ of the estimator: the part of registers at their maximum.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * y;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash of a number (SplitMix64): as good as random.
    fn hash(number: u64) -> u64 {
        let mut x = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    fn of(numbers: impl Iterator<Item = u64>) -> Visitors {
        let mut visitors = Visitors::default();
        numbers.for_each(|number| visitors.insert(hash(number)));
        visitors
    }

    fn text(visitors: &Visitors) -> String {
        let mut text = String::new();
        visitors.push_text(&mut text);
        text
    }

    #[test]
    fn the_error_is_that_of_4096_registers_from_one_to_ten_million() {
        let mut visitors: Vec<Visitors> = vec![Visitors::default(); 20];
        let mut counted = 0;
        for wanted in [1, 2, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
            let runs = if wanted > 1_000_000 { 3 } else { 20 };
            let mut errors = Vec::new();
            for (run, visitors) in visitors.iter_mut().enumerate().take(runs) {
                let first = run as u64 * 100_000_000;
                (counted..wanted).for_each(|number| visitors.insert(hash(first + number)));
                errors.push(visitors.estimate() as f64 / wanted as f64 - 1.0);
            }
            counted = wanted;
            let mean_square = errors.iter().map(|error| error * error).sum::<f64>() / runs as f64;
            let worst = errors.iter().fold(0.0f64, |worst, error| worst.max(error.abs()));
            println!(
                "{wanted} visitors: error {:.2} %, at worst {:.2} %",
                mean_square.sqrt() * 100.0,
                worst * 100.0
            );
            // Few visitors are counted exactly, unless two share a register.
            let allowed = (1.0 / wanted as f64).max(0.05);
            assert!(mean_square.sqrt() < 0.025 && worst <= allowed, "{wanted}: {errors:?}");
        }
    }

    #[test]
    fn order_and_grouping_leave_no_trace() {
        for count in [0u64, 1, 300, 1_500, 1_650, 5_000, 60_000] {
            let whole = of(0..count);
            let (mut odd, even) =
                (of((0..count).rev().filter(|n| n % 2 == 1)), of((0..count).filter(|n| n % 2 == 0)));
            odd.merge(&even);
            assert_eq!(odd, whole, "{count}");
            let mut again = whole.clone();
            again.merge(&odd);
            again.merge(&of((0..count).filter(|n| n % 7 == 0)));
            assert_eq!(again, whole, "who comes twice is one visitor");
            let mut few = of(0..count.min(3));
            few.merge(&whole);
            assert_eq!(few, whole, "{count}");
            assert_eq!(Visitors::from_registers(whole.registers()), Some(whole.clone()));
            assert_eq!(Visitors::from_text(text(&whole).as_bytes()), Some(whole));
        }
        assert!(Visitors::default().is_empty() && Visitors::default().estimate() == 0);
    }

    #[test]
    fn the_text_is_sparse_as_long_as_that_is_shorter() {
        let registers = |count: usize| {
            let mut visitors = Visitors::default();
            (0..count as u64).for_each(|register| visitors.insert(register << 52 | 1 << 51));
            visitors
        };
        assert_eq!(text(&registers(2)), "--0-00");
        assert_eq!(
            (text(&registers(MAX_SPARSE)).len(), text(&registers(MAX_SPARSE + 1)).len()),
            (4_095, 4_096)
        );
        assert!(registers(MAX_SPARSE).bytes() >= MAX_SPARSE * 3);
        let mut last = Visitors::default();
        last.insert(u64::MAX << 52);
        assert_eq!(text(&last), "zzp", "the last register, at its highest value 53");
    }

    #[test]
    fn registers_that_cannot_be_are_refused() {
        for registers in
            [vec![(4_096, 1)], vec![(1, 0)], vec![(1, 54)], vec![(2, 1), (1, 1)], vec![(1, 1), (1, 2)]]
        {
            assert_eq!(Visitors::from_registers(registers), None);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let dense_of_few = "0".repeat(MAX_SPARSE) + &"-".repeat(REGISTERS - MAX_SPARSE);
        let too_high = "q".repeat(REGISTERS);
        for text in ["0", "--00", "-----0", "-00--0", "--0--0", "--z", "--=", "--é", &dense_of_few, &too_high]
        {
            assert_eq!(Visitors::from_text(text.as_bytes()), None, "{text}");
        }
        assert!(Visitors::from_text("p".repeat(REGISTERS).as_bytes()).is_some());
    }
}
