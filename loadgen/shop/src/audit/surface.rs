//! Reads the target's public HTTP interface page by page: events, entities, metrics. Knows paths and pages; judges nothing.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::event::{AuditEvent, EventPage};
use super::gauges::Gauges;
use super::topic::ShopTopic;
use loadgen_engine::http_client::{ClientLimits, HttpClient, Target};

/// Limits for reading pages: a page of a thousand of the largest carts fits; few topics are read at once.
const LIMITS: ClientLimits = ClientLimits {
    timeout: Duration::from_secs(30),
    response_bytes_max: 1 << 30,
    connections_max: 16,
};
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
        let mut attempt = 1;
        loop {
            let problem = match self.http.get(path).await {
                Ok(reply) if reply.status == 200 => return Ok(reply.body),
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

    /// The target's gauges; `None` if it has no metrics.
    pub async fn gauges(&self) -> Option<Gauges> {
        let reply = self.http.get("/metrics").await.ok()?;
        let text = (reply.status == 200).then(|| String::from_utf8_lossy(&reply.body))?;
        Gauges::parse(&text)
    }

    /// Calls `take` with every event after the position `after`, in order, and moves `after` to the last one. Returns the number of events.
    pub async fn events(
        &self,
        topic: ShopTopic,
        after: &mut String,
        mut take: impl FnMut(&AuditEvent<'_>),
    ) -> Result<u64, AuditError> {
        let mut count = 0;
        loop {
            let path = format!("/events/{topic}?after={after}&limit={PAGE}");
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
