//! New connections: a few are accepted a turn and wait to be served. When they wait too long, those whose clients gave up are dropped and the
//! newest goes first, as it has most of its time left. When more come than can be accepted, the operating system's line is kept short: what it
//! turns away costs the gateway nothing. Must not know how they are served.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::connections::Connections;

/// The connections that are accepted in one turn: what is accepted and dropped takes time from those that are read.
const ACCEPTED_PER_TURN: usize = 16;
/// The connections that are accepted and not served yet.
const WAITING_MAX: usize = 1024;
/// When some have been waiting for so long, those whose clients have closed their end are dropped: most of them gave up, and serving them would
/// take the time of those who wait. At other times such a client may still wait for its answer.
const OVERDUE_AFTER: Duration = Duration::from_millis(250);
/// The length of the operating system's line; it is as long as tokio makes it.
const LINE: i32 = 1024;
/// Its length while more come than can be accepted: what waits in it is accepted while its client is still there.
const SHORT_LINE: i32 = 16;
/// The pause after a failed accept (for example: out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The new connections of a listener.
pub(super) struct Arrivals {
    listener: TcpListener,
    waiting: VecDeque<TcpStream>,
    /// Whether more may have come than were accepted.
    more: bool,
    /// Since when some have always been left to wait.
    since: Option<Instant>,
    is_short: bool,
}

impl Arrivals {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            waiting: VecDeque::new(),
            more: false,
            since: None,
            is_short: false,
        }
    }

    /// Accepts those that have come; waits for one if none waits. Loses none when it is dropped.
    pub(super) async fn accept(&mut self, connections: &Connections) {
        if self.waiting.is_empty() && !self.more {
            self.nobody_waits();
        }
        let max = WAITING_MAX.min(self.waiting.len() + ACCEPTED_PER_TURN);
        while self.waiting.len() < max {
            let one = match self.listener.accept().now_or_never() {
                Some(one) => one,
                None if self.waiting.is_empty() => {
                    self.nobody_waits();
                    self.listener.accept().await
                }
                None => break,
            };
            match one {
                Ok((stream, _)) => self.waiting.push_back(stream),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // If descriptors have run out, an idle connection has one.
                    connections.close_idle(Duration::ZERO);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    break;
                }
            }
        }
        self.more = self.waiting.len() == max;
        self.since.get_or_insert_with(Instant::now);
        if self.overdue() {
            self.keep_line_short(self.is_short || self.more);
            while self.waiting.front().is_some_and(is_gone) {
                self.waiting.pop_front();
            }
        }
    }

    /// The next to serve, if one waits.
    pub(super) fn next(&mut self) -> Option<TcpStream> {
        if !self.overdue() {
            return self.waiting.pop_front();
        }
        loop {
            let newest = self.waiting.pop_back()?;
            if !is_gone(&newest) {
                return Some(newest);
            }
        }
    }

    fn overdue(&self) -> bool {
        self.since
            .is_some_and(|since| since.elapsed() >= OVERDUE_AFTER)
    }

    fn nobody_waits(&mut self) {
        self.since = None;
        self.keep_line_short(false);
    }

    fn keep_line_short(&mut self, short: bool) {
        if short == self.is_short {
            return;
        }
        self.is_short = short;
        let length = if short { SHORT_LINE } else { LINE };
        // On a listener it sets the length alone.
        if let Err(error) = rustix::net::listen(&self.listener, length) {
            tracing::warn!(%error, "the length of the line of new connections could not be set");
        }
    }
}

/// Whether the client has closed its end, as one that gave up does.
fn is_gone(stream: &TcpStream) -> bool {
    let ready = stream.ready(Interest::READABLE).now_or_never();
    matches!(ready, Some(Ok(ready)) if ready.is_read_closed())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    async fn arrivals() -> (Arrivals, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Arrivals::new(listener), address)
    }

    async fn clients(address: SocketAddr, count: usize) -> Vec<TcpStream> {
        let connect = (0..count).map(|_| TcpStream::connect(address));
        futures_util::future::try_join_all(connect).await.unwrap()
    }

    fn is_of(served: Option<TcpStream>, client: &TcpStream) -> bool {
        served.map(|served| served.peer_addr().unwrap()) == Some(client.local_addr().unwrap())
    }

    #[tokio::test]
    async fn who_waits_is_served_in_order_and_when_they_wait_too_long_the_newest_that_is_there() {
        let (mut arrivals, address) = arrivals().await;
        let connections = Connections::new();
        let mut waiting = clients(address, 6).await;
        arrivals.accept(&connections).await;
        assert!(is_of(arrivals.next(), &waiting[0]), "not the first");

        tokio::time::sleep(OVERDUE_AFTER).await;
        // Those at both ends give up.
        for given_up in [5, 2, 1] {
            drop(waiting.remove(given_up));
        }
        // The runtime is told so.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let late = clients(address, 1).await;
        arrivals.accept(&connections).await;
        let newest_first = [&late[0], &waiting[2], &waiting[1]];
        for client in newest_first {
            assert!(is_of(arrivals.next(), client), "not the newest");
        }
        assert!(arrivals.next().is_none());

        // Once all are served a client that sends nothing more is served, too.
        let mut half_closed = clients(address, 1).await;
        tokio::io::AsyncWriteExt::shutdown(&mut half_closed[0])
            .await
            .unwrap();
        arrivals.accept(&connections).await;
        assert!(is_of(arrivals.next(), &half_closed[0]), "dropped");
    }

    /// On other systems a full line turns away in other ways.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_systems_line_is_short_while_more_come_than_can_be_accepted() {
        let (mut arrivals, address) = arrivals().await;
        let connections = Connections::new();
        let comes_in = async || {
            let connect = TcpStream::connect(address);
            tokio::time::timeout(OVERDUE_AFTER, connect).await.is_ok()
        };
        let _waiting = clients(address, 2 * ACCEPTED_PER_TURN + SHORT_LINE as usize + 1).await;
        arrivals.accept(&connections).await;
        assert!(comes_in().await, "the line is short before anybody waited");

        tokio::time::sleep(OVERDUE_AFTER).await;
        arrivals.accept(&connections).await;
        assert!(!comes_in().await, "the line is as long as before");

        while !arrivals.waiting.is_empty() || arrivals.more {
            while arrivals.next().is_some() {}
            let accepted = arrivals.accept(&connections);
            if tokio::time::timeout(OVERDUE_AFTER, accepted).await.is_err() {
                break;
            }
        }
        for client in 0..2 * SHORT_LINE {
            assert!(comes_in().await, "the line is still short: {client}");
        }
    }
}
