//! A line to a Redis on which every answer is late.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// Opens it before a Redis's socket; returns its address.
pub async fn late_line(socket: PathBuf, by: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(carry(client, server, by));
        }
    });
    url
}

/// Carries one connection until a side closes it.
async fn carry(mut client: TcpStream, mut server: UnixStream, by: Duration) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let answers = async {
        let mut answer = vec![0; 65_536];
        while let Ok(count @ 1..) = from_server.read(&mut answer).await {
            tokio::time::sleep(by).await;
            if to_client.write_all(&answer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = answers => {}
    }
}
