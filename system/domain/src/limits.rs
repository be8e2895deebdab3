//! The limits of amounts and texts, the same for every entity.

/// The maximum amount of money or pieces: 2^53 − 1, the largest integer that every JSON reader (JavaScript's too) keeps
/// exact.
pub const AMOUNT_MAX: u64 = 9_007_199_254_740_991;

/// The maximum length of a text field, in bytes.
pub const TEXT_BYTES_MAX: usize = 10_000;

/// Adds prices or pieces; `None` if the sum exceeds [`AMOUNT_MAX`].
pub fn sum(amounts: impl IntoIterator<Item = u64>) -> Option<u64> {
    amounts.into_iter().try_fold(0_u64, |total, amount| {
        total
            .checked_add(amount)
            .filter(|total| *total <= AMOUNT_MAX)
    })
}
