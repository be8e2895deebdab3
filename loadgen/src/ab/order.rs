//! The order of the runs. A block is the sides in some order and then in the reverse one (ABBA or BAAB; BCAACB), so that a linear drift
//! during the block (such as a host that warms up) affects all sides alike. The order is random, so that nothing periodic can favour a side. Pure.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

/// One of the sides of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The baseline.
    A,
    /// The candidate, or the first of several.
    B,
    /// A further candidate, as the next ones.
    C,
    /// D.
    D,
    /// E.
    E,
    /// F.
    F,
    /// G.
    G,
    /// H.
    H,
}

impl Side {
    /// All that there can be, the baseline first.
    pub const ALL: [Self; 8] = [
        Self::A,
        Self::B,
        Self::C,
        Self::D,
        Self::E,
        Self::F,
        Self::G,
        Self::H,
    ];

    /// The side's place, from 0.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The letter shown to people.
    pub fn letter(self) -> char {
        char::from(b'A' + self as u8)
    }

    /// The name of the side's folder.
    pub fn folder(self) -> String {
        self.letter().to_lowercase().to_string()
    }
}

/// How often a block measures each side.
pub const RUNS_A_SIDE: usize = 2;

/// The order of the runs of each block with the first so many sides, as an endless iterator.
pub fn blocks(seed: u64, sides: usize) -> impl Iterator<Item = Vec<Side>> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    std::iter::repeat_with(move || {
        let mut order = Side::ALL[..sides].to_vec();
        order.shuffle(&mut random);
        let back: Vec<Side> = order.iter().rev().copied().collect();
        order.extend(back);
        order
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_gives_all_sides_the_same_place_on_average() {
        for sides in 2..=Side::ALL.len() {
            for block in blocks(7, sides).take(100) {
                assert_eq!(block.len(), sides * RUNS_A_SIDE);
                let places = |side| -> usize {
                    let own = block.iter().enumerate().filter(|(_, s)| **s == side);
                    own.map(|(place, _)| place).sum()
                };
                for side in &Side::ALL[..sides] {
                    assert_eq!(places(Side::A), places(*side), "{block:?}");
                }
            }
        }
    }

    #[test]
    fn which_side_begins_is_drawn_from_the_seed_alone() {
        let begins = |seed| -> Vec<Side> { blocks(seed, 2).take(200).map(|b| b[0]).collect() };

        let a_first = begins(1).iter().filter(|s| **s == Side::A).count();

        assert_eq!(begins(1), begins(1));
        assert_ne!(begins(1), begins(2));
        assert!((60..=140).contains(&a_first), "{a_first} of 200");
    }
}
