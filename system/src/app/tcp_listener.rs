//! The gateway's TCP listener.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::error::AppError;

/// Binds the gateway's address; returns it with the real port.
pub(super) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), AppError> {
    let taken = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    taken.await.map_err(|error: io::Error| AppError::Listen {
        address,
        hint: match error.kind() {
            io::ErrorKind::AddrInUse => {
                "; another program listens there: stop it, or choose another port with --listen"
            }
            _ => "",
        },
        error,
    })
}
