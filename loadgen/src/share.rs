//! One driver's share of arrivals, users, limits and places in a list: every n-th, so that the drivers
//! together do exactly what a single driver would do.

/// Part number `index` (from 0) of `of` parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which part; below `of`.
    pub index: usize,
    /// How many parts there are; at least 1.
    pub of: usize,
}

impl Share {
    /// Everything.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// All parts, if there are `of` of them.
    pub fn all(of: usize) -> impl Iterator<Item = Self> {
        (0..of).map(move |index| Self { index, of })
    }

    /// How many of `total` belong to this part; the parts add up to `total` and differ by 1 at most.
    pub fn part(self, total: usize) -> usize {
        total * (self.index + 1) / self.of - total * self.index / self.of
    }

    /// The number, in the whole, of this part's n-th item.
    pub fn number(self, n: u64) -> u64 {
        self.index as u64 + n * self.of as u64
    }

    /// Picks this part's items from all items.
    pub fn pick<T>(self, all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        all.skip(self.index).step_by(self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole_and_each_thing_is_in_one_of_them() {
        for (total, of) in [(0, 3), (1, 3), (10, 3), (1_024, 7), (5, 1)] {
            let parts: Vec<usize> = Share::all(of).map(|s| s.part(total)).collect();
            assert_eq!(parts.iter().sum::<usize>(), total, "{total} in {of} parts");
            let mut numbers: Vec<u64> = Share::all(of)
                .flat_map(|share| {
                    let picked = share.pick(0..total as u64).enumerate();
                    picked.map(move |(n, thing)| {
                        assert_eq!(share.number(n as u64), thing);
                        thing
                    })
                })
                .collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..total as u64).collect::<Vec<_>>());
        }
    }
}
