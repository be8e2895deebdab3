//! The network between a master and its replica: what the master sends arrives later, and what is on its way is lost when the master's
//! machine dies.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub struct SlowLine {
    pub port: u16,
    cut: CancellationToken,
}

impl SlowLine {
    pub async fn to(master: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = CancellationToken::new();
        let ends = cut.clone();
        tokio::spawn(async move {
            while let Ok((replica, _)) = listener.accept().await {
                let Ok(master) = TcpStream::connect(("127.0.0.1", master)).await else {
                    continue;
                };
                let carrying = carry(master, replica, delay);
                tokio::spawn(ends.clone().run_until_cancelled_owned(carrying));
            }
        });
        Self { port, cut }
    }

    /// Loses what is on its way.
    pub fn cut(&self) {
        self.cut.cancel();
    }
}

async fn carry(master: TcpStream, replica: TcpStream, delay: Duration) {
    let (mut from_master, mut to_master) = master.into_split();
    let (mut from_replica, mut to_replica) = replica.into_split();
    let (send, mut receive) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async {
        let mut bytes = vec![0; 65_536];
        while let Ok(count @ 1..) = from_master.read(&mut bytes).await {
            let _ = send.send((Instant::now() + delay, bytes[..count].to_vec()));
        }
    };
    let writing = async {
        while let Some((due, bytes)) = receive.recv().await {
            // A sleep takes a millisecond at least.
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            if to_replica.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let back = tokio::io::copy(&mut from_replica, &mut to_master);
    tokio::select! {
        () = reading => {}
        () = writing => {}
        _ = back => {}
    }
}
