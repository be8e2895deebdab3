//! The dead letters of consumer groups: listed, handled again, dropped. An event that is to be handled again becomes pending in its group
//! once more, and the group's consumer begins a new session, which reads what is pending. The read model goes back before the event instead,
//! and applies all from there. Knows nothing of why an event became one.

use std::collections::BTreeMap;

use crate::shared_connection::SharedConnection;
use ordershop_contract::dead_letters::DeadLetter;
use ordershop_contract::event_store::READ_MODEL;
use ordershop_contract::partition::{Partition, Partitions};
use ordershop_contract::position::Position;
use redis::RedisResult;

use super::groups::statuses;
use super::keys::Keys;
use super::readings::Readings;
use super::session::end_sessions;
use crate::applied::position_key;

/// The consumer that holds an event until the group's own consumer takes it.
const HOLDER: &str = "dead-letters";
/// Sets the read model's position, where it is as it was read.
/// KEYS: position; ARGV: the position as read, the new one (empty: none)
const SET_BACK: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1";

/// Makes a letter's event pending and deletes the letter, or does neither. Answers with how many letters there were, and how many events.
/// KEYS: stream, dead letters; ARGV: group, holder, position of the event, the letter's entry
const RESEND: &str = "
if #redis.call('XRANGE', KEYS[2], ARGV[4], ARGV[4]) == 0 then return {0, 0} end
if #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'FORCE', 'JUSTID') == 0 then return {1, 0} end
redis.call('XDEL', KEYS[2], ARGV[4])
return {1, 1}";

/// A consumer group of a partition.
#[derive(Clone, Debug)]
pub(crate) struct LetterGroup {
    partition: Partition,
    name: String,
}

impl LetterGroup {
    fn dead_letters(&self) -> String {
        Keys::new(self.partition).dead_letters(&self.name)
    }

    /// The group, and the entry of its dead letters, that an id names.
    pub(crate) fn of_id(id: &str) -> Option<(Self, &str)> {
        let (partition, rest) = id.split_once(':')?;
        let (name, entry) = rest.rsplit_once(':')?;
        let partition = partition.parse().ok()?;
        let group = Self {
            partition,
            name: name.to_owned(),
        };
        Some((group, entry))
    }
}

/// All groups that have dead letters.
pub(crate) async fn groups(
    connection: &SharedConnection,
    partitions: Partitions,
) -> RedisResult<Vec<LetterGroup>> {
    let statuses = statuses(connection.clone(), partitions, &Readings::default()).await?;
    let filled = statuses
        .into_iter()
        .filter(|status| status.dead_letters > 0);
    let groups = filled.map(|status| LetterGroup {
        partition: status.partition,
        name: status.group,
    });
    Ok(groups.collect())
}

type Entries = Vec<(String, Vec<(String, String)>)>;

async fn range(
    connection: &mut SharedConnection,
    group: &LetterGroup,
    (from, to): (&str, &str),
    count: usize,
) -> RedisResult<Entries> {
    redis::cmd("XRANGE")
        .arg(group.dead_letters())
        .arg(from)
        .arg(to)
        .arg("COUNT")
        .arg(count)
        .query_async(connection)
        .await
}

/// Adds a group's letters, after the first `skip` ones, until there are `limit`; returns how many are still to be left out.
pub(crate) async fn list(
    connection: &mut SharedConnection,
    group: &LetterGroup,
    skip: usize,
    limit: usize,
    letters: &mut Vec<DeadLetter>,
) -> RedisResult<usize> {
    let wanted = limit.saturating_sub(letters.len());
    let entries = range(connection, group, ("-", "+"), skip.saturating_add(wanted)).await?;
    let left = skip.saturating_sub(entries.len());
    let entries = entries.into_iter().skip(skip);
    letters.extend(entries.map(|(entry, fields)| letter(group, &entry, fields)));
    Ok(left)
}

fn letter(group: &LetterGroup, entry: &str, fields: Vec<(String, String)>) -> DeadLetter {
    let mut fields: BTreeMap<String, String> = fields.into_iter().collect();
    let at_ms = entry.split_once('-').and_then(|(ms, _)| ms.parse().ok());
    DeadLetter {
        id: format!("{}:{}:{entry}", group.partition, group.name),
        reason: fields.remove("reason").unwrap_or_default(),
        at_ms: at_ms.unwrap_or_default(),
        content: serde_json::to_string(&fields).expect("strings always serialize"),
    }
}

/// The letter of an entry.
pub(crate) async fn find(
    connection: &mut SharedConnection,
    group: &LetterGroup,
    entry: &str,
) -> RedisResult<Option<DeadLetter>> {
    let found = range(connection, group, (entry, entry), 1).await;
    let entries = match found {
        Ok(entries) => entries,
        // No id of an entry.
        Err(error) if matches!(error.kind(), redis::ErrorKind::Server(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut entries = entries.into_iter();
    Ok(entries
        .next()
        .map(|(entry, fields)| letter(group, &entry, fields)))
}

/// Makes a letter's event one that its group hasn't handled; `Some(false)` if the event isn't in the stream any more, `None` if the letter is
/// gone.
pub(crate) async fn resend(
    connection: &mut SharedConnection,
    group: &LetterGroup,
    entry: &str,
) -> RedisResult<Option<bool>> {
    let entries = range(connection, group, (entry, entry), 1).await?;
    let fields = entries.into_iter().flat_map(|(_, fields)| fields);
    let Some((_, position)) = fields.into_iter().find(|(name, _)| name == "position") else {
        return Ok(None);
    };
    let events = Keys::new(group.partition).events;
    if group.name == READ_MODEL {
        let went_back = go_back(connection, group.partition, &events, &position).await?;
        return Ok(Some(went_back));
    }
    let mut resend = redis::cmd("EVAL");
    resend.arg(RESEND).arg(2);
    resend.arg(&events).arg(group.dead_letters());
    resend.arg(&group.name).arg(HOLDER).arg(position).arg(entry);
    let (letters, events_there): (u64, u64) = resend.query_async(connection).await?;
    if events_there > 0 {
        // The lease stays with its owner: two active consumers would share the events, and neither would have them in order.
        end_sessions(&mut connection.beside(&events), &events, &group.name).await?;
    }
    Ok((letters > 0).then_some(events_there > 0))
}

/// Sets the read model's position back before an event. Its projector sees it and begins anew there, so that what came after the event is
/// applied after it. The letter stays until the event can be applied.
async fn go_back(
    connection: &mut SharedConnection,
    partition: Partition,
    events: &str,
    position: &str,
) -> RedisResult<bool> {
    let mut there = redis::cmd("XREVRANGE");
    there.arg(events).arg(position).arg("-").arg("COUNT").arg(2);
    let there: Entries = there.query_async(connection).await?;
    let mut there = there.into_iter().map(|(id, _)| id);
    if there.next().as_deref() != Some(position) {
        return Ok(false);
    }
    let before = there.next().unwrap_or_default();
    let key = position_key(partition);
    let place = |text: &str| text.parse::<Position>().unwrap_or_default();
    loop {
        let mut get = redis::cmd("GET");
        let kept: Option<String> = get.arg(&key).query_async(connection).await?;
        let Some(kept) = kept.filter(|kept| place(kept) > place(&before)) else {
            // The event is still to be projected.
            return Ok(true);
        };
        let mut set_back = redis::cmd("EVAL");
        set_back.arg(SET_BACK).arg(1).arg(&key);
        set_back.arg(kept).arg(&before);
        if set_back.query_async(connection).await? {
            return Ok(true);
        }
    }
}

/// Deletes a letter.
pub(crate) async fn drop(
    connection: &mut SharedConnection,
    group: &LetterGroup,
    entry: &str,
) -> RedisResult<bool> {
    redis::cmd("XDEL")
        .arg(group.dead_letters())
        .arg(entry)
        .query_async(connection)
        .await
}
