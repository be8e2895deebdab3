//! A connection to Redis that can be cut at the worst moment: after a commit was executed, before its answer arrives.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// A proxy before a Redis's socket.
pub struct CutLine {
    pub url: String,
    /// The number of answers to `EXEC` that are still to be lost.
    pub cuts: Arc<AtomicUsize>,
}

impl CutLine {
    pub async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let cuts = Arc::new(AtomicUsize::new(0));
        let armed = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(forward(client, server, Arc::clone(&armed)));
            }
        });
        Self { url, cuts }
    }
}

async fn forward(mut client: TcpStream, mut server: UnixStream, cuts: Arc<AtomicUsize>) {
    let (mut question, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
    let mut lose_answer = false;
    loop {
        tokio::select! {
            read = client.read(&mut question) => {
                let Ok(count @ 1..) = read else { return };
                let writes = question[..count].windows(4).any(|w| w == b"XADD");
                let cut = |left: usize| left.checked_sub(1);
                lose_answer = writes
                    && cuts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, cut).is_ok();
                if server.write_all(&question[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                if lose_answer || client.write_all(&answer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
