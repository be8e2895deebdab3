//! Permutation tests, which assume no distribution: the assignment of runs to sides is shuffled. They are shown beside Student's t. With
//! few runs there are too few permutations for a small p-value; then they return `None`.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::factorial::binomial;

/// Up to this many blocks every pattern of signs is tried.
const EXACT_BLOCKS_MAX: usize = 16;
/// Patterns that are drawn at random if there are more blocks.
const FLIPS: u32 = 20_000;
/// Up to this many runs of both sides together the test is exact; beyond that the normal approximation is used.
const EXACT_RUNS_MAX: usize = 40;

/// Two-sided sign-flip test: the share of random swaps of the blocks' sides with a difference at least as large. `None` if even the
/// clearest outcome could not have a p-value below `false_alarm`.
pub fn sign_flip(differences: &[f64], false_alarm: f64, seed: u64) -> Option<f64> {
    let blocks = differences.len();
    if blocks == 0 || 2.0 / 2_f64.powi(blocks as i32) > false_alarm {
        return None;
    }
    let seen = differences.iter().sum::<f64>().abs();
    // The tolerance is for rounding: sums of the same numbers in another order differ in their last digits.
    let as_large = |sum: f64| sum.abs() >= seen * (1.0 - 1e-12);
    let flipped = |pattern: u64| {
        let signed = differences.iter().enumerate();
        signed
            .map(|(i, d)| if pattern >> (i % 64) & 1 == 1 { -d } else { *d })
            .sum::<f64>()
    };
    if blocks <= EXACT_BLOCKS_MAX {
        let all = 1_u64 << blocks;
        let large = (0..all).filter(|pattern| as_large(flipped(*pattern)));
        return Some(large.count() as f64 / all as f64);
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let large = (0..FLIPS).filter(|_| {
        let signed = differences.iter();
        as_large(
            signed
                .map(|d| if random.random::<bool>() { -d } else { *d })
                .sum(),
        )
    });
    // The observed pattern is one of the permutations.
    Some((large.count() as f64 + 1.0) / (f64::from(FLIPS) + 1.0))
}

/// Two-sided Mann–Whitney test, ties included. `None` if even fully separated sides could not have a p-value below `false_alarm`.
pub fn mann_whitney(baseline: &[f64], candidate: &[f64], false_alarm: f64) -> Option<f64> {
    let (n, m) = (baseline.len(), candidate.len());
    if n == 0 || m == 0 || 2.0 / binomial((n + m) as u64, n as u64) > false_alarm {
        return None;
    }
    let all: Vec<f64> = baseline.iter().chain(candidate).copied().collect();
    let ranks = doubled_ranks(&all);
    let seen: usize = ranks[..n].iter().sum();
    // The mean of the doubled ranks is n + m + 1.
    let expected = (n * (n + m + 1)) as f64;
    let distance = (seen as f64 - expected).abs();
    if n + m > EXACT_RUNS_MAX {
        let spread: f64 = ranks
            .iter()
            .map(|r| (*r as f64 - (n + m + 1) as f64).powi(2))
            .sum();
        let variance = (n * m) as f64 * spread / ((n + m) * (n + m - 1)) as f64;
        let normal = Normal::new(0.0, 1.0).ok()?;
        return Some(match variance > 0.0 {
            true => 2.0 * normal.sf(distance / variance.sqrt()),
            false => 1.0,
        });
    }
    // ways[k][sum]: the number of ways to choose k runs whose doubled ranks add up to this sum.
    let total: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0_f64; total + 1]; n + 1];
    ways[0][0] = 1.0;
    for rank in &ranks {
        for k in (1..=n).rev() {
            for sum in (*rank..=total).rev() {
                ways[k][sum] += ways[k - 1][sum - rank];
            }
        }
    }
    let as_far = ways[n].iter().enumerate();
    let as_far = as_far.filter(|(sum, _)| (*sum as f64 - expected).abs() >= distance - 1e-9);
    let as_far: f64 = as_far.map(|(_, ways)| ways).sum();
    Some(as_far / ways[n].iter().sum::<f64>())
}

/// Twice the rank of each value; equal values share their mean rank.
fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let of = |value: &f64| {
        let below = values.iter().filter(|v| *v < value).count();
        let equal = values.iter().filter(|v| *v == value).count();
        2 * below + equal + 1
    };
    values.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test fails by panicking
    use super::*;

    #[test]
    fn mann_whitney_gives_the_published_exact_p_values() {
        let rows: [(&[f64], &[f64], f64); 3] = [
            // scipy.stats.mannwhitneyu's example: U = 17, p = 0.1111.
            (
                &[19.0, 22.0, 16.0, 29.0, 24.0],
                &[20.0, 11.0, 17.0, 12.0],
                0.111_111,
            ),
            // Fully separated sides: 2 of 70 permutations, 2 of 924.
            (&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], 2.0 / 70.0),
            (
                &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
                &[7.0, 8.0, 9.0, 10.0, 11.0, 12.0],
                2.0 / 924.0,
            ),
        ];
        for (baseline, candidate, published) in rows {
            let p = mann_whitney(baseline, candidate, 0.05).unwrap();
            assert!((p - published).abs() < 1e-5, "{p} instead of {published}");
        }
    }

    #[test]
    fn ties_share_their_ranks_and_many_runs_are_counted_as_few_are() {
        // Counted by hand: 6 of the 70 permutations are as far apart.
        let p = mann_whitney(&[1.0, 1.0, 2.0, 2.0], &[2.0, 3.0, 3.0, 3.0], 0.05).unwrap();
        assert!((p - 6.0 / 70.0).abs() < 1e-12, "{p}");
        let side = |from: u32| (0..20).map(|i| f64::from(from + i)).collect::<Vec<_>>();
        let mut more = side(6);
        let exact = mann_whitney(&side(0), &more, 0.05).unwrap();
        more.push(15.5);
        let approximate = mann_whitney(&side(0), &more, 0.05).unwrap();
        assert!(
            (exact / approximate - 1.0).abs() < 0.2,
            "{exact} and {approximate}"
        );
    }

    #[test]
    fn sign_flip_counts_the_patterns_that_are_as_extreme() {
        // All six on one side: 2 of 64. Fisher's Darwin data (1935): 863 of the 2^15 patterns on one side, p = 0.0527.
        let darwin = [
            49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0,
            -48.0,
        ];
        let p = sign_flip(&[1.0, 2.0, 1.5, 0.5, 3.0, 1.0], 0.05, 1).unwrap();
        assert!((p - 2.0 / 64.0).abs() < 1e-12, "{p}");
        let p = sign_flip(&darwin, 0.05, 1).unwrap();
        assert!((p - 0.052_67).abs() < 5e-5, "{p}");
        let many: Vec<f64> = darwin.iter().chain(&darwin).copied().collect();
        assert!(sign_flip(&many, 0.05, 1).unwrap() < 0.02);
    }

    #[test]
    fn too_few_runs_to_say_anything_are_told_by_silence() {
        assert_eq!(sign_flip(&[1.0; 5], 0.05, 1), None);
        assert_eq!(mann_whitney(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], 0.05), None);
        assert_eq!(mann_whitney(&[], &[4.0], 0.05), None);
    }
}
