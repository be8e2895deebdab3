//! A connection to Redis that can be cut at the worst moment: after a commit was executed, before its answer arrives.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

/// A proxy before a Redis's socket.
pub struct CutLine {
    pub url: String,
    /// The number of answers to `EXEC` that are still to be lost.
    pub cuts: Arc<AtomicUsize>,
    /// Cancelled when nothing gets through any more, in either direction, though nobody is told.
    pub half_open: CancellationToken,
    /// The same for the connections that are open now.
    those_open: Arc<Mutex<CancellationToken>>,
    /// Whether nothing gets through any more from the answer to the next `EXEC` on.
    pub die_after_write: Arc<AtomicBool>,
}

impl CutLine {
    pub async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let cuts = Arc::new(AtomicUsize::new(0));
        let armed = Arc::clone(&cuts);
        let half_open = CancellationToken::new();
        let those_open = Arc::new(Mutex::new(half_open.child_token()));
        let (silent, all) = (Arc::clone(&those_open), half_open.clone());
        let die_after_write = Arc::new(AtomicBool::new(false));
        let dies = Arc::clone(&die_after_write);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                let (armed, dies) = (Arc::clone(&armed), Arc::clone(&dies));
                let silent = silent.lock().unwrap().clone();
                tokio::spawn(forward(client, server, armed, silent, (dies, all.clone())));
            }
        });
        Self {
            url,
            cuts,
            half_open,
            those_open,
            die_after_write,
        }
    }

    /// Lets nothing through any more on the connections that are open now.
    pub fn silence_those_open(&self) {
        let next = self.half_open.child_token();
        std::mem::replace(&mut *self.those_open.lock().unwrap(), next).cancel();
    }
}

async fn forward(
    mut client: TcpStream,
    mut server: UnixStream,
    cuts: Arc<AtomicUsize>,
    silent: CancellationToken,
    (dies, all): (Arc<AtomicBool>, CancellationToken),
) {
    let (mut question, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
    let (mut wrote, mut lose_answer) = (false, false);
    loop {
        tokio::select! {
            biased;
            () = silent.cancelled() => std::future::pending().await,
            read = client.read(&mut question) => {
                let Ok(count @ 1..) = read else { return };
                let has = |word: &[u8]| question[..count].windows(word.len()).any(|w| w == word);
                let writes = has(b"XADD");
                wrote = writes && has(b"events:{order}");
                let cut = |left: usize| left.checked_sub(1);
                lose_answer = writes
                    && cuts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, cut).is_ok();
                if server.write_all(&question[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(count @ 1..) = read else { return };
                if wrote && dies.load(Ordering::Relaxed) {
                    all.cancel();
                    continue;
                }
                if lose_answer || client.write_all(&answer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
