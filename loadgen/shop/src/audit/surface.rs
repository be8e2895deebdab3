//! Reads the target's public HTTP interface page by page: events, entities, metrics. Knows paths and pages; judges nothing.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::event::{AuditEvent, EventPage};
use super::gauges::Gauges;
use super::topic::{ShopPartition, ShopTopic};
use loadgen_engine::http_client::{ClientLimits, HttpClient, Reply, Target};

/// Limits for reading pages: a page of a thousand of the largest carts fits; few partitions are read at once.
const LIMITS: ClientLimits = ClientLimits {
    timeout: Duration::from_secs(30),
    response_bytes_max: 1 << 30,
    connections_max: 16,
};
/// The position before the first event.
pub const FROM: &str = "0-0";
/// Events or entities in a page.
const PAGE: usize = 1_000;
/// Attempts to read a page, because the target may be restarting.
const ATTEMPTS_MAX: u32 = 5;
/// Pause between two attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(500);

/// Why an audit failed.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The target lacks the HTTP interface, so it can't be audited.
    #[error("not possible on this target: {0}")]
    NotPossible(String),
    /// The target has the interface but did not answer.
    #[error("{path}: {problem}")]
    NoAnswer {
        /// The path that was requested.
        path: String,
        /// The error, or the status and body of the response.
        problem: String,
    },
    /// An archive can't be used.
    #[error("{}, line {line}: {problem}", .path.display())]
    BadArchive {
        /// The file.
        path: std::path::PathBuf,
        /// The line, from 1; 0 if it can't be opened.
        line: u64,
        /// What is wrong.
        problem: String,
    },
}

/// The target's public HTTP interface.
pub struct Surface {
    http: HttpClient,
}

#[derive(Deserialize)]
struct EntityPage {
    result: Vec<Value>,
    #[serde(default)]
    cursor: Option<String>,
}

/// What `/health` says of the shop's options.
#[derive(Deserialize)]
struct Health {
    options: Options,
}

#[derive(Deserialize)]
struct Options {
    partitions: Option<u32>,
}

impl Surface {
    /// Checks that the target has the interface.
    ///
    /// # Errors
    /// [`AuditError::NotPossible`] if the target answers, but not with events.
    pub async fn of(target: Target) -> Result<Self, AuditError> {
        let http = HttpClient::new(target, LIMITS);
        let surface = Self { http };
        let path = "/events/order?limit=1";
        match surface.http.get(path).await {
            Ok(reply) if reply.status == 503 => drop(surface.get(path).await?),
            Ok(reply)
                if reply.status == 200 && read::<EventPage<'_>>(path, &reply.body).is_ok() => {}
            Ok(reply) => {
                return Err(AuditError::NotPossible(format!(
                    "it has no /events/{{topic}} (status {})",
                    reply.status
                )));
            }
            Err(error) => {
                return Err(AuditError::NoAnswer {
                    path: path.to_owned(),
                    problem: error.detail(),
                });
            }
        }
        Ok(surface)
    }

    async fn get(&self, path: &str) -> Result<bytes::Bytes, AuditError> {
        self.get_if(path, |reply| reply.status == 200).await
    }

    async fn get_if(
        &self,
        path: &str,
        is_answer: impl Fn(&Reply) -> bool,
    ) -> Result<bytes::Bytes, AuditError> {
        let mut attempt = 1;
        loop {
            let problem = match self.http.get(path).await {
                Ok(reply) if is_answer(&reply) => return Ok(reply.body),
                Ok(reply) => {
                    let text = String::from_utf8_lossy(&reply.body);
                    format!(
                        "status {}: {}",
                        reply.status,
                        text.chars().take(300).collect::<String>()
                    )
                }
                Err(error) => error.detail(),
            };
            if attempt == ATTEMPTS_MAX {
                let path = path.to_owned();
                return Err(AuditError::NoAnswer { path, problem });
            }
            attempt += 1;
            tokio::time::sleep(ATTEMPT_PAUSE).await;
        }
    }

    /// The number of partitions of each topic. A target that says nothing of it has one; one that is not ready says it all the same.
    ///
    /// # Errors
    /// The target stops answering.
    pub async fn partitions(&self) -> Result<u32, AuditError> {
        let is_answer = |reply: &Reply| reply.status < 500 || partitions_of(&reply.body).is_some();
        let body = self.get_if("/health", is_answer).await?;
        Ok(partitions_of(&body).unwrap_or(1))
    }

    /// The target's gauges; `None` if it has no metrics.
    pub async fn gauges(&self) -> Option<Gauges> {
        let reply = self.http.get("/metrics").await.ok()?;
        let text = (reply.status == 200).then(|| String::from_utf8_lossy(&reply.body))?;
        Gauges::parse(&text)
    }

    /// Calls `take` with every event of a partition after the position `after`, in order, and moves `after` to the last one. Returns the number
    /// of events.
    pub async fn events(
        &self,
        partition: ShopPartition,
        after: &mut String,
        mut take: impl FnMut(&AuditEvent<'_>),
    ) -> Result<u64, AuditError> {
        let mut count = 0;
        loop {
            let path = format!("/events/{partition}?after={after}&limit={PAGE}");
            let body = self.get(&path).await?;
            let page: EventPage<'_> = read(&path, &body)?;
            for event in &page.result {
                take(event);
            }
            count += page.result.len() as u64;
            if let Some(last) = page.result.last() {
                *after = last.position.clone().into_owned();
            }
            if page.cursor.is_none() {
                return Ok(count);
            }
        }
    }

    /// Calls `take` with every entity of a topic's list. Returns the number of entities.
    pub async fn entities(
        &self,
        topic: ShopTopic,
        mut take: impl FnMut(&Value),
    ) -> Result<u64, AuditError> {
        let first = format!("{}?limit={PAGE}", topic.collection());
        let (mut path, mut count) = (first.clone(), 0);
        loop {
            let body = self.get(&path).await?;
            let page: EntityPage = read(&path, &body)?;
            page.result.iter().for_each(&mut take);
            count += page.result.len() as u64;
            match page.cursor {
                Some(cursor) => path = format!("{first}&cursor={}", encoded(&cursor)),
                None => return Ok(count),
            }
        }
    }
}

/// The number of partitions by an answer of `/health`; `None` if it is none of a shop. An older shop says nothing and has one.
fn partitions_of(health: &[u8]) -> Option<u32> {
    let health: Health = serde_json::from_slice(health).ok()?;
    Some(health.options.partitions.unwrap_or(1).max(1))
}

fn read<'a, T: Deserialize<'a>>(path: &str, body: &'a [u8]) -> Result<T, AuditError> {
    serde_json::from_slice(body).map_err(|error| AuditError::NoAnswer {
        path: path.to_owned(),
        problem: format!("the response can't be parsed: {error}"),
    })
}

/// Percent-encodes everything except unreserved characters.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_says_how_many_partitions_it_has_and_an_older_one_has_one() {
        for (health, partitions) in [
            (
                r#"{"options":{"threads":2,"partitions":4},"ready":false}"#,
                Some(4),
            ),
            (r#"{"options":{"threads":2,"partitions":1}}"#, Some(1)),
            (r#"{"options":{"threads":2}}"#, Some(1)),
            (r#"{"options":{"partitions":0}}"#, Some(1)),
            (r#"{"status":"UP"}"#, None),
            ("ok", None),
        ] {
            assert_eq!(partitions_of(health.as_bytes()), partitions, "{health}");
        }
    }
}
