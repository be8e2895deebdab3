//! What a whole shop has beside its streams, put back: claims, dead letters, its place in its archives. Knows the
//! commands, not their order.

use redis::Pipeline;

use super::archiving::ARCHIVE_KEY;
use super::backing_up::{ArchiveMark, KeptClaim, KeptLetter};
use super::keys::Keys;
use super::ledger::claim_key;
use ordershop_contract::partition::Partition;

/// Removes what a partition has, with the dead letters of these groups.
pub(crate) fn clear<'a>(
    pipe: &mut Pipeline,
    partition: Partition,
    groups: impl Iterator<Item = &'a String>,
) {
    let keys = Keys::new(partition);
    let letters: Vec<String> = groups.map(|group| keys.dead_letters(group)).collect();
    let own = [keys.restoring(), keys.events, keys.versions];
    pipe.cmd("UNLINK").arg(&own).arg(letters);
}

/// Takes a claim.
pub(crate) fn claim(pipe: &mut Pipeline, claim: &KeptClaim) {
    let versions = Keys::new(claim.partition).versions;
    let command = pipe.cmd("HSET").arg(versions);
    command.arg(claim_key(&claim.name)).arg(claim.taken_at_s);
}

/// Adds a dead letter to those of its group.
pub(crate) fn letter(pipe: &mut Pipeline, letter: &KeptLetter) {
    let key = Keys::new(letter.partition).dead_letters(&letter.group);
    let command = pipe.cmd("XADD").arg(key).arg(letter.position.to_string());
    command.arg(&letter.fields);
}

/// Gives the shop its place in its archives.
pub(crate) fn archive_mark(pipe: &mut Pipeline, mark: &ArchiveMark) {
    let command = pipe.cmd("HSET").arg(ARCHIVE_KEY);
    command.arg("shop").arg(&mark.shop);
    command.arg("before_us").arg(mark.before_us);
}
