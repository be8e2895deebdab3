//! A host's addresses: looked up again while a run goes on, because a name may move to another machine. Must not know what is
//! connected there.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer of the resolver is used. Short, because the resolver has a cache of its own that knows the name's TTL.
const FRESH: Duration = Duration::from_secs(1);

type Addresses = Arc<[SocketAddr]>;

/// A host and a port.
#[derive(Debug)]
pub(super) struct NameLookup {
    host: String,
    port: u16,
    known: Mutex<Option<(Instant, Addresses)>>,
}

impl NameLookup {
    /// `host` is a name or an address, an IPv6 one without brackets.
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            known: Mutex::default(),
        }
    }

    /// The addresses now. While the resolver fails, the last ones known are used: connections that are open don't notice that either.
    pub async fn addresses(&self) -> io::Result<Addresses> {
        self.looked_up(Instant::now(), async || {
            let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
            found.map(|found| found.collect())
        })
        .await
    }

    async fn looked_up(
        &self,
        now: Instant,
        look_up: impl AsyncFnOnce() -> io::Result<Addresses>,
    ) -> io::Result<Addresses> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().clone();
        if let Some((at, addresses)) = &known
            && now.saturating_duration_since(*at) < FRESH
        {
            return Ok(addresses.clone());
        }
        match (look_up().await, known) {
            (Ok(found), _) if !found.is_empty() => {
                *lock() = Some((now, found.clone()));
                Ok(found)
            }
            (_, Some((_, addresses))) => Ok(addresses),
            (Ok(_), None) => Err(self.unknown("it has no address")),
            (Err(e), None) => Err(self.unknown(&e.to_string())),
        }
    }

    fn unknown(&self, problem: &str) -> io::Error {
        let text = format!("can't resolve the host {}: {problem}", self.host);
        io::Error::new(io::ErrorKind::NotFound, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> io::Result<Addresses> {
        Ok([text.parse().unwrap()].into())
    }

    #[tokio::test]
    async fn a_name_is_looked_up_again_and_its_last_address_is_used_while_the_resolver_fails() {
        let lookup = NameLookup::new("shop.example", 80);
        let start = Instant::now();
        let failing = || Err(io::ErrorKind::TimedOut.into());
        let at = |after: Duration| start + after;
        let wrong = lookup
            .looked_up(start, async || failing())
            .await
            .unwrap_err();
        assert!(wrong.to_string().contains("shop.example"), "{wrong}");
        for (after, answer, expected) in [
            (Duration::ZERO, found("10.0.0.1:80"), "10.0.0.1:80"),
            (FRESH / 2, found("10.0.0.2:80"), "10.0.0.1:80"),
            (FRESH, found("10.0.0.2:80"), "10.0.0.2:80"),
            (FRESH * 2, failing(), "10.0.0.2:80"),
            (FRESH * 3, Ok([].into()), "10.0.0.2:80"),
            (FRESH * 4, found("10.0.0.3:80"), "10.0.0.3:80"),
        ] {
            let addresses = lookup.looked_up(at(after), async move || answer).await;
            assert_eq!(addresses.unwrap()[0].to_string(), expected, "{after:?}");
        }
    }
}
