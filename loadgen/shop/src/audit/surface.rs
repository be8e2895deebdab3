//! Reading the target over its public surface, page by page: events, entities, metrics. Knows paths and pages; judges nothing.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::event::{Event, EventPage};
use super::gauges::Gauges;
use super::topic::Topic;
use loadgen_engine::http_client::{ClientLimits, HttpClient, Target};

/// For pages: a thousand of the largest carts fit into one; few topics are read at once.
const LIMITS: ClientLimits = ClientLimits {
    timeout: Duration::from_secs(30),
    response_bytes_max: 1 << 30,
    connections_max: 16,
};
/// Events or entities a page.
const PAGE: usize = 1_000;
/// A page is asked for again so often when the target doesn't answer: it may be starting again.
const ATTEMPTS_MAX: u32 = 5;
/// Between these.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(500);

/// Why an audit could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It has no such surface: the audit says nothing about it.
    #[error("not possible on this target: {0}")]
    NotPossible(String),
    /// It has the surface, and did not answer on it.
    #[error("{path}: {problem}")]
    NoAnswer {
        /// What was asked for.
        path: String,
        /// What came instead.
        problem: String,
    },
}

/// The target's public surface.
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
    /// Makes sure that the target has one.
    ///
    /// # Errors
    /// [`AuditError::NotPossible`] when it answers, but not with events.
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
                    "it has no /events/{{topic}} (answered {})",
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

    /// Its gauges; none where it has no metrics.
    pub async fn gauges(&self) -> Option<Gauges> {
        let reply = self.http.get("/metrics").await.ok()?;
        let text = (reply.status == 200).then(|| String::from_utf8_lossy(&reply.body))?;
        Gauges::parse(&text)
    }

    /// Hands over every event after `after`, in order, until there are no more. Answers how many, and the last one's position.
    pub async fn events(
        &self,
        topic: Topic,
        after: &mut String,
        mut take: impl FnMut(&Event<'_>),
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

    /// Hands over every entity of a topic's list. Answers how many.
    pub async fn entities(
        &self,
        topic: Topic,
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
        problem: format!("its answer can't be read: {error}"),
    })
}

/// Percent-encoding of all but what every URL may hold.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
