//! A TCP proxy between two servers that this run has started, which can be told to disturb what goes through it. Must not know what that is.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use loadgen_scenario::fault::NetworkTrouble;

/// The most bytes that are passed on at once.
const PIECE_BYTES: usize = 64 << 10;
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A proxy; dropping it closes its connections.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    trouble: watch::Sender<Option<NetworkTrouble>>,
    _accepting: AbortOnDropHandle<()>,
}

/// A proxy that disturbs; dropping it ends the disturbance.
pub struct Disturbed<'a>(&'a Proxy);

impl Drop for Disturbed<'_> {
    fn drop(&mut self) {
        self.0.trouble.send_replace(None);
    }
}

impl Proxy {
    /// Listens on a free port of this machine and passes everything on to `upstream`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(upstream: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (trouble, told) = watch::channel(None);
        let accepting = tokio::spawn(accept(listener, upstream, told));
        Ok(Self {
            address,
            trouble,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// Disturbs until the result is dropped.
    pub fn disturb(&self, trouble: NetworkTrouble) -> Disturbed<'_> {
        self.trouble.send_replace(Some(trouble));
        Disturbed(self)
    }
}

type Told = watch::Receiver<Option<NetworkTrouble>>;

async fn accept(listener: TcpListener, upstream: SocketAddr, told: Told) {
    // Its connections end with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if *told.borrow() != Some(NetworkTrouble::Cut) {
            connections.spawn(carry(client, upstream, told.clone()));
        }
    }
}

/// Carries one connection until a side closes it or the network's trouble does.
async fn carry(mut client: TcpStream, upstream: SocketAddr, told: Told) {
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        return;
    };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    // A connection that is opened while others are half-open works.
    let falls_silent = *told.borrow() != Some(NetworkTrouble::HalfOpen);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        () = pass_on(from_client, to_server, told.clone(), falls_silent) => {}
        () = pass_on(from_server, to_client, told.clone(), falls_silent) => {}
        () = end(told, falls_silent) => {}
    }
}

/// Waits until the network's trouble ends the connection: a cut does at once, silence at its own end.
async fn end(mut told: Told, falls_silent: bool) {
    let mut silent = false;
    let is_over = told.wait_for(|trouble| match trouble {
        Some(NetworkTrouble::Cut) => true,
        Some(NetworkTrouble::HalfOpen) if falls_silent => {
            silent = true;
            false
        }
        _ => silent,
    });
    is_over.await.ok();
}

/// Passes one direction on until its reader has come to the end.
async fn pass_on(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    told: Told,
    falls_silent: bool,
) {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = from.read(&mut piece).await.unwrap_or(0);
        let trouble = *told.borrow();
        match trouble {
            // Neither data nor the connection's end gets through; `end` closes it.
            Some(NetworkTrouble::HalfOpen) if falls_silent => std::future::pending().await,
            Some(NetworkTrouble::Delay(by)) => tokio::time::sleep(by).await,
            _ => {}
        }
        if read == 0 || to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// A proxy in front of a server that sends everything back.
    async fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await.ok();
                });
            }
        });
        Proxy::start(address).await.unwrap()
    }

    async fn open(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address).await.unwrap()
    }

    /// Sends a byte and waits for its return; none where the connection was closed.
    async fn told_back(stream: &mut TcpStream) -> Option<u8> {
        stream.write_all(b"x").await.ok()?;
        stream.read_u8().await.ok()
    }

    async fn is_silent(stream: &mut TcpStream) -> bool {
        let moment = Duration::from_millis(100);
        tokio::time::timeout(moment, told_back(stream))
            .await
            .is_err()
    }

    #[tokio::test]
    async fn a_cut_closes_what_is_open_and_refuses_until_it_is_over() {
        let proxy = echo().await;
        let mut before = open(&proxy).await;
        assert_eq!(told_back(&mut before).await, Some(b'x'));
        let cut = proxy.disturb(NetworkTrouble::Cut);
        assert_eq!(told_back(&mut before).await, None);
        let mut during = open(&proxy).await;
        assert_eq!(told_back(&mut during).await, None);
        drop(cut);
        assert_eq!(told_back(&mut open(&proxy).await).await, Some(b'x'));
    }

    #[tokio::test]
    async fn a_half_open_connection_is_silent_and_a_new_one_works() {
        let proxy = echo().await;
        let mut before = open(&proxy).await;
        assert_eq!(told_back(&mut before).await, Some(b'x'));
        let half_open = proxy.disturb(NetworkTrouble::HalfOpen);
        assert!(is_silent(&mut before).await);
        let mut during = open(&proxy).await;
        assert_eq!(told_back(&mut during).await, Some(b'x'));
        drop(half_open);
        assert_eq!(before.read_u8().await.ok(), None, "closed at the end");
        assert_eq!(told_back(&mut during).await, Some(b'x'));
    }

    #[tokio::test]
    async fn a_delay_holds_what_is_sent_in_both_directions() {
        let proxy = echo().await;
        let mut stream = open(&proxy).await;
        assert_eq!(told_back(&mut stream).await, Some(b'x'));
        let by = Duration::from_millis(50);
        let _late = proxy.disturb(NetworkTrouble::Delay(by));
        let begun = Instant::now();
        assert_eq!(told_back(&mut stream).await, Some(b'x'));
        assert!(begun.elapsed() >= by * 2);
    }
}
