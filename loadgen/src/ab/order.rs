//! The order of the runs. A block is ABBA or BAAB, so that a linear drift during the block (such as a host that warms up) affects both
//! sides alike. Which of the two it is is random, so that nothing periodic can favour one side. Pure.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// One of the two builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The baseline.
    A,
    /// The candidate.
    B,
}

impl Side {
    /// Both, the baseline first.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The letter shown to people.
    pub fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
        }
    }

    /// The name of the side's folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// Number of runs in a block.
pub const BLOCK_RUNS: usize = 4;

/// The order of the runs of each block, as an endless iterator.
pub fn blocks(seed: u64) -> impl Iterator<Item = [Side; BLOCK_RUNS]> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    std::iter::repeat_with(move || match random.random::<bool>() {
        true => [Side::A, Side::B, Side::B, Side::A],
        false => [Side::B, Side::A, Side::A, Side::B],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_gives_both_sides_the_same_place_on_average() {
        for block in blocks(7).take(100) {
            let places = |side| -> usize {
                let own = block.iter().enumerate().filter(|(_, s)| **s == side);
                own.map(|(place, _)| place).sum()
            };
            assert_eq!(places(Side::A), places(Side::B), "{block:?}");
        }
    }

    #[test]
    fn which_side_begins_is_drawn_from_the_seed_alone() {
        let begins = |seed| -> Vec<Side> { blocks(seed).take(200).map(|b| b[0]).collect() };

        let a_first = begins(1).iter().filter(|s| **s == Side::A).count();

        assert_eq!(begins(1), begins(1));
        assert_ne!(begins(1), begins(2));
        assert!((60..=140).contains(&a_first), "{a_first} of 200");
    }
}
