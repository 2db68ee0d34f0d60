//! Random numbers that only depend on the seed.

use rand_pcg::{
    Pcg64Mcg,
    rand_core::{Rng as _, SeedableRng as _},
};

/// A source of random choices; whole numbers only, since a platform's `powf` may differ in a bit.
#[derive(Debug)]
pub(super) struct Random(Pcg64Mcg);

impl Random {
    /// Starts the sequence of `seed` for one `purpose`, so that purposes do not repeat each other.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        let mixed = purpose
            .bytes()
            .fold(seed, |state, byte| mix(state ^ u64::from(byte)));
        Self(Pcg64Mcg::seed_from_u64(mixed))
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(super) fn wide(&mut self) -> u128 {
        u128::from(self.word()) << 64 | u128::from(self.word())
    }

    /// A number less than `bound`, or 0 if that is 0.
    ///
    /// Some numbers come up more often by a share of `bound`/2^64, which nobody will see.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        scale(self.word(), bound)
    }

    pub(super) fn between(&mut self, low: u16, high: u16) -> u16 {
        let span = u64::from(high.saturating_sub(low)) + 1;
        low.saturating_add(u16::try_from(self.below(span)).unwrap_or(0))
    }

    /// Says yes in `per_mille` of 1000 cases.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// One of `items`, each as likely.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
        items.get(usize::try_from(self.below(length)).ok()?)
    }

    /// One of `table`'s values, as likely as the weight beside it.
    ///
    /// # Panics
    ///
    /// If the weights add up to nothing; tables are constants.
    pub(super) fn weighted<T: Copy>(&mut self, table: &[(T, u32)]) -> T {
        weigh(table, self.word())
    }
}

/// The value of `table` that `word` falls on, as likely as the weight beside it.
///
/// # Panics
///
/// If the weights add up to nothing; tables are constants.
pub(super) fn weigh<T: Copy>(table: &[(T, u32)], word: u64) -> T {
    let total = table.iter().map(|&(_, weight)| u64::from(weight)).sum();
    let mut left = scale(word, total);
    for &(value, weight) in table {
        if left < u64::from(weight) {
            return value;
        }
        left -= u64::from(weight);
    }
    panic!("a table without weights")
}

/// Maps all words to the numbers below `bound`, in order.
fn scale(word: u64, bound: u64) -> u64 {
    u64::try_from((u128::from(word) * u128::from(bound)) >> 64).unwrap_or(0)
}

/// Values of which the first is the most popular: the n-th has 1/n of its share (Zipf).
#[derive(Debug)]
pub(super) struct Popularity<T> {
    values: Vec<T>,
    /// The sum of the shares up to and with each value.
    sums: Vec<u64>,
}

impl<T: Clone> Popularity<T> {
    pub(super) fn new(values: Vec<T>) -> Self {
        let sums = (1..)
            .zip(&values)
            .scan(0, |sum, (rank, _)| {
                *sum += 1_000_000 / rank;
                Some(*sum)
            })
            .collect();
        Self { values, sums }
    }

    /// One of the values.
    ///
    /// # Panics
    ///
    /// If there are none; the lists are made here.
    pub(super) fn choose(&self, random: &mut Random) -> T {
        let point = random.below(self.sums.last().copied().unwrap_or(0));
        let index = self.sums.partition_point(|&sum| sum <= point);
        self.values.get(index).expect("a list with values").clone()
    }
}

/// Mixes the bits of `value` (the finaliser of `SplitMix64`, Steele et al., OOPSLA 2014).
pub(super) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
